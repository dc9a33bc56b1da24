/*
 * The image of signatures: its layers are claims, its configuration lists them as diff_ids.
 */
#include "registry/sign_cosign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "registry/manage.h"

/* ---- a signature ---- */

int cosign_sign(const struct signing_key *key, const struct claim *claim, struct signature *signature,
		struct error **err)
{
	cleanup(buf_done) struct buf raw = BUF_INIT(KEY_SIGNATURE_SIZE_MAX);

	claim_format(SIGNATURE_COSIGN, claim, &signature->bytes);
	int rc = signing_key_sign(key, buf_str(&signature->bytes), signature->bytes.len, &raw, err);
	if (rc == 0)
		signature->cosign = format_base64(buf_str(&raw), raw.len);
	return rc;
}

bool cosign_verifies(const struct signature *signature, const struct public_key *key)
{
	cleanup_free void *raw = NULL;
	size_t size = 0;

	return signature->cosign && parse_base64(signature->cosign, "signature", &raw, &size, NULL) == 0 &&
	       public_key_verifies(key, buf_str(&signature->bytes), signature->bytes.len, raw, size);
}

/* ---- their image ---- */

/* Where they are: a tag of the same repository. */
static void signature_place(const struct reference *ref, const struct digest *manifest, struct reference *place)
{
	char hex[DIGEST_HEX_SIZE];

	place->domain = mem_strdup(ref->domain);
	place->path = mem_strdup(ref->path);
	place->tag = mem_printf("%s-%.64s.sig", digest_algorithm_name(manifest->algorithm), digest_hex(manifest, hex));
}

/* -ENOENT when there is none. */
static int get_image(struct registry_client *client, enum registry_side side, const struct reference *place,
		     struct manifest *m, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	enum manifest_kind kind;
	int rc = registry_get_manifest(client, side, place, /* want */ NULL, &text, &media_type, err);

	if (rc == 0)
		rc = manifest_kind(buf_str(&text), text.len, media_type, &kind, err);
	if (rc == 0 && kind != MANIFEST_IMAGE)
		return error_set(err, EINVAL, "an index instead of signatures");
	return rc < 0 ? rc : manifest_parse(buf_str(&text), text.len, place->tag, m, err);
}

static bool is_signature(const struct descriptor *layer)
{
	return strcmp(layer->media_type, COSIGN_PAYLOAD_TYPE) == 0 &&
	       strlist_env_get(&layer->annotations, COSIGN_ANNOTATION);
}

static int fetch_layers(struct registry_client *client, const struct reference *place, const struct manifest *m,
			struct signature_list *list, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; i < m->layer_count && rc == 0; i++) {
		const struct descriptor *layer = &m->layers[i];
		if (!is_signature(layer))
			continue;
		if (layer->size > signature_list_room(list))
			break;
		struct signature *added = signature_list_add(list, SIGNATURE_COSIGN, place->tag);
		added->cosign = mem_strdup(strlist_env_get(&layer->annotations, COSIGN_ANNOTATION));
		strlist_append_all(&added->annotations, &layer->annotations);
		rc = registry_get_blob(client, place, layer, SIGNATURE_SIZE_MAX, &added->bytes, err);
	}
	return rc;
}

int cosign_fetch(struct registry_client *client, const struct reference *ref, const struct digest *manifest,
		 struct signature_list *list, struct error **err)
{
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(reference_done) struct reference place = {0};
	cleanup_error struct error *why = NULL;

	signature_place(ref, manifest, &place);
	int rc = get_image(client, REGISTRY_AND_MIRRORS, &place, &m, &why);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return error_set(err, -rc, "signatures under the tag %s: %s", place.tag, error_message(why));
	rc = fetch_layers(client, &place, &m, list, err);
	return rc < 0 ? error_prefix(err, "signatures under the tag %s", place.tag) : 0;
}

/* ---- adding to it ---- */

/* The layers are not compressed: their digests are their diff_ids. */
static int put_config(struct registry_client *client, const struct reference *place, struct manifest *m,
		      struct error **err)
{
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	json_t *rootfs = json_object();
	struct strlist diff_ids = {0};

	for (size_t i = 0; i < m->layer_count; i++) {
		char digest[DIGEST_TEXT_SIZE];
		strlist_append(&diff_ids, digest_format(&m->layers[i].digest, digest));
	}
	json_set_string(rootfs, "type", "layers");
	json_set_strlist(rootfs, "diff_ids", &diff_ids);
	strlist_done(&diff_ids);
	json_set_string(root, "architecture", "");
	json_set_take(root, "config", json_object());
	json_set_string(root, "os", "");
	json_set_take(root, "rootfs", rootfs);
	json_format(root, &text);
	mem_replace(&m->config.media_type, MEDIA_OCI_CONFIG);
	m->config.size = text.len;
	return registry_put_blob(client, place, buf_str(&text), text.len, &m->config.digest, err);
}

static bool has_claim_of(const struct signature_list *there, const struct signature *signature,
			 const struct public_key *key)
{
	for (size_t i = 0; i < there->count; i++) {
		const struct signature *other = &there->items[i];
		if (other->bytes.len == signature->bytes.len &&
		    memcmp(buf_str(&other->bytes), buf_str(&signature->bytes), other->bytes.len) == 0 &&
		    (key ? cosign_verifies(other, key) : strcmp(other->cosign, signature->cosign) == 0))
			return true;
	}
	return false;
}

static int add_layer(struct registry_client *client, const struct reference *place, const struct signature *signature,
		     struct manifest *m, struct error **err)
{
	struct digest digest;
	int rc = registry_put_blob(client, place, buf_str(&signature->bytes), signature->bytes.len, &digest, err);

	if (rc < 0)
		return rc;
	m->layers = mem_grow(m->layers, m->layer_count + 1, sizeof(*m->layers));
	struct descriptor *layer = &m->layers[m->layer_count++];
	*layer = (struct descriptor){
		.media_type = mem_strdup(COSIGN_PAYLOAD_TYPE), .digest = digest, .size = signature->bytes.len};
	strlist_append_all(&layer->annotations, &signature->annotations);
	strlist_env_set(&layer->annotations, COSIGN_ANNOTATION, signature->cosign);
	return put_config(client, place, m, err);
}

int cosign_push(struct registry_client *client, const struct reference *ref, const struct digest *manifest,
		const struct signature *signature, const struct public_key *key, struct error **err)
{
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(reference_done) struct reference place = {0};
	cleanup(signature_list_done) struct signature_list there = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_error struct error *why = NULL;

	signature_place(ref, manifest, &place);
	int rc = get_image(client, REGISTRY_ITSELF, &place, &m, &why);
	if (rc < 0 && rc != -ENOENT)
		return error_set(err, -rc, "signatures under the tag %s: %s", place.tag, error_message(why));
	if (rc == 0)
		rc = fetch_layers(client, &place, &m, &there, err);
	else
		rc = 0; /* the first one; a zeroed manifest is OCI's */
	if (rc < 0 || has_claim_of(&there, signature, key))
		return rc;
	rc = add_layer(client, &place, signature, &m, err);
	if (rc < 0)
		return rc;
	manifest_format(&m, &text);
	return registry_put_manifest(client, &place, buf_str(&text), text.len, manifest_media_type(&m),
				     /* digest */ NULL, err);
}

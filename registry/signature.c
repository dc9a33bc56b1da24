/*
 * Lists of signatures, the claims in them, and their form in files.
 */
#include "registry/signature.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "registry/sign_cosign.h"

#define CLAIM_NAME_MAX 1024 /* bytes of a name in a claim */

static const char file_magic[] = "\0sigstore-json\n";
#define FILE_MAGIC_SIZE (sizeof(file_magic) - 1)

/* ---- lists ---- */

void signature_list_done(struct signature_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		buf_done(&list->items[i].bytes);
		free(list->items[i].cosign);
		strlist_done(&list->items[i].annotations);
		free(list->items[i].where);
	}
	free(list->items);
	*list = (struct signature_list){0};
}

struct signature *signature_list_add(struct signature_list *list, enum signature_format format, const char *where)
{
	list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
	struct signature *added = &list->items[list->count++];
	*added =
		(struct signature){.format = format, .bytes = BUF_INIT(SIGNATURE_SIZE_MAX), .where = mem_strdup(where)};
	return added;
}

size_t signature_list_room(const struct signature_list *list)
{
	size_t used = 0;

	for (size_t i = 0; i < list->count; i++)
		used += list->items[i].bytes.len;
	if (list->count >= SIGNATURES_MAX || used >= SIGNATURES_SIZE_MAX)
		return 0;
	size_t left = SIGNATURES_SIZE_MAX - used;
	return left < SIGNATURE_SIZE_MAX ? left : SIGNATURE_SIZE_MAX;
}

void claim_done(struct claim *claim)
{
	free(claim->name);
	*claim = (struct claim){0};
}

/* ---- claims ---- */

static const char *claim_type(enum signature_format format)
{
	return format == SIGNATURE_GPG ? "atomic container signature" : "cosign container image signature";
}

void claim_format(enum signature_format format, const struct claim *claim, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	json_t *critical = json_object();
	json_t *identity = json_object();
	json_t *image = json_object();
	json_t *optional = json_object();
	char digest[DIGEST_TEXT_SIZE];

	json_set_string(identity, "docker-reference", claim->name);
	json_set_string(image, "docker-manifest-digest", digest_format(&claim->digest, digest));
	json_set_take(critical, "identity", identity);
	json_set_take(critical, "image", image);
	json_set_string(critical, "type", claim_type(format));
	json_set_string(optional, "creator", "cooper " COOPER_VERSION);
	json_set_take(root, "critical", critical);
	json_set_take(root, "optional", optional);
	json_format(root, into);
}

/* -EINVAL unless the object has just `count` fields: what is required is asked for by name elsewhere. */
static int check_count(struct json_place at, size_t count, struct error **err)
{
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	if (json_object_size(at.value) != count)
		return json_error(&at, err, "missing or unknown fields");
	return 0;
}

static int get_text(const struct json_place *object, const char *key, char **text, struct error **err)
{
	struct json_place at = json_field(object, key);
	int rc = json_require(&at, err);

	return rc < 0 ? rc : json_get_string(at, text, err);
}

static int parse_critical(const struct json_place *critical, enum signature_format format, struct claim *claim,
			  struct error **err)
{
	struct json_place identity = json_field(critical, "identity");
	struct json_place image = json_field(critical, "image");
	cleanup_free char *type = NULL;
	cleanup_free char *digest = NULL;
	cleanup_free char *name = NULL;

	int rc = check_count(*critical, 3, err);
	if (rc == 0)
		rc = get_text(critical, "type", &type, err);
	if (rc == 0 && strcmp(type, claim_type(format)) != 0)
		return json_error(critical, err, "type '%.64s' instead of '%s'", type, claim_type(format));
	if (rc == 0)
		rc = check_count(identity, 1, err);
	if (rc == 0)
		rc = get_text(&identity, "docker-reference", &name, err);
	if (rc == 0 && strlen(name) > CLAIM_NAME_MAX)
		return json_error(&identity, err, "a name of %zu bytes", strlen(name));
	if (rc == 0)
		rc = check_count(image, 1, err);
	if (rc == 0)
		rc = get_text(&image, "docker-manifest-digest", &digest, err);
	if (rc == 0)
		rc = digest_parse(digest, &claim->digest, err);
	if (rc == 0)
		claim->name = take_ptr(&name);
	return rc;
}

int claim_parse(enum signature_format format, const void *text, size_t size, const char *where, struct claim *claim,
		struct error **err)
{
	cleanup_json json_t *root = NULL;
	int rc = json_parse(text, size, where, &root, err);

	if (rc < 0)
		return rc;
	struct json_place top = json_root(where, root);
	struct json_place critical = json_field(&top, "critical");
	/* "optional" is anybody's; cosign writes null there. But it has to be there. */
	rc = check_count(top, 2, err);
	if (rc == 0 && !json_object_get(root, "optional"))
		rc = json_error(&top, err, "missing or unknown fields");
	return rc < 0 ? rc : parse_critical(&critical, format, claim, err);
}

/* ---- files ---- */

static int parse_envelope(const struct buf *text, const char *where, struct signature_list *list, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup_free char *type = NULL;
	cleanup_free char *payload = NULL;
	cleanup_free char *annotation = NULL;
	cleanup(strlist_done) struct strlist all = {0};
	cleanup_free void *bytes = NULL;
	size_t size = 0;

	int rc = json_parse(text->data + FILE_MAGIC_SIZE, text->len - FILE_MAGIC_SIZE, where, &root, err);
	if (rc < 0)
		return rc;
	struct json_place top = json_root(where, root);
	struct json_place annotations = json_field(&top, "annotations");
	rc = get_text(&top, "mimeType", &type, err);
	if (rc == 0)
		rc = get_text(&top, "payload", &payload, err);
	if (rc == 0)
		rc = parse_base64(payload, "payload", &bytes, &size, err);
	if (rc < 0 || strcmp(type, COSIGN_PAYLOAD_TYPE) != 0)
		return rc; /* another kind of attachment is none of ours */
	rc = get_text(&annotations, COSIGN_ANNOTATION, &annotation, err);
	if (rc == 0)
		rc = json_get_map(annotations, &all, err);
	if (rc < 0)
		return rc;
	struct signature *added = signature_list_add(list, SIGNATURE_COSIGN, where);
	strlist_append_all(&added->annotations, &all);
	buf_append(&added->bytes, bytes, size);
	added->cosign = take_ptr(&annotation);
	return 0;
}

int signature_from_file(const struct buf *text, const char *where, struct signature_list *list, struct error **err)
{
	if (text->len >= FILE_MAGIC_SIZE && memcmp(text->data, file_magic, FILE_MAGIC_SIZE) == 0)
		return parse_envelope(text, where, list, err);
	/* OpenPGP messages begin with a byte whose highest bit is set (RFC 4880, 4.2). */
	if (text->len == 0 || !((unsigned char)text->data[0] & 0x80))
		return error_set(err, EINVAL, "%s: not a signature", where);
	struct signature *added = signature_list_add(list, SIGNATURE_GPG, where);
	buf_append(&added->bytes, text->data, text->len);
	return 0;
}

int signature_to_file(const struct signature *signature, struct buf *into, struct error **err)
{
	cleanup_json json_t *root = json_object();
	cleanup(strlist_done) struct strlist annotations = {0};

	if (signature->format == SIGNATURE_GPG) {
		buf_append(into, buf_str(&signature->bytes), signature->bytes.len);
		return 0;
	}
	if (signature->format == SIGNATURE_BUNDLE)
		return error_set(err, ENOTSUP, "a sigstore bundle has no form as a file beside an image");
	cleanup_free char *payload = format_base64(buf_str(&signature->bytes), signature->bytes.len);
	strlist_append_all(&annotations, &signature->annotations);
	strlist_env_set(&annotations, COSIGN_ANNOTATION, signature->cosign);
	json_set_map_opt(root, "annotations", &annotations);
	json_set_string(root, "mimeType", COSIGN_PAYLOAD_TYPE);
	json_set_string(root, "payload", payload);
	buf_append(into, file_magic, FILE_MAGIC_SIZE);
	json_format(root, into);
	return 0;
}

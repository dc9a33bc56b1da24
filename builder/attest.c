/*
 * Statements about an image, and the manifests that carry them.
 */
#include "builder/attest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "builder/artifact.h"
#include "builder/attest_internal.h"
#include "builder/outgoing.h"
#include "imagefmt/blob.h"
#include "registry/manage.h"

#define STATEMENT_SIZE_MAX ((size_t)32 << 20)
#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define INDEX_ARTIFACT_TYPE "application/vnd.docker.attestation.manifest.v1+json"
#define PREDICATE_ANNOTATION "in-toto.io/predicate-type"

/* ---- the image ---- */

int attest_pack_image(struct workshop *w, const struct export_options *export, const struct strlist *names,
		      struct image *image, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(outgoing_done) struct outgoing out = OUTGOING_INIT;
	cleanup(image_entry_done) struct image_entry entry = {.id = image->entry.id, .created = image->entry.created};
	cleanup(image_done) struct image packed = {0};
	struct outgoing_wish wish;
	int rc = outgoing_wish(TRANSPORT_DOCKER, export, image->manifest.format, &wish, err);

	if (rc >= 0)
		rc = outgoing_prepare(w, image, &wish, &out, err);
	if (rc >= 0)
		rc = blob_put(store, out.text.data, out.text.len, &entry.manifest.digest, err);
	if (rc < 0)
		return error_prefix(err, "pack the image");
	entry.manifest.size = out.text.len;
	mem_replace(&entry.manifest.media_type, manifest_media_type(&out.manifest));
	for (size_t i = 0; rc >= 0 && i < names->count; i++)
		rc = images_add(store, &entry.manifest, &entry.id, entry.created, names->items[i], err);
	strlist_copy(&entry.names, names);
	if (rc >= 0)
		rc = image_load(store, &entry, &packed, err);
	if (rc < 0)
		return rc;
	image_done(image);
	*image = packed;
	packed = (struct image){0};
	return 0;
}

/* ---- statements ---- */

static json_t *subject_json(const struct image *image, const char *name)
{
	cleanup_free char *platform = platform_format(&image->config.platform);
	cleanup_free char *uri = name ? material_image_uri(name, platform) : NULL;
	const struct digest *digest = &image->entry.manifest.digest;
	char hex[DIGEST_HEX_SIZE];
	json_t *subject = json_object();
	json_t *digests = json_object();
	json_t *subjects = json_array();

	json_set_string(digests, digest_algorithm_name(digest->algorithm), digest_hex(digest, hex));
	json_set_take(subject, "digest", digests);
	json_set_string_opt(subject, "name", uri);
	json_array_append_new(subjects, subject);
	return subjects;
}

/* Takes `predicate`. */
static int put_statement(struct workshop *w, const struct image *image, const char *name, const char *type,
			 json_t *predicate, struct attestations *attestations, struct error **err)
{
	cleanup_json json_t *statement = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(STATEMENT_SIZE_MAX);
	struct attestation *made = &attestations->items[attestations->count];

	json_set_string(statement, "_type", STATEMENT_TYPE);
	json_set_take(statement, "subject", subject_json(image, name));
	json_set_string(statement, "predicateType", type);
	json_set_take(statement, "predicate", predicate);
	json_format(statement, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the statement is larger than %zu bytes", STATEMENT_SIZE_MAX);
	int rc = blob_put(workshop_store(w), text.data, text.len, &made->digest, err);
	if (rc < 0)
		return rc;
	made->predicate_type = type;
	made->size = text.len;
	attestations->count++;
	return 0;
}

/* One look at the image, in as many notations as are wanted. */
static int put_sboms(struct workshop *w, const struct attest_options *options, const struct build_result *result,
		     const char *name, struct attestations *attestations, struct error **err)
{
	cleanup(sbom_packages_done) struct sbom_packages packages = {0};
	int rc = sbom_find_packages(w, &result->image, &packages, err);

	if (rc < 0)
		return error_prefix(err, "look for packages in the image");
	if (options->spdx)
		rc = put_statement(w, &result->image, name, ATTEST_SPDX_TYPE, sbom_make_spdx(result, &packages, name),
				   attestations, err);
	if (rc >= 0 && options->cyclonedx)
		rc = put_statement(w, &result->image, name, ATTEST_CYCLONEDX_TYPE,
				   sbom_make_cyclonedx(result, &packages, name), attestations, err);
	return rc;
}

int attest_make(struct workshop *w, const struct attest_options *options, const struct build_options *build,
		const struct build_result *result, const char *name, struct attestations *attestations,
		struct error **err)
{
	const struct image *image = &result->image;
	json_t *predicate = NULL;
	int rc = 0;

	*attestations = (struct attestations){0};
	if (options->provenance) {
		rc = provenance_make(w, options, build, result, &predicate, err);
		if (rc >= 0)
			rc = put_statement(w, image, name, ATTEST_PROVENANCE_TYPE, predicate, attestations, err);
		if (rc < 0)
			return error_prefix(err, "--provenance");
	}
	rc = options->spdx || options->cyclonedx ? put_sboms(w, options, result, name, attestations, err) : 0;
	return rc < 0 ? error_prefix(err, "--sbom") : 0;
}

/* ---- manifests ---- */

static void add_layer(struct manifest *m, const struct attestation *attestation)
{
	m->layers = mem_grow(m->layers, m->layer_count + 1, sizeof(*m->layers));
	struct descriptor *layer = &m->layers[m->layer_count++];

	*layer = (struct descriptor){.media_type = mem_strdup(ATTEST_STATEMENT_MEDIA_TYPE),
				     .digest = attestation->digest,
				     .size = attestation->size};
	strlist_env_set(&layer->annotations, PREDICATE_ANNOTATION, attestation->predicate_type);
}

/* An artifact about the image: no configuration, the statements as its layers. */
static int begin_manifest(const struct image *image, const char *artifact_type, struct manifest *m, struct error **err)
{
	*m = (struct manifest){.format = FORMAT_OCI, .artifact_type = mem_strdup(artifact_type)};
	m->config.media_type = mem_strdup(ARTIFACT_EMPTY_TYPE);
	m->config.size = strlen(ARTIFACT_EMPTY_TEXT);
	m->subject = mem_alloc(sizeof(*m->subject));
	*m->subject = (struct descriptor){.media_type = mem_strdup(image->entry.manifest.media_type),
					  .digest = image->entry.manifest.digest,
					  .size = image->entry.manifest.size};
	return digest_of(ARTIFACT_EMPTY_TEXT, strlen(ARTIFACT_EMPTY_TEXT), &m->config.digest, err);
}

int attest_write_entry(struct workshop *w, const struct image *image, const struct attestations *attestations,
		       struct descriptor *entry, struct error **err)
{
	struct store *store = workshop_store(w);
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	char about[DIGEST_TEXT_SIZE];
	struct digest digest;
	int rc = begin_manifest(image, INDEX_ARTIFACT_TYPE, &m, err);

	for (size_t i = 0; i < attestations->count; i++)
		add_layer(&m, &attestations->items[i]);
	if (rc >= 0)
		rc = blob_put(store, ARTIFACT_EMPTY_TEXT, strlen(ARTIFACT_EMPTY_TEXT), &digest, err);
	manifest_format(&m, &text);
	if (rc >= 0)
		rc = blob_put(store, text.data, text.len, &digest, err);
	if (rc < 0)
		return rc;
	*entry = (struct descriptor){.media_type = mem_strdup(MEDIA_OCI_MANIFEST),
				     .digest = digest,
				     .size = text.len,
				     .artifact_type = mem_strdup(INDEX_ARTIFACT_TYPE),
				     .platform = mem_alloc(sizeof(*entry->platform))};
	*entry->platform = (struct platform){.os = mem_strdup("unknown"), .architecture = mem_strdup("unknown")};
	strlist_env_set(&entry->annotations, "vnd.docker.reference.digest",
			digest_format(&image->entry.manifest.digest, about));
	strlist_env_set(&entry->annotations, "vnd.docker.reference.type", "attestation-manifest");
	return 0;
}

/* ---- referrers ---- */

static int push_one(struct workshop *w, const struct image *image, const struct attestation *attestation,
		    struct registry_client *client, const struct reference *repository, struct error **err)
{
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(buf_done) struct buf statement = BUF_INIT(STATEMENT_SIZE_MAX);
	struct digest digest;
	int rc = begin_manifest(image, ATTEST_STATEMENT_MEDIA_TYPE, &m, err);

	add_layer(&m, attestation);
	/* The list of referrers shows it, so that a reader can choose before it fetches. */
	strlist_env_set(&m.annotations, PREDICATE_ANNOTATION, attestation->predicate_type);
	manifest_format(&m, &text);
	if (rc >= 0)
		rc = blob_read(workshop_store(w), &attestation->digest, STATEMENT_SIZE_MAX, &statement, err);
	if (rc >= 0)
		rc = registry_put_blob(client, repository, statement.data, statement.len, &digest, err);
	if (rc >= 0)
		rc = registry_put_blob(client, repository, ARTIFACT_EMPTY_TEXT, strlen(ARTIFACT_EMPTY_TEXT), &digest,
				       err);
	if (rc >= 0)
		rc = registry_put_manifest(client, repository, text.data, text.len, MEDIA_OCI_MANIFEST,
					   /* digest */ NULL, err);
	return rc < 0 ? rc : 0;
}

int attest_push_referrers(struct workshop *w, const struct image *image, const struct attestations *attestations,
			  struct registry_client *client, const struct reference *ref, struct error **err)
{
	cleanup(reference_done) struct reference repository = {0};
	int rc = 0;

	reference_copy(&repository, ref);
	mem_replace(&repository.tag, NULL);
	repository.digest = (struct digest){0};
	for (size_t i = 0; rc >= 0 && i < attestations->count; i++)
		rc = push_one(w, image, &attestations->items[i], client, &repository, err);
	return rc < 0 ? error_prefix(err, "push attestations") : 0;
}

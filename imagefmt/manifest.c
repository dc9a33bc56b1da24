/*
 * Manifests and indexes: foreign JSON in, plain structs out, and back as canonical text.
 */
#include "imagefmt/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "imagefmt/jsondigest.h"
#include "imagefmt/jsonrest.h"
#include "imagefmt/mediatype.h"

static const char *const manifest_fields[] = {"schemaVersion", "mediaType", "config",	    "layers",
					      "annotations",   "subject",   "artifactType", "manifests"};
static const char *const index_fields[] = {"schemaVersion", "mediaType", "manifests",	"annotations",
					   "subject",	    "layers",	 "artifactType"};
static const char *const descriptor_fields[] = {"mediaType", "digest",	 "size",	"annotations",
						"urls",	     "platform", "artifactType"};
static const char *const platform_fields[] = {"os", "architecture", "variant", "os.version", "os.features"};

void descriptor_done(struct descriptor *d)
{
	free(d->media_type);
	strlist_done(&d->annotations);
	strlist_done(&d->urls);
	if (d->platform)
		platform_done(d->platform);
	free(d->platform);
	free(d->artifact_type);
	free(d->unknown);
	*d = (struct descriptor){0};
}

void descriptor_copy(struct descriptor *to, const struct descriptor *from)
{
	struct descriptor copy = {
		.media_type = mem_strdup(from->media_type),
		.digest = from->digest,
		.size = from->size,
		.artifact_type = mem_strdup(from->artifact_type),
		.unknown = mem_strdup(from->unknown),
	};
	strlist_copy(&copy.annotations, &from->annotations);
	strlist_copy(&copy.urls, &from->urls);
	if (from->platform) {
		copy.platform = mem_alloc(sizeof(*copy.platform));
		platform_copy(copy.platform, from->platform);
	}
	descriptor_done(to);
	*to = copy;
}

static void descriptors_free(struct descriptor *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		descriptor_done(&list[i]);
	free(list);
}

static void descriptor_free(struct descriptor *d)
{
	if (d)
		descriptor_done(d);
	free(d);
}
CLEANUP_FOR(struct descriptor, descriptor_free)

void manifest_done(struct manifest *m)
{
	descriptor_done(&m->config);
	descriptors_free(m->layers, m->layer_count);
	strlist_done(&m->annotations);
	free(m->artifact_type);
	descriptor_free(m->subject);
	free(m->unknown);
	*m = (struct manifest){0};
}

void image_index_done(struct image_index *index)
{
	descriptors_free(index->manifests, index->manifest_count);
	strlist_done(&index->annotations);
	free(index->artifact_type);
	descriptor_free(index->subject);
	free(index->unknown);
	*index = (struct image_index){0};
}

/* ---- Reading ---- */

static int read_platform(struct json_place at, struct descriptor *d, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	struct platform *p = mem_alloc(sizeof(*p));
	d->platform = p; /* owned by the descriptor from here on, also when a field is bad */
	cleanup_free char *rest = NULL;
	int rc = json_get_string(json_field(&at, "os"), &p->os, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "architecture"), &p->architecture, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "variant"), &p->variant, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "os.version"), &p->os_version, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&at, "os.features"), &p->os_features, err);
	if (rc == 0)
		rc = json_rest_take(&at, platform_fields, ARRAY_COUNT(platform_fields), &rest, err);
	if (rc == 0)
		json_rest_nest(&d->unknown, "platform", rest);
	return rc;
}

/* Reads into *d, which is zeroed; what was read before a failure stays there for the caller's destructor. */
static int read_descriptor(struct json_place at, struct descriptor *d, struct error **err)
{
	int rc = json_require(&at, err);
	if (rc < 0)
		return rc;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");

	struct json_place media_type = json_field(&at, "mediaType");
	struct json_place size = json_field(&at, "size");
	rc = json_require(&media_type, err);
	if (rc == 0)
		rc = json_get_string(media_type, &d->media_type, err);
	if (rc == 0)
		rc = json_require_digest(json_field(&at, "digest"), &d->digest, err);
	if (rc == 0)
		rc = json_require(&size, err);
	if (rc == 0)
		rc = json_get_u64(size, &d->size, err);
	if (rc == 0 && d->size > INT64_MAX)
		rc = json_error(&size, err, "too large");
	if (rc == 0)
		rc = json_get_map(json_field(&at, "annotations"), &d->annotations, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&at, "urls"), &d->urls, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "artifactType"), &d->artifact_type, err);
	if (rc == 0)
		rc = json_rest_take(&at, descriptor_fields, ARRAY_COUNT(descriptor_fields), &d->unknown, err);
	if (rc == 0)
		rc = read_platform(json_field(&at, "platform"), d, err);
	return rc;
}

static int read_descriptors(struct json_place at, size_t max, struct descriptor **list, size_t *count,
			    struct error **err)
{
	ssize_t n = json_get_count(at, err);
	if (n < 0)
		return (int)n;
	if (json_is_present(&at) && !json_is_array(at.value))
		return json_error(&at, err, "not an array");
	if ((size_t)n > max)
		return json_error(&at, err, "%zd entries, more than the %zu allowed", n, max);

	*list = mem_alloc((size_t)n * sizeof(**list));
	*count = (size_t)n;
	for (size_t i = 0; i < (size_t)n; i++) {
		int rc = read_descriptor(json_element(&at, i), &(*list)[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_subject(struct json_place at, struct descriptor **subject, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	cleanup(descriptor_free) struct descriptor *d = mem_alloc(sizeof(*d));
	int rc = read_descriptor(at, d, err);
	if (rc < 0)
		return rc;
	*subject = take_ptr(&d);
	return 0;
}

static int parse_document(const void *text, size_t size, const char *what, json_t **root, struct error **err)
{
	if (size > MANIFEST_SIZE_MAX)
		return error_set(err, EFBIG, "%s: %zu bytes, more than the %zu allowed", what, size, MANIFEST_SIZE_MAX);
	cleanup_json json_t *parsed = NULL;
	int rc = json_parse(text, size, what, &parsed, err);
	if (rc < 0)
		return rc;
	if (!json_is_object(parsed))
		return error_set(err, EINVAL, "%s: not a JSON object", what);
	*root = take_ptr(&parsed);
	return 0;
}

/* What both kinds have in common. */
static int check_schema(const struct json_place *at, char **media_type, struct error **err)
{
	uint64_t version = 0;
	int rc = json_get_u64(json_field(at, "schemaVersion"), &version, err);
	if (rc < 0)
		return rc;
	if (version == 1)
		return json_error(at, err,
				  "a manifest of Docker's schema 1, which is no longer supported: push the image anew "
				  "with a current tool");
	if (version != 2)
		return json_error(at, err, "schemaVersion is not 2");
	return json_get_string(json_field(at, "mediaType"), media_type, err);
}

/* A document that is an image to one reader and an index or of schema 1 to another (CVE-2021-41190) is refused. */
static int check_unambiguous(const struct json_place *at, struct error **err)
{
	static const char *const fields_of_others[] = {"layers", "config", "fsLayers"};
	bool is_index = json_field(at, "manifests").value != NULL;

	for (size_t i = is_index ? 0 : 2; i < ARRAY_COUNT(fields_of_others); i++) {
		if (json_field(at, fields_of_others[i]).value)
			return json_error(at, err, "has '%s' too: it could be read as an image and as an index",
					  fields_of_others[i]);
	}
	return 0;
}

static int read_format(const struct json_place *at, const char *media_type, enum manifest_kind kind,
		       enum image_format *format, struct error **err)
{
	const struct media_kind *known = media_kind(media_type);
	if (!known || known->kind != kind)
		return json_error(at, err, "mediaType '%s' is not that of an %s", media_type,
				  kind == MANIFEST_IMAGE ? "image" : "index");
	*format = known->format;
	return 0;
}

static int read_manifest(const struct json_place *at, struct manifest *m, struct error **err)
{
	cleanup_free char *media_type = NULL;
	int rc = check_schema(at, &media_type, err);
	if (rc == 0)
		rc = check_unambiguous(at, err);
	if (rc == 0)
		rc = read_descriptor(json_field(at, "config"), &m->config, err);
	if (rc < 0)
		return rc;
	/* Without a mediaType of its own the configuration's tells (OCI has it optional, Docker always). */
	if (media_type)
		rc = read_format(at, media_type, MANIFEST_IMAGE, &m->format, err);
	else
		m->format = strcmp(m->config.media_type, MEDIA_DOCKER_CONFIG) == 0 ? FORMAT_DOCKER : FORMAT_OCI;

	struct json_place layers = json_field(at, "layers");
	if (rc == 0)
		rc = json_require(&layers, err);
	if (rc == 0)
		rc = read_descriptors(layers, MANIFEST_LAYERS_MAX, &m->layers, &m->layer_count, err);
	if (rc == 0)
		rc = json_get_map(json_field(at, "annotations"), &m->annotations, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "artifactType"), &m->artifact_type, err);
	if (rc == 0)
		rc = read_subject(json_field(at, "subject"), &m->subject, err);
	if (rc == 0)
		rc = json_rest_take(at, manifest_fields, ARRAY_COUNT(manifest_fields), &m->unknown, err);
	return rc;
}

static int read_index(const struct json_place *at, struct image_index *index, struct error **err)
{
	cleanup_free char *media_type = NULL;
	int rc = check_schema(at, &media_type, err);
	if (rc == 0)
		rc = check_unambiguous(at, err);
	if (rc < 0)
		return rc;
	if (media_type)
		rc = read_format(at, media_type, MANIFEST_INDEX, &index->format, err);

	struct json_place manifests = json_field(at, "manifests");
	if (rc == 0)
		rc = json_require(&manifests, err);
	if (rc == 0)
		rc = read_descriptors(manifests, INDEX_MANIFESTS_MAX, &index->manifests, &index->manifest_count, err);
	if (rc == 0)
		rc = json_get_map(json_field(at, "annotations"), &index->annotations, err);
	if (rc == 0)
		rc = json_get_string(json_field(at, "artifactType"), &index->artifact_type, err);
	if (rc == 0)
		rc = read_subject(json_field(at, "subject"), &index->subject, err);
	if (rc == 0)
		rc = json_rest_take(at, index_fields, ARRAY_COUNT(index_fields), &index->unknown, err);
	return rc;
}

int manifest_parse(const void *text, size_t size, const char *what, struct manifest *m, struct error **err)
{
	cleanup_json json_t *root = NULL;
	int rc = parse_document(text, size, what, &root, err);
	if (rc < 0)
		return rc;
	cleanup(manifest_done) struct manifest parsed = {0};
	struct json_place at = json_root(what, root);
	rc = read_manifest(&at, &parsed, err);
	if (rc < 0)
		return rc;
	manifest_done(m);
	*m = parsed;
	parsed = (struct manifest){0};
	return 0;
}

int image_index_parse(const void *text, size_t size, const char *what, struct image_index *index, struct error **err)
{
	cleanup_json json_t *root = NULL;
	int rc = parse_document(text, size, what, &root, err);
	if (rc < 0)
		return rc;
	cleanup(image_index_done) struct image_index parsed = {0};
	struct json_place at = json_root(what, root);
	rc = read_index(&at, &parsed, err);
	if (rc < 0)
		return rc;
	image_index_done(index);
	*index = parsed;
	parsed = (struct image_index){0};
	return 0;
}

/* ---- Which of the two ---- */

int manifest_kind(const void *text, size_t size, const char *media_type, enum manifest_kind *kind, struct error **err)
{
	cleanup_json json_t *root = NULL;
	int rc = parse_document(text, size, "manifest", &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root("manifest", root);
	if (media_type_is_schema1(media_type))
		media_type = NULL; /* its schemaVersion says the same, in clearer words */

	cleanup_free char *own = NULL;
	rc = check_schema(&at, &own, err);
	if (rc == 0)
		rc = check_unambiguous(&at, err);
	if (rc < 0)
		return rc;
	if (own && !media_type_is_generic(media_type) && strcmp(own, media_type) != 0)
		return json_error(&at, err, "its mediaType is '%s', but it was sent as '%s'", own, media_type);

	const char *type = own ? own : media_type;
	const struct media_kind *known = type ? media_kind(type) : NULL;
	if (!known)
		return json_error(&at, err, "%s%s is neither an image's nor an index's", type ? "media type " : "",
				  type ? type : "its media type is not known, which");
	*kind = known->kind;
	return 0;
}

int manifest_check_entry(const struct descriptor *entry, const void *text, size_t size, const char *media_type,
			 struct error **err)
{
	cleanup_json json_t *root = NULL;
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&entry->digest, digest);
	if (size != entry->size)
		return error_set(err, EINVAL, "manifest %s: it has %zu bytes, the index says %llu", digest, size,
				 (unsigned long long)entry->size);
	int rc = parse_document(text, size, "manifest", &root, err);
	if (rc < 0)
		return rc;
	const char *own = json_string_value(json_object_get(root, "mediaType"));
	const char *type = own || media_type_is_generic(media_type) ? own : media_type;
	if (type && strcmp(type, entry->media_type) != 0)
		return error_set(err, EINVAL, "manifest %s: it is of type '%s', the index says '%s'", digest, type,
				 entry->media_type);
	return 0;
}

const char *manifest_guess_media_type(const void *text, size_t size)
{
	cleanup_json json_t *root = NULL;
	if (parse_document(text, size, "manifest", &root, /* a guess: the caller's parser reports */ NULL) < 0)
		return NULL;
	const struct media_kind *known = media_kind(json_string_value(json_object_get(root, "mediaType")));
	if (known)
		return known->media_type;
	if (json_object_get(root, "manifests"))
		return MEDIA_OCI_INDEX;
	const json_t *config = json_object_get(root, "config");
	const char *config_type = json_string_value(json_object_get(config, "mediaType"));
	if (config_type && strcmp(config_type, MEDIA_DOCKER_CONFIG) == 0)
		return MEDIA_DOCKER_MANIFEST;
	return config ? MEDIA_OCI_MANIFEST : NULL;
}

/* ---- Writing ---- */

static json_t *platform_to_json(const struct platform *p)
{
	json_t *object = json_object();
	json_set_string(object, "os", p->os ? p->os : "");
	json_set_string(object, "architecture", p->architecture ? p->architecture : "");
	json_set_string_opt(object, "variant", p->variant);
	json_set_string_opt(object, "os.version", p->os_version);
	json_set_strlist_opt(object, "os.features", &p->os_features);
	return object;
}

static json_t *descriptor_to_json(const struct descriptor *d, const char *media_type)
{
	char digest[DIGEST_TEXT_SIZE];
	json_t *object = json_object();
	json_set_string(object, "mediaType", media_type);
	json_set_string(object, "digest", digest_format(&d->digest, digest));
	json_set_i64(object, "size", (int64_t)d->size);
	json_set_map_opt(object, "annotations", &d->annotations);
	json_set_strlist_opt(object, "urls", &d->urls);
	json_set_string_opt(object, "artifactType", d->artifact_type);
	if (d->platform)
		json_set_take(object, "platform", platform_to_json(d->platform));
	json_rest_put(object, d->unknown);
	return object;
}

static void format_document(json_t *root, const char *media_type, const struct strlist *annotations,
			    const char *artifact_type, const struct descriptor *subject, const char *unknown,
			    struct buf *into)
{
	json_set_i64(root, "schemaVersion", 2);
	json_set_string(root, "mediaType", media_type);
	json_set_map_opt(root, "annotations", annotations);
	json_set_string_opt(root, "artifactType", artifact_type);
	if (subject)
		json_set_take(root, "subject", descriptor_to_json(subject, subject->media_type));
	json_rest_put(root, unknown);
	json_format(root, into);
}

void manifest_format(const struct manifest *m, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	json_t *layers = json_array();
	for (size_t i = 0; i < m->layer_count; i++) {
		const char *type = layer_type_in(m->format, m->layers[i].media_type);
		json_array_append_new(layers, descriptor_to_json(&m->layers[i], type));
	}
	json_set_take(root, "layers", layers);
	const char *config_type = config_type_in(m->format, m->config.media_type);
	json_set_take(root, "config", descriptor_to_json(&m->config, config_type));
	format_document(root, manifest_media_type(m), &m->annotations, m->artifact_type, m->subject, m->unknown, into);
}

void image_index_format(const struct image_index *index, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	json_t *manifests = json_array();
	for (size_t i = 0; i < index->manifest_count; i++) {
		const struct descriptor *d = &index->manifests[i];
		json_array_append_new(manifests, descriptor_to_json(d, d->media_type));
	}
	json_set_take(root, "manifests", manifests);
	format_document(root, image_index_media_type(index), &index->annotations, index->artifact_type, index->subject,
			index->unknown, into);
}

bool manifest_is_image(const struct manifest *m)
{
	if (!media_type_is_config(m->config.media_type))
		return false;
	/* An attestation has an image's configuration, but layers of its own kind. Layers that are encrypted can only
	 * be handed on. */
	for (size_t i = 0; i < m->layer_count; i++) {
		enum codec codec;
		if (layer_codec(m->layers[i].media_type, &codec, NULL) < 0)
			return false;
	}
	return true;
}

const char *manifest_media_type(const struct manifest *m)
{
	return m->format == FORMAT_DOCKER ? MEDIA_DOCKER_MANIFEST : MEDIA_OCI_MANIFEST;
}

const char *image_index_media_type(const struct image_index *index)
{
	return index->format == FORMAT_DOCKER ? MEDIA_DOCKER_LIST : MEDIA_OCI_INDEX;
}

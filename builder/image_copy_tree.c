/*
 * From what the source names down to images: through an index to one platform's, or with all that is in it.
 */
#include "builder/image_copy_internal.h"

#include <errno.h>

#include "builder/fetch.h"
#include "builder/manifest_list.h"
#include "imagefmt/index.h"
#include "imagefmt/pack.h"
#include "registry/docker.h"
#include "registry/trust.h"

#define ATTESTATION_OF "vnd.docker.reference.digest"

static int copy_manifest(struct copier *c, const struct descriptor *want, int depth, struct copied *copied,
			 struct error **err);

/* ---- One platform ---- */

static int copy_one_platform(struct copier *c, const struct buf *text, int depth, struct copied *copied,
			     struct error **err)
{
	cleanup(descriptor_done) struct descriptor child = {0};
	int rc = fetch_choose_child(text, c->options->platform, "the list", &child, err);

	return rc < 0 ? rc : copy_manifest(c, &child, depth + 1, copied, err);
}

/* ---- All ---- */

/* A child that is not in the store, but in a registry that the list remembers. */
static int copy_from_origin(struct copier *c, const struct descriptor *entry, const struct reference *origin,
			    struct copied *copied, struct error **err)
{
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_source_close) struct image_source *source = NULL;
	cleanup(store_close) struct store *scratch = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	struct copier from_there = *c;

	int rc = registry_client_new(&c->options->source_registry, &client, err);
	const struct location location = {.transport = TRANSPORT_DOCKER, .ref = *origin};
	const struct trust_options trust = {.location = &location, .client = client};
	if (rc == 0)
		rc = registry_source_open(client, origin, &source, err);
	if (rc == 0 && !c->options->insecure_policy)
		rc = trust_source(&trust, &source, err);
	if (rc == 0)
		rc = image_source_child(source, entry, &text, &media_type, err);
	if (rc == 0)
		rc = store_open_scratch(workshop_store(c->w), &scratch, err);
	if (rc < 0)
		return rc;
	from_there.from = TRANSPORT_DOCKER;
	from_there.source = source;
	from_there.client = client;
	from_there.signatures = NULL;
	from_there.work = scratch;
	from_there.keeps_blobs = c->to == TRANSPORT_DOCKER_ARCHIVE;
	return copier_copy_image(&from_there, &entry->digest, &text, /* top */ false, copied, err);
}

static int copy_child(struct copier *c, const struct descriptor *entry, int depth, struct copied *copied,
		      struct error **err)
{
	cleanup_free char *origin = c->list ? manifest_list_origin(c->list, &entry->digest) : NULL;
	cleanup(reference_done) struct reference ref = {0};
	struct copier with_origin = *c;

	if (!origin)
		return copy_manifest(c, entry, depth + 1, copied, err);
	int rc = reference_parse(origin, &ref, err);
	if (rc < 0)
		return rc;
	with_origin.repository = &ref;
	/* Also of what is here the destination may have got a blob from there more cheaply. */
	if (manifest_list_has_blobs(c->w, &entry->digest))
		return copy_manifest(&with_origin, entry, depth + 1, copied, err);
	return copy_from_origin(&with_origin, entry, &ref, copied, err);
}

/* Takes over what has become of an entry; attestations that spoke of it speak of it again. */
static bool update_entry(struct image_index *index, size_t at, const struct copied *copied)
{
	struct descriptor *entry = &index->manifests[at];
	const struct digest before = entry->digest;
	char text[DIGEST_TEXT_SIZE];

	if (digest_equal(&before, &copied->digest))
		return false;
	entry->digest = copied->digest;
	entry->size = copied->size;
	mem_replace(&entry->media_type, copied->media_type);
	for (size_t i = 0; i < index->manifest_count; i++)
		if (index_entry_attests(&index->manifests[i], &before))
			strlist_env_set(&index->manifests[i].annotations, ATTESTATION_OF,
					digest_format(&copied->digest, text));
	return true;
}

static int copy_children(struct copier *c, struct image_index *index, int depth, bool *changed, struct error **err)
{
	for (size_t i = 0; i < index->manifest_count; i++) {
		struct copied copied;
		int rc = copy_child(c, &index->manifests[i], depth, &copied, err);
		if (rc < 0)
			return rc;
		*changed |= update_entry(index, i, &copied);
	}
	return 0;
}

/* ---- Further entries with another compression ---- */

/* What containers/image looks for; readers that do not know it take the first entry of a platform. */
static void describe_variant(const struct descriptor *image, const struct copied *copied, enum codec codec,
			     struct descriptor *variant)
{
	descriptor_copy(variant, image);
	variant->digest = copied->digest;
	variant->size = copied->size;
	mem_replace(&variant->media_type, copied->media_type);
	if (codec == CODEC_ZSTD)
		strlist_env_set(&variant->annotations, "io.github.containers.compression.zstd", "true");
}

static int add_variant(struct copier *c, const struct descriptor *image, enum codec codec, int depth,
		       struct image_index *index, struct error **err)
{
	struct image_copy_options options = *c->options;
	struct copier packing = *c;
	cleanup(descriptor_done) struct descriptor variant = {0};
	struct copied copied;

	options.export.has_codec = options.export.force_compression = true;
	options.export.codec = codec;
	options.export.level = PACK_LEVEL_DEFAULT;
	packing.options = &options;
	int rc = copy_child(&packing, image, depth, &copied, err);
	if (rc < 0 || image_index_find(index, &copied.digest))
		return rc; /* it is packed so already */
	describe_variant(image, &copied, codec, &variant);
	image_index_append(index, &variant);
	return 0;
}

/* `before` is the list as the source has it. */
static int add_variants(struct copier *c, const struct image_index *before, int depth, struct image_index *index,
			struct error **err)
{
	for (enum codec codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
		for (size_t i = 0; c->options->add_codecs & (1U << codec) && i < before->manifest_count; i++) {
			const struct descriptor *image = &before->manifests[i];
			bool is_image = image->platform && !index_entry_is_attestation(image);
			int rc = is_image ? add_variant(c, image, codec, depth, index, err) : 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* ---- The list ---- */

/* The format of the list itself, which follows that of its images. */
static enum image_format list_format(const struct copier *c, enum image_format format)
{
	if (c->to == TRANSPORT_OCI || c->to == TRANSPORT_OCI_ARCHIVE)
		return FORMAT_OCI;
	return c->options->export.has_format ? c->options->export.format : format;
}

static int copy_index(struct copier *c, const struct buf *text, int depth, bool top, struct copied *copied,
		      struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0}, before = {0};
	cleanup(buf_done) struct buf new_text = BUF_INIT(MANIFEST_SIZE_MAX);
	bool changed = false;
	int rc = image_index_parse(text->data, text->len, "index", &index, err);

	if (rc < 0)
		return rc;
	enum image_format format = list_format(c, index.format);
	if (c->options->extent == COPY_ALL)
		rc = copy_children(c, &index, depth, &changed, err);
	size_t count = index.manifest_count;
	if (rc == 0 && c->options->add_codecs) {
		rc = image_index_parse(text->data, text->len, "index", &before, err);
		if (rc == 0)
			rc = add_variants(c, &before, depth, &index, err);
		changed |= index.manifest_count > count;
	}
	if (rc == 0 && format != index.format) {
		index.format = format;
		if (format == FORMAT_DOCKER) /* which has no place for them */
			strlist_clear(&index.annotations);
		changed = true;
	}
	if (rc == 0 && changed)
		rc = copier_check_change(c, "the list", err);
	if (rc < 0)
		return rc;
	if (!changed)
		return copier_send_document(c, text, image_index_media_type(&index), top, copied, err);
	image_index_format(&index, &new_text);
	if (new_text.overflow)
		return error_set(err, EFBIG, "the list is too large");
	rc = copier_send_document(c, &new_text, image_index_media_type(&index), top, copied, err);
	if (rc == 0)
		copier_tell_signatures(c, text, copied);
	return rc;
}

/* ---- The way down ---- */

/* `want` NULL is what the source names. What is copied of an index for one platform takes its place at the top. */
static int copy_manifest(struct copier *c, const struct descriptor *want, int depth, struct copied *copied,
			 struct error **err)
{
	cleanup(buf_done) struct buf fetched = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *fetched_type = NULL;
	enum manifest_kind kind;
	bool top = depth == 0 || c->options->extent == COPY_ONE_PLATFORM;
	const struct buf *text = want ? &fetched : c->top_text;

	if (depth > INDEX_NESTING_MAX)
		return error_set(err, ELOOP, "indexes within indexes, more than %d deep", INDEX_NESTING_MAX);
	if (++*c->manifests > INDEX_TREE_MAX)
		return error_set(err, E2BIG, "the list leads to more than %d images", INDEX_TREE_MAX);
	int rc = want ? image_source_child(c->source, want, &fetched, &fetched_type, err) : 0;
	if (rc == 0)
		rc = manifest_kind(buf_str(text), text->len, want ? fetched_type : c->top_type, &kind, err);
	if (rc < 0)
		return rc;
	if (kind == MANIFEST_IMAGE && c->options->extent == COPY_INDEX_ONLY)
		return error_set(err, EINVAL, "this is an image, not a list of which the index alone could be copied");
	if (kind == MANIFEST_IMAGE)
		return copier_copy_image(c, top ? NULL : &want->digest, text, top, copied, err);
	if (c->options->extent == COPY_ONE_PLATFORM)
		return copy_one_platform(c, text, depth, copied, err);
	return copy_index(c, text, depth, top, copied, err);
}

int copier_copy_top(struct copier *c, struct digest *digest, struct error **err)
{
	struct copied copied;
	int rc = copy_manifest(c, /* want */ NULL, 0, &copied, err);

	if (rc == 0)
		rc = image_sink_commit(c->sink, err);
	if (rc == 0)
		*digest = copied.digest;
	return rc;
}

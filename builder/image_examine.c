/*
 * Two or three small documents: what the place names, the image's manifest where that is a list, its configuration.
 */
#include "builder/image_examine.h"

#include <errno.h>
#include <stdlib.h>

#include "builder/fetch.h"
#include "builder/image_copy.h"
#include "imagefmt/blob.h"

void examined_done(struct examined *examined)
{
	buf_done(&examined->top);
	buf_done(&examined->config);
	image_done(&examined->image);
	free(examined->repository);
	free(examined->name);
}

/* Goes down from the top to the manifest of one image. */
static int read_manifest(struct image_source *source, const char *what, const struct examine_options *options,
			 struct examined *examined, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *media_type = NULL;
	cleanup(descriptor_done) struct descriptor child = {0};
	enum manifest_kind kind;
	int rc = image_source_manifest(source, /* want */ NULL, &examined->top, &media_type, err);

	if (rc == 0)
		rc = digest_of(buf_str(&examined->top), examined->top.len, &examined->top_digest, err);
	if (rc < 0)
		return rc;
	buf_append(&text, examined->top.data, examined->top.len);
	for (int depth = 0; depth <= INDEX_NESTING_MAX; depth++) {
		rc = manifest_kind(buf_str(&text), text.len, media_type, &kind, err);
		if (rc < 0 || options->top_only)
			return rc;
		if (kind == MANIFEST_IMAGE)
			return manifest_parse(text.data, text.len, what, &examined->image.manifest, err);
		rc = fetch_choose_child(&text, options->platform, what, &child, err);
		buf_clear(&text);
		free(take_ptr(&media_type));
		if (rc == 0)
			rc = image_source_child(source, &child, &text, &media_type, err);
		if (rc < 0)
			return rc;
	}
	return error_set(err, ELOOP, "%s: indexes within indexes, more than %d deep", what, INDEX_NESTING_MAX);
}

static int read_config(struct workshop *w, struct image_source *source, const char *what, struct examined *examined,
		       struct error **err)
{
	cleanup(store_close) struct store *scratch = NULL;
	const struct descriptor *config = &examined->image.manifest.config;
	int rc = 0;

	if (!manifest_is_image(&examined->image.manifest))
		return error_set(err, EINVAL, "%s is an artifact, which has no configuration of an image (see --raw)",
				 what);
	if (config->size > CONFIG_SIZE_MAX)
		return error_set(err, EFBIG, "%s: the configuration has more than %zu bytes", what, CONFIG_SIZE_MAX);
	rc = store_open_scratch(workshop_store(w), &scratch, err);
	if (rc == 0)
		rc = image_source_fetch(source, &config, 1, scratch, err);
	if (rc == 0)
		rc = blob_read(scratch, &config->digest, CONFIG_SIZE_MAX, &examined->config, err);
	if (rc == 0)
		rc = image_config_parse(buf_str(&examined->config), examined->config.len, what, &examined->image.config,
					err);
	return rc;
}

static char *name_in_archive(struct image_source *source)
{
	cleanup_free char *name = image_source_name(source);
	cleanup(reference_done) struct reference ref = {0};

	return name && reference_parse(name, &ref, NULL) == 0 ? reference_repository(&ref) : NULL;
}

int image_examine(struct workshop *w, const char *place, const struct examine_options *options,
		  struct examined *examined, struct error **err)
{
	cleanup(location_done) struct location location = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(image_source_close) struct image_source *source = NULL;
	int rc = image_place_parse(place, &location, err);

	location.blob_folder = mem_strdup(options->blob_folder);
	if (rc == 0)
		rc = image_place_open(w, &location, &options->registry, &client, &source, err);
	if (rc == 0)
		rc = read_manifest(source, place, options, examined, err);
	if (rc == 0 && !options->top_only)
		rc = read_config(w, source, place, examined, err);
	if (rc < 0)
		return rc;
	if (location.transport == TRANSPORT_DOCKER)
		examined->repository = reference_repository(&location.ref);
	examined->name = location.transport == TRANSPORT_DOCKER_ARCHIVE ? name_in_archive(source)
									: mem_strdup(examined->repository);
	return 0;
}

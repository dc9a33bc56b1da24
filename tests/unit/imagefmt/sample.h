/*
 * Images of one layer each, whole in the store, for tests of what is kept and what goes.
 */
#ifndef COOPER_TESTS_UNIT_IMAGEFMT_SAMPLE_H
#define COOPER_TESTS_UNIT_IMAGEFMT_SAMPLE_H

#include "tests/unit/imagefmt/tempstore.h"

#include "imagefmt/blob.h"
#include "imagefmt/config.h"
#include "imagefmt/manifest.h"

static inline struct digest put(struct store *store, const char *text)
{
	struct digest digest;
	assert_int_equal(blob_put(store, text, strlen(text), &digest, NULL), 0);
	return digest;
}

/* A manifest with one configuration and one layer, in the store. */
struct sample {
	struct digest layer;
	struct digest config;
	struct descriptor manifest;
};

static inline void sample_make_on(struct store *store, const struct digest *layer, const char *seed,
				  struct sample *sample)
{
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	*sample = (struct sample){.layer = *layer};
	image_config_init(&config, NULL);
	config.author = mem_strdup(seed);
	image_config_add_diff_id(&config, &sample->layer);
	image_config_format(&config, FORMAT_OCI, &text);
	sample->config = put(store, buf_str(&text));
	m.config = (struct descriptor){
		.media_type = mem_strdup(MEDIA_OCI_CONFIG), .digest = sample->config, .size = text.len};
	m.layers = mem_alloc(sizeof(*m.layers));
	m.layer_count = 1;
	m.layers[0] =
		(struct descriptor){.media_type = mem_strdup(MEDIA_OCI_LAYER), .digest = sample->layer, .size = 7};
	buf_clear(&text);
	manifest_format(&m, &text);
	sample->manifest = (struct descriptor){.media_type = mem_strdup(MEDIA_OCI_MANIFEST), .size = text.len};
	sample->manifest.digest = put(store, buf_str(&text));
}

/* With a layer of its own. */
static inline void sample_make(struct store *store, const char *seed, struct sample *sample)
{
	struct digest layer = put(store, seed);
	sample_make_on(store, &layer, seed, sample);
}

static inline void assert_present(struct store *store, const struct sample *sample, bool present)
{
	assert_int_equal(blob_exists(store, &sample->layer, NULL), present);
	assert_int_equal(blob_exists(store, &sample->config, NULL), present);
	assert_int_equal(blob_exists(store, &sample->manifest.digest, NULL), present);
}

#endif

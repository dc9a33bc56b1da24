#include "imagefmt/images.h"

#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>

#include "imagefmt/blob.h"
#include "imagefmt/layer.h"

static struct digest put(struct store *store, const char *text)
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

static void sample_make(struct store *store, const char *seed, struct sample *sample)
{
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	*sample = (struct sample){.layer = put(store, seed)};
	image_config_init(&config, NULL);
	image_config_add_diff_id(&config, &sample->layer);
	image_config_format(&config, FORMAT_OCI, &text);
	sample->config = put(store, buf_str(&text));
	m.config = (struct descriptor){
		.media_type = mem_strdup(MEDIA_OCI_CONFIG), .digest = sample->config, .size = text.len};
	m.layers = mem_alloc(sizeof(*m.layers));
	m.layer_count = 1;
	m.layers[0] = (struct descriptor){
		.media_type = mem_strdup(MEDIA_OCI_LAYER), .digest = sample->layer, .size = strlen(seed)};
	buf_clear(&text);
	manifest_format(&m, &text);
	sample->manifest = (struct descriptor){.media_type = mem_strdup(MEDIA_OCI_MANIFEST), .size = text.len};
	sample->manifest.digest = put(store, buf_str(&text));
}

static void assert_present(struct store *store, const struct sample *sample, bool present)
{
	assert_int_equal(blob_exists(store, &sample->layer, NULL), present);
	assert_int_equal(blob_exists(store, &sample->config, NULL), present);
	assert_int_equal(blob_exists(store, &sample->manifest.digest, NULL), present);
}

static void what_an_image_names_stays_and_the_rest_goes(void **state)
{
	struct tempstore *t = *state;
	struct sample kept, garbage;
	struct images_collected collected = {0};
	sample_make(t->store, "kept", &kept);
	sample_make(t->store, "garbage", &garbage);
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, NULL, NULL), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, &collected, NULL), 0);
	assert_int_equal(collected.blobs, 3);
	assert_present(t->store, &kept, true);
	assert_present(t->store, &garbage, false);

	assert_int_equal(images_remove(t->store, &kept.config, NULL), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, &collected, NULL), 0);
	assert_present(t->store, &kept, false);
	descriptor_done(&kept.manifest);
	descriptor_done(&garbage.manifest);
}

static void the_children_of_a_list_stay_and_missing_ones_do_no_harm(void **state)
{
	struct tempstore *t = *state;
	struct sample child;
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	sample_make(t->store, "child", &child);
	index.manifests = mem_alloc(2 * sizeof(*index.manifests));
	index.manifest_count = 2;
	descriptor_copy(&index.manifests[0], &child.manifest);
	descriptor_copy(&index.manifests[1], &child.manifest);
	index.manifests[1].digest.bytes[0] ^= 1;
	image_index_format(&index, &text);
	struct descriptor list = {.media_type = (char *)MEDIA_OCI_INDEX, .size = text.len};
	list.digest = put(t->store, buf_str(&text));
	assert_int_equal(images_add(t->store, &list, &list.digest, 0, "localhost/l:1", NULL), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_present(t->store, &child, true);
	assert_true(blob_exists(t->store, &list.digest, NULL));
	descriptor_done(&child.manifest);
}

static void a_damaged_manifest_keeps_everything(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;
	char hex[DIGEST_HEX_SIZE];
	cleanup_error struct error *err = NULL;
	sample_make(t->store, "kept", &kept);
	struct digest garbage = put(t->store, "garbage");
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, "localhost/k:1", NULL), 0);
	cleanup_free char *path =
		mem_printf("%s/store/oci/blobs/sha256/%s", t->dir, digest_hex(&kept.manifest.digest, hex));
	write_file(path, "{}", 2);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, &err), -EBADMSG);
	assert_non_null(strstr(error_message(err), "localhost/k:1"));
	assert_true(blob_exists(t->store, &garbage, NULL));
	assert_true(blob_exists(t->store, &kept.layer, NULL));
	descriptor_done(&kept.manifest);
}

static void nothing_is_collected_while_others_hold_the_store(void **state)
{
	struct tempstore *t = *state;
	struct digest garbage = put(t->store, "garbage");
	cleanup_close int held = store_hold(t->store, NULL);
	assert_true(held >= 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_TRY, NULL, NULL), -EWOULDBLOCK);
	assert_true(blob_exists(t->store, &garbage, NULL));
}

static void files_that_are_no_blobs_are_left_alone(void **state)
{
	struct tempstore *t = *state;
	assert_true(store_folder(t->store, STORE_OCI, NULL) >= 0);
	cleanup_free char *path = tempstore_path(t, "store/oci/blobs/sha256/README");
	write_file(path, "x", 1);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_int_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(what_an_image_names_stays_and_the_rest_goes),
		test_with_store(the_children_of_a_list_stay_and_missing_ones_do_no_harm),
		test_with_store(a_damaged_manifest_keeps_everything),
		test_with_store(nothing_is_collected_while_others_hold_the_store),
		test_with_store(files_that_are_no_blobs_are_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

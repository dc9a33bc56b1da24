#include "imagefmt/images.h"

#include "tests/unit/imagefmt/sample.h"

#include <errno.h>

#include "imagefmt/blob.h"
#include "imagefmt/layer.h"
#include "tests/unit/base/failing_readdir.h"

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
	/* Nobody knows what it has used. */
	cleanup_free char *catalogue = tempstore_path(t, "store/images/catalogue");
	cleanup_free char *aside = tempstore_path(t, "catalogue");
	assert_int_equal(rename(catalogue, aside), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, &err), -EBADMSG);
	assert_non_null(strstr(error_message(err), "localhost/k:1"));
	assert_true(blob_exists(t->store, &garbage, NULL));
	assert_present(t->store, &kept, true);
	/* The catalogue does. */
	assert_int_equal(rename(aside, catalogue), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_false(blob_exists(t->store, &garbage, NULL));
	assert_present(t->store, &kept, true);
	descriptor_done(&kept.manifest);
}

static void what_the_catalogue_does_not_speak_of_is_looked_at(void **state)
{
	struct tempstore *t = *state;
	struct sample known, unknown;
	cleanup_free char *catalogue = tempstore_path(t, "store/images/catalogue");
	sample_make(t->store, "known", &known);
	sample_make(t->store, "unknown", &unknown);
	assert_int_equal(images_add(t->store, &known.manifest, &known.config, 0, NULL, NULL), 0);
	struct stat st;
	assert_int_equal(stat(catalogue, &st), 0);
	assert_int_equal(images_add(t->store, &unknown.manifest, &unknown.config, 0, NULL, NULL), 0);
	assert_int_equal(truncate(catalogue, st.st_size), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_present(t->store, &known, true);
	assert_present(t->store, &unknown, true);
	/* A record of which a bit is wrong is none. */
	cleanup_close int fd = open(catalogue, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "XXXXXXXX", 8, st.st_size / 2 & ~7), 8);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_present(t->store, &known, true);
	descriptor_done(&known.manifest);
	descriptor_done(&unknown.manifest);
}

/* An image of which something was lost, until it is pulled again. */
static void what_comes_back_after_the_catalogue_was_made_stays(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *catalogue = tempstore_path(t, "store/images/catalogue");
	cleanup_free char *aside = tempstore_path(t, "aside");
	sample_make(t->store, "kept", &kept);
	cleanup_free char *path =
		mem_printf("%s/store/oci/blobs/sha256/%s", t->dir, digest_hex(&kept.manifest.digest, hex));
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, "localhost/k:1", NULL), 0);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(unlink(catalogue), 0);
	/* Makes a catalogue that cannot say what the image uses. */
	struct digest nothing = {0};
	bool used = false;
	assert_int_equal(images_use_layers(t->store, &nothing, 1, &used, NULL), 0);
	assert_int_equal(access(catalogue, F_OK), 0);
	assert_int_equal(rename(aside, path), 0);
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, "localhost/k:1", NULL), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_present(t->store, &kept, true);
	descriptor_done(&kept.manifest);
}

static void rows_of_removed_images_go_with_their_content(void **state)
{
	struct tempstore *t = *state;
	struct sample gone;
	cleanup_free char *removed = tempstore_path(t, "store/images/removed");
	sample_make(t->store, "gone", &gone);
	assert_int_equal(images_add(t->store, &gone.manifest, &gone.config, 0, "localhost/g:1", NULL), 0);
	assert_int_equal(images_remove(t->store, &gone.config, NULL), 0);
	assert_int_equal(rmdir(removed), -1); /* something is in it */
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_present(t->store, &gone, false);
	assert_int_equal(rmdir(removed), 0);
	descriptor_done(&gone.manifest);
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

static void locks_that_nobody_has_go(void **state)
{
	struct tempstore *t = *state;
	char hex[DIGEST_HEX_SIZE];
	struct digest one = put(t->store, "one"), other = put(t->store, "other");
	cleanup_close int held =
		store_lock(t->store, "layer", digest_hex(&one, hex), LOCK_EXCLUSIVE, LOCK_WAIT, "", NULL);
	cleanup_free char *of_layer = mem_printf("%s/store/locks/layer-%s", t->dir, hex);
	fd_close(blob_lock(t->store, &other, LOCK_WAIT, NULL));
	cleanup_free char *of_blob = mem_printf("%s/store/locks/blob-%s", t->dir, digest_hex(&other, hex));
	assert_int_equal(access(of_blob, F_OK), 0);
	assert_int_equal(access(of_layer, F_OK), 0);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_int_equal(access(of_blob, F_OK), -1);
	assert_int_equal(access(of_layer, F_OK), 0);
	assert_true(held >= 0);
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

static void a_folder_that_cannot_be_read_to_its_end_is_told(void **state)
{
	struct tempstore *t = *state;
	struct sample kept, garbage;
	sample_make(t->store, "kept", &kept);
	sample_make(t->store, "garbage", &garbage);
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, "localhost/k:1", NULL), 0);
	for (int left = 0; left < 3; left++) {
		cleanup_error struct error *err = NULL;
		struct digest *layers = NULL;
		size_t count = 0;
		entries_left = left;
		assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, &err), -EIO);
		entries_left = left < 2 ? left : 0;
		assert_int_equal(layer_list(t->store, &layers, &count, NULL), -EIO);
		assert_null(layers);
	}
	entries_left = -1;
	assert_present(t->store, &kept, true);
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_present(t->store, &kept, true);
	assert_present(t->store, &garbage, false);
	descriptor_done(&kept.manifest);
	descriptor_done(&garbage.manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(what_an_image_names_stays_and_the_rest_goes),
		test_with_store(the_children_of_a_list_stay_and_missing_ones_do_no_harm),
		test_with_store(a_damaged_manifest_keeps_everything),
		test_with_store(what_the_catalogue_does_not_speak_of_is_looked_at),
		test_with_store(what_comes_back_after_the_catalogue_was_made_stays),
		test_with_store(rows_of_removed_images_go_with_their_content),
		test_with_store(nothing_is_collected_while_others_hold_the_store),
		test_with_store(locks_that_nobody_has_go),
		test_with_store(files_that_are_no_blobs_are_left_alone),
		test_with_store(a_folder_that_cannot_be_read_to_its_end_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "imagefmt/collect_stamp.h"

#include "tests/unit/imagefmt/sample.h"

#include <errno.h>
#include <time.h>

#include "imagefmt/blob.h"
#include "imagefmt/dirstate.h"
#include "imagefmt/images.h"

#define LAYER_HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Longer than any tick of the kernel's clock, so that directories have settled. */
static void let_time_pass(void)
{
	const struct timespec some = {.tv_nsec = 25 * 1000 * 1000};

	nanosleep(&some, NULL);
}

static bool is_stamped(struct tempstore *t)
{
	cleanup_free char *stamp = tempstore_path(t, "store/images/clean");

	return access(stamp, F_OK) == 0;
}

/* Whether it has looked at the store: then it clears the folder of stacks, too. */
static bool collect_looks(struct tempstore *t, const struct digest *kept, size_t count)
{
	cleanup_free char *cache = tempstore_path(t, "store/cache");
	cleanup_free char *stacks = tempstore_path(t, "store/cache/stacks");

	mkdir(cache, 0700);
	mkdir(stacks, 0700);
	assert_int_equal(access(stacks, F_OK), 0);
	let_time_pass();
	assert_int_equal(images_collect(t->store, kept, count, LOCK_WAIT, NULL, NULL), 0);
	return access(stacks, F_OK) < 0;
}

/* One image, and a store in which nothing is left to collect. */
static bool make_clean(struct tempstore *t, struct sample *sample)
{
	int root = store_folder(t->store, STORE_ROOT, NULL);

	sample_make(t->store, "kept", sample);
	assert_int_equal(images_add(t->store, &sample->manifest, &sample->config, 0, "localhost/k:1", NULL), 0);
	assert_true(collect_looks(t, NULL, 0)); /* makes folders that were missing */
	assert_true(collect_looks(t, NULL, 0));
	if (!dir_state_counts(root)) {
		assert_false(is_stamped(t));
		return false;
	}
	assert_true(is_stamped(t));
	assert_false(collect_looks(t, NULL, 0));
	return true;
}

static struct digest put_as_others_do(struct tempstore *t, const char *text)
{
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];

	assert_int_equal(digest_of(text, strlen(text), &digest, NULL), 0);
	cleanup_free char *path = mem_printf("%s/store/oci/blobs/sha256/%s", t->dir, digest_hex(&digest, hex));
	write_file(path, text, strlen(text));
	return digest;
}

static void where_nothing_has_changed_nobody_looks(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;

	if (make_clean(t, &kept)) {
		tempstore_reopen(t);
		assert_false(collect_looks(t, NULL, 0));
		assert_present(t->store, &kept, true);
	}
	descriptor_done(&kept.manifest);
}

static void who_adds_something_takes_the_stamp_away_before(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;

	if (make_clean(t, &kept)) {
		put(t->store, "garbage");
		assert_false(is_stamped(t));
	}
	assert_true(collect_looks(t, NULL, 0));
	descriptor_done(&kept.manifest);
}

static void a_blob_that_another_program_has_put_there_is_found(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;
	bool is_clean = make_clean(t, &kept);
	struct digest garbage = put_as_others_do(t, "garbage");

	let_time_pass();
	assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
	assert_false(blob_exists(t->store, &garbage, NULL));
	assert_present(t->store, &kept, true);
	/* It has removed something: so it does not know yet. */
	if (is_clean) {
		assert_true(collect_looks(t, NULL, 0));
		assert_false(collect_looks(t, NULL, 0));
	}
	descriptor_done(&kept.manifest);
}

/* Within one tick of the clock: a second change could have the same time. */
static void what_has_just_changed_is_looked_at_again(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;

	make_clean(t, &kept);
	for (int i = 0; i < 20; i++) {
		cleanup_free char *text = mem_printf("garbage %d", i);
		struct digest garbage = put_as_others_do(t, text);
		struct digest second;
		assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
		assert_false(blob_exists(t->store, &garbage, NULL));
		/* The directory may look the same behind these two as before. */
		assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
		second = put_as_others_do(t, text);
		assert_int_equal(images_collect(t->store, NULL, 0, LOCK_WAIT, NULL, NULL), 0);
		assert_false(blob_exists(t->store, &second, NULL));
	}
	assert_present(t->store, &kept, true);
	descriptor_done(&kept.manifest);
}

static void other_layers_of_containers_are_a_change(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;
	struct digest layer = {0};

	assert_int_equal(digest_parse("sha256:" LAYER_HEX, &layer, NULL), 0);
	if (make_clean(t, &kept)) {
		assert_true(collect_looks(t, &layer, 1));
		assert_false(collect_looks(t, &layer, 1));
		/* Twice the same is the same. */
		assert_false(collect_looks(t, (struct digest[]){layer, layer}, 2));
		assert_true(collect_looks(t, NULL, 0));
	}
	descriptor_done(&kept.manifest);
}

static void an_image_that_goes_is_a_change_however_little_it_leaves(void **state)
{
	struct tempstore *t = *state;
	struct sample kept, gone;

	sample_make(t->store, "gone", &gone);
	assert_int_equal(images_add(t->store, &gone.manifest, &gone.config, 0, "localhost/g:1", NULL), 0);
	make_clean(t, &kept);
	assert_int_equal(images_remove(t->store, &gone.config, NULL), 0);
	assert_true(collect_looks(t, NULL, 0));
	assert_present(t->store, &gone, false);
	assert_present(t->store, &kept, true);
	descriptor_done(&gone.manifest);
	descriptor_done(&kept.manifest);
}

static void a_name_that_is_given_is_a_change(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;

	make_clean(t, &kept);
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, "localhost/k:2", NULL), 0);
	assert_true(collect_looks(t, NULL, 0));
	descriptor_done(&kept.manifest);
}

/* A removal that could not move the rows away gives the catalogue up. */
static void another_catalogue_is_a_change(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;
	cleanup_free char *catalogue = tempstore_path(t, "store/images/catalogue");

	make_clean(t, &kept);
	assert_int_equal(unlink(catalogue), 0);
	assert_true(collect_looks(t, NULL, 0));
	assert_present(t->store, &kept, true);
	descriptor_done(&kept.manifest);
}

/* As a program that writes the file in place: it may keep size and time. */
static void what_other_programs_take_out_of_the_index_is_a_change(void **state)
{
	struct tempstore *t = *state;
	struct sample kept, other;
	cleanup_free char *index = tempstore_path(t, "store/oci/index.json");
	char digest[DIGEST_TEXT_SIZE];

	sample_make(t->store, "other", &other);
	cleanup_free char *with =
		mem_printf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MEDIA_OCI_MANIFEST
			   "\",\"digest\":\"%s\",\"size\":%llu}]}",
			   digest_format(&other.manifest.digest, digest), (unsigned long long)other.manifest.size);
	cleanup_free char *without = mem_printf("%*s", (int)strlen(with), "{\"schemaVersion\":2,\"manifests\":[]}");
	struct stat st;

	sample_make(t->store, "kept", &kept);
	assert_int_equal(images_add(t->store, &kept.manifest, &kept.config, 0, "localhost/k:1", NULL), 0);
	write_file(index, with, strlen(with));
	assert_int_equal(stat(index, &st), 0);
	assert_true(collect_looks(t, NULL, 0));
	assert_present(t->store, &other, true);
	write_file(index, without, strlen(without));
	assert_int_equal(utimensat(AT_FDCWD, index, (struct timespec[]){st.st_atim, st.st_mtim}, 0), 0);
	assert_true(collect_looks(t, NULL, 0));
	assert_present(t->store, &other, false);
	descriptor_done(&other.manifest);
	descriptor_done(&kept.manifest);
}

static void a_stamp_that_is_cut_or_of_another_boot_says_nothing(void **state)
{
	struct tempstore *t = *state;
	struct sample kept;
	cleanup_free char *stamp = tempstore_path(t, "store/images/clean");

	if (make_clean(t, &kept)) {
		cleanup(buf_done) struct buf text = BUF_INIT(4096);
		assert_int_equal(fd_read_file(AT_FDCWD, stamp, &text, NULL), 0);
		assert_int_equal(truncate(stamp, (off_t)text.len - 1), 0);
		assert_true(collect_looks(t, NULL, 0));
		assert_false(collect_looks(t, NULL, 0));
		text.data[strlen("cooper clean 1 ")] ^= 1;
		write_file(stamp, text.data, text.len);
		assert_true(collect_looks(t, NULL, 0));
	}
	descriptor_done(&kept.manifest);
}

static void a_directory_settles_when_its_time_is_past(void **state)
{
	struct dir_state one = {.dev = 1, .ino = 2, .mtime_s = 10, .mtime_ns = 5, .ctime_s = 10, .ctime_ns = 7};
	struct dir_state other = one;

	(void)state;
	assert_true(dir_state_is_settled(&one, &(struct dir_clock){10, 8}));
	assert_true(dir_state_is_settled(&one, &(struct dir_clock){11, 0}));
	assert_false(dir_state_is_settled(&one, &(struct dir_clock){10, 7}));
	assert_false(dir_state_is_settled(&one, &(struct dir_clock){10, 6}));
	/* The clock was set back. */
	assert_false(dir_state_is_settled(&one, &(struct dir_clock){9, 999999999}));
	assert_true(dir_state_equal(&one, &other));
	other.ctime_ns++;
	assert_false(dir_state_equal(&one, &other));
	/* Whole seconds. */
	one.mtime_ns = one.ctime_ns = 0;
	assert_false(dir_state_is_settled(&one, &(struct dir_clock){100, 0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(where_nothing_has_changed_nobody_looks),
		test_with_store(who_adds_something_takes_the_stamp_away_before),
		test_with_store(a_blob_that_another_program_has_put_there_is_found),
		test_with_store(what_has_just_changed_is_looked_at_again),
		test_with_store(other_layers_of_containers_are_a_change),
		test_with_store(an_image_that_goes_is_a_change_however_little_it_leaves),
		test_with_store(a_name_that_is_given_is_a_change),
		test_with_store(another_catalogue_is_a_change),
		test_with_store(what_other_programs_take_out_of_the_index_is_a_change),
		test_with_store(a_stamp_that_is_cut_or_of_another_boot_says_nothing),
		cmocka_unit_test(a_directory_settles_when_its_time_is_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

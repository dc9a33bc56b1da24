/* Layers in the store: unpacked once, adopted by rename, checked after a restart, packed again on demand. */
#include "tests/unit/imagefmt/tempstore.h"

#include <errno.h>

#include "imagefmt/blob.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_internal.h"

static const enum codec codecs[] = {CODEC_GZIP, CODEC_ZSTD, CODEC_NONE};

/* A tree in the store's tmp/, ready to be adopted. */
static char *make_upper_of(struct tempstore *t, const void *data, size_t size, struct pack_result *packed)
{
	int tmp = store_tmp(t->store, NULL);
	char *name = store_tmp_name(t->store, "upper");

	assert_int_equal(mkdirat(tmp, name, 0700), 0);
	cleanup_close int fd = fd_open_dir(tmp, name, NULL);
	assert_int_equal(mkdirat(fd, "etc", 0755), 0);
	cleanup_close int out = openat(fd, "etc/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(fd_write_all(out, data, size, NULL), 0);
	assert_int_equal(fchmod(fd, 0755), 0);
	assert_int_equal(pack_finish(fd, &(struct normalise_options){.clamp_mtime = 1700000000}, packed, NULL), 0);
	return name;
}

static char *make_upper(struct tempstore *t, const char *text, struct pack_result *packed)
{
	return make_upper_of(t, text, strlen(text), packed);
}

static void adopt(struct tempstore *t, const char *text, struct pack_result *packed)
{
	cleanup_free char *name = make_upper(t, text, packed);

	assert_int_equal(layer_adopt(t->store, name, /* owners */ NULL, packed, NULL), 0);
}

static struct descriptor descriptor_of(const struct layer_blob *blob)
{
	return (struct descriptor){.media_type = (char *)layer_media_type(FORMAT_OCI, blob->codec),
				   .digest = blob->digest,
				   .size = blob->size};
}

static void assert_has_file(struct tempstore *t, const struct digest *diff_id, const char *text)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT(1000);
	cleanup_close int fs = layer_open(t->store, diff_id, NULL);

	assert_true(fs >= 0);
	assert_int_equal(fd_read_file(fs, "etc/file", &bytes, NULL), 0);
	assert_string_equal(buf_str(&bytes), text);
}

/* Makes the record say that the layer comes from another boot. */
static void age(struct tempstore *t, const struct digest *diff_id)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	cleanup_free char *name = NULL;
	int layers = store_folder(t->store, STORE_LAYERS, NULL);

	assert_int_equal(layer_find(t->store, diff_id, &name, NULL), 0);
	assert_int_equal(layer_record_load(layers, name, &record, NULL), 0);
	mem_replace(&record.boot_id, "an earlier boot");
	record.durable = false;
	assert_int_equal(layer_record_save(layers, name, &record, NULL), 0);
	/* And who looks at it is another process. */
	tempstore_reopen(t);
}

static void damage(struct tempstore *t, const struct digest *diff_id)
{
	cleanup_free char *path = layer_tree_path(t->store, diff_id);
	cleanup_free char *file = mem_printf("%s/etc/file", path);

	write_file(file, "", 0);
}

static void an_adopted_tree_is_the_layer(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_record_done) struct layer_record record = {0};
	struct stat st;

	adopt(t, "one", &packed);
	assert_has_file(t, &packed.diff_id, "one");
	adopt(t, "one", &packed);
	assert_has_file(t, &packed.diff_id, "one");
	assert_int_equal(layer_load_record(t->store, &packed.diff_id, &record, NULL), 0);
	assert_true(digest_equal(&record.diff_id, &packed.diff_id));
	assert_int_equal(record.size, packed.size);
	assert_int_equal(record.recipe, PACK_RECIPE);
	cleanup_free char *path = layer_tree_path(t->store, &packed.diff_id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void the_root_of_a_layer_that_says_something_of_it_is_kept(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed, plain;
	int tmp = store_tmp(t->store, NULL);
	cleanup_free char *name = make_upper(t, "root", &plain);
	cleanup_close int fd = fd_open_dir(tmp, name, NULL);
	struct stat st;

	assert_int_equal(fchmod(fd, 0711), 0);
	assert_int_equal(pack_finish(fd, &(struct normalise_options){.clamp_mtime = 1700000000}, &packed, NULL), 0);
	assert_true(layer_root_is_said(fd));
	assert_int_equal(packed.entries, plain.entries + 1);
	assert_int_equal(layer_adopt(t->store, name, /* owners */ NULL, &packed, NULL), 0);
	cleanup_free char *path = layer_tree_path(t->store, &packed.diff_id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	/* On a layer that says the same, it says nothing. */
	cleanup_close int lower = layer_open(t->store, &packed.diff_id, NULL);
	cleanup_free char *above = make_upper(t, "above", &plain);
	cleanup_close int upper = fd_open_dir(tmp, above, NULL);
	assert_int_equal(layer_root_inherit(upper, &lower, 1, NULL), 0);
	assert_int_equal(fstat(upper, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(layer_root_settle(upper, &lower, 1, NULL), 0);
	assert_false(layer_root_is_said(upper));
	/* What is plain again says so. */
	assert_int_equal(fchmod(upper, 0755), 0);
	assert_int_equal(layer_root_settle(upper, &lower, 1, NULL), 0);
	assert_true(layer_root_is_said(upper));
}

static void a_layer_is_packed_and_unpacked_again(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;

	adopt(t, "two", &packed);
	for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		cleanup(layer_blob_done) struct layer_blob again = {0};
		assert_int_equal(layer_make_blob(t->store, &packed.diff_id, codecs[i], -1, false, NULL, &blob, NULL),
				 0);
		assert_int_equal(layer_make_blob(t->store, &packed.diff_id, codecs[i], -1, true, NULL, &again, NULL),
				 0);
		assert_true(digest_equal(&blob.digest, &again.digest));
		assert_int_equal(layer_remove(t->store, &packed.diff_id, NULL), 0);
		assert_int_equal(layer_open(t->store, &packed.diff_id, NULL), -ENOENT);
		struct descriptor descriptor = descriptor_of(&blob);
		assert_int_equal(layer_unpack(t->store, &packed.diff_id, &descriptor, NULL), 0);
		assert_int_equal(layer_unpack(t->store, &packed.diff_id, &descriptor, NULL), 0);
		assert_has_file(t, &packed.diff_id, "two");
		/* It is foreign now: the other codecs are made from its blob. */
	}
	cleanup(layer_record_done) struct layer_record record = {0};
	assert_int_equal(layer_load_record(t->store, &packed.diff_id, &record, NULL), 0);
	assert_int_equal(record.recipe, 0);
}

static void a_blob_with_another_tar_is_refused(void **state)
{
	struct tempstore *t = *state;
	struct pack_result one;
	struct pack_result two;
	cleanup(layer_blob_done) struct layer_blob blob = {0};
	cleanup_error struct error *error = NULL;

	adopt(t, "one", &one);
	adopt(t, "two", &two);
	assert_int_equal(layer_make_blob(t->store, &one.diff_id, CODEC_GZIP, -1, false, NULL, &blob, NULL), 0);
	assert_int_equal(layer_remove(t->store, &two.diff_id, NULL), 0);
	struct descriptor descriptor = descriptor_of(&blob);
	assert_int_equal(layer_unpack(t->store, &two.diff_id, &descriptor, &error), -EBADMSG);
	assert_int_equal(layer_open(t->store, &two.diff_id, NULL), -ENOENT);
}

static void after_a_restart_a_whole_tree_is_marked(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_record_done) struct layer_record record = {0};

	adopt(t, "three", &packed);
	age(t, &packed.diff_id);
	assert_has_file(t, &packed.diff_id, "three");
	assert_int_equal(layer_load_record(t->store, &packed.diff_id, &record, NULL), 0);
	assert_true(record.durable);
}

static void after_a_restart_a_broken_tree_is_made_again(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_blob_done) struct layer_blob blob = {0};

	adopt(t, "four", &packed);
	assert_int_equal(layer_make_blob(t->store, &packed.diff_id, CODEC_GZIP, -1, false, NULL, &blob, NULL), 0);
	age(t, &packed.diff_id);
	damage(t, &packed.diff_id);
	assert_has_file(t, &packed.diff_id, "four");
}

static void a_broken_tree_without_a_blob_is_reported_as_lost(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	char text[DIGEST_TEXT_SIZE];
	cleanup_error struct error *error = NULL;

	adopt(t, "five", &packed);
	age(t, &packed.diff_id);
	damage(t, &packed.diff_id);
	assert_int_equal(layer_open(t->store, &packed.diff_id, &error), -EUCLEAN);
	assert_non_null(strstr(error_message(error), digest_format(&packed.diff_id, text)));
	/* Committed again, it is whole again. */
	adopt(t, "five", &packed);
	assert_has_file(t, &packed.diff_id, "five");
}

static void a_record_that_was_cut_off_counts_as_unknown(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	char hex[DIGEST_HEX_SIZE];

	adopt(t, "six", &packed);
	cleanup_free char *name = mem_printf("store/layers/%s/record", digest_hex(&packed.diff_id, hex));
	cleanup_free char *path = tempstore_path(t, name);
	write_file(path, "", 0);
	assert_int_equal(layer_open(t->store, &packed.diff_id, NULL), -EUCLEAN);
	adopt(t, "six", &packed);
	assert_has_file(t, &packed.diff_id, "six");
}

static void another_id_map_has_a_tree_of_its_own(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_blob_done) struct layer_blob blob = {0};
	cleanup_free struct digest *all = NULL;
	size_t count;

	store_set_id_map(t->store, "map one", false);
	adopt(t, "seven", &packed);
	assert_int_equal(layer_make_blob(t->store, &packed.diff_id, CODEC_ZSTD, -1, false, NULL, &blob, NULL), 0);
	cleanup_free char *first = layer_tree_path(t->store, &packed.diff_id);
	store_set_id_map(t->store, "map two", false);
	assert_int_equal(layer_open(t->store, &packed.diff_id, NULL), -ENOENT);
	struct descriptor descriptor = descriptor_of(&blob);
	assert_int_equal(layer_unpack(t->store, &packed.diff_id, &descriptor, NULL), 0);
	assert_has_file(t, &packed.diff_id, "seven");
	cleanup_free char *second = layer_tree_path(t->store, &packed.diff_id);
	assert_string_not_equal(first, second);
	assert_int_equal(layer_list(t->store, &all, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(layer_remove(t->store, &packed.diff_id, NULL), 0);
	store_set_id_map(t->store, "map one", false);
	assert_int_equal(layer_open(t->store, &packed.diff_id, NULL), -ENOENT);
}

static void a_tree_that_changed_gives_no_blob(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_blob_done) struct layer_blob blob = {0};

	adopt(t, "nine", &packed);
	damage(t, &packed.diff_id);
	assert_int_equal(layer_make_blob(t->store, &packed.diff_id, CODEC_GZIP, -1, false, NULL, &blob, NULL),
			 -EBADMSG);
}

/* ---- a tar that is known by its CRC ---- */

#define LARGE (CODEC_BLOCK * 6 + 7)

/* So large that a CRC is counted. */
static void adopt_large(struct tempstore *t, struct pack_result *packed)
{
	cleanup_free char *data = mem_alloc(LARGE);

	for (size_t i = 0; i < LARGE; i++)
		data[i] = (char)(i * i / 4096);
	cleanup_free char *name = make_upper_of(t, data, LARGE, packed);
	assert_int_equal(layer_adopt(t->store, name, /* owners */ NULL, packed, NULL), 0);
}

static void load_record(struct tempstore *t, const struct digest *diff_id, struct layer_record *record)
{
	assert_int_equal(layer_load_record(t->store, diff_id, record, NULL), 0);
}

static void save_record(struct tempstore *t, const struct layer_record *record)
{
	cleanup_free char *name = NULL;

	assert_int_equal(layer_find(t->store, &record->diff_id, &name, NULL), 0);
	assert_int_equal(layer_record_save(store_folder(t->store, STORE_LAYERS, NULL), name, record, NULL), 0);
}

/* One byte of the file, which keeps its size. */
static void change_byte(struct tempstore *t, const struct digest *diff_id)
{
	cleanup_free char *path = layer_tree_path(t->store, diff_id);
	cleanup_free char *name = mem_printf("%s/etc/file", path);
	cleanup_close int fd = open(name, O_RDWR | O_CLOEXEC);
	struct stat st;
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pread(fd, &byte, 1, LARGE / 2), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, LARGE / 2), 1);
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	assert_int_equal(futimens(fd, times), 0);
}

static void assert_gives_no_blob(struct tempstore *t, const struct digest *diff_id, const char *why)
{
	for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		cleanup_error struct error *error = NULL;
		char text[DIGEST_TEXT_SIZE];
		assert_int_equal(layer_make_blob(t->store, diff_id, codecs[i], -1, false, NULL, &blob, &error),
				 -EBADMSG);
		assert_non_null(strstr(error_message(error), "has changed on disk"));
		assert_non_null(strstr(error_message(error), digest_format(diff_id, text)));
		assert_non_null(strstr(error_message(error), why));
	}
}

static void the_crc_of_a_large_tar_is_in_the_record(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed, small;
	cleanup(layer_record_done) struct layer_record record = {0}, again = {0};

	adopt_large(t, &packed);
	assert_true(packed.crc.is_known);
	load_record(t, &packed.diff_id, &record);
	assert_true(record.crc.is_known);
	assert_int_equal(record.crc.value, packed.crc.value);
	record.crc.value = UINT32_MAX;
	save_record(t, &record);
	load_record(t, &packed.diff_id, &again);
	assert_true(again.crc.is_known);
	assert_int_equal(again.crc.value, UINT32_MAX);
	/* A small one is not worth it. */
	adopt(t, "small", &small);
	assert_false(small.crc.is_known);
}

/* Whoever counts it. */
static void each_codec_counts_the_same_crc(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;

	adopt_large(t, &packed);
	cleanup_close int fs = layer_open(t->store, &packed.diff_id, NULL);
	for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
		cleanup(blob_writer_free) struct blob_writer *writer = NULL;
		struct codec_recipe recipe;
		struct pack_result result;
		assert_int_equal(codec_recipe_init(codecs[i], -1, &recipe, NULL), 0);
		assert_int_equal(blob_writer_new(t->store, NULL, BLOB_SIZE_UNKNOWN, &writer, NULL), 0);
		assert_int_equal(pack_finish_packed(fs, &(struct normalise_options){.clamp_mtime = 1700000000}, &recipe,
						    writer, &result, NULL),
				 0);
		assert_true(digest_equal(&result.diff_id, &packed.diff_id));
		assert_true(result.crc.is_known);
		assert_int_equal(result.crc.value, packed.crc.value);
	}
}

static void a_tree_with_another_crc_gives_no_blob(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;

	adopt_large(t, &packed);
	change_byte(t, &packed.diff_id);
	assert_gives_no_blob(t, &packed.diff_id, "CRC-32");
}

static void a_tree_of_another_size_gives_no_blob(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;

	adopt_large(t, &packed);
	damage(t, &packed.diff_id);
	assert_gives_no_blob(t, &packed.diff_id, "bytes, not");
}

/* The record is believed only as far as it goes: what says nothing of a CRC is hashed. */
static void without_a_crc_a_tree_is_hashed(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_record_done) struct layer_record record = {0};

	adopt_large(t, &packed);
	load_record(t, &packed.diff_id, &record);
	record.crc = (struct pack_crc){0};
	save_record(t, &record);
	for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		assert_int_equal(layer_make_blob(t->store, &packed.diff_id, codecs[i], -1, false, NULL, &blob, NULL),
				 0);
		assert_int_equal(blob_remove(t->store, &blob.digest, NULL), 0);
	}
	change_byte(t, &packed.diff_id);
	assert_gives_no_blob(t, &packed.diff_id, "it now packs to sha256:");
}

/* What was packed by CRC is the same blob, and is the layer. */
static void what_is_packed_by_its_crc_unpacks_to_the_layer(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;

	for (size_t i = 0; i < ARRAY_COUNT(codecs); i++) {
		cleanup(layer_blob_done) struct layer_blob blob = {0};
		adopt_large(t, &packed);
		assert_int_equal(layer_make_blob(t->store, &packed.diff_id, codecs[i], -1, false, NULL, &blob, NULL),
				 0);
		assert_int_equal(layer_remove(t->store, &packed.diff_id, NULL), 0);
		struct descriptor descriptor = descriptor_of(&blob);
		assert_int_equal(layer_unpack(t->store, &packed.diff_id, &descriptor, NULL), 0);
		/* Foreign now, and so without a CRC. */
		cleanup(layer_record_done) struct layer_record record = {0};
		load_record(t, &packed.diff_id, &record);
		assert_false(record.crc.is_known);
		assert_int_equal(layer_remove(t->store, &packed.diff_id, NULL), 0);
	}
}

/* Its tree was compared with the diff_id whose CRC that is. */
static void a_layer_that_is_made_again_keeps_its_crc(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_blob_done) struct layer_blob blob = {0}, other = {0};
	cleanup(layer_record_done) struct layer_record record = {0};

	adopt_large(t, &packed);
	assert_int_equal(layer_make_blob(t->store, &packed.diff_id, CODEC_GZIP, -1, false, NULL, &blob, NULL), 0);
	age(t, &packed.diff_id);
	change_byte(t, &packed.diff_id);
	fd_close(layer_open(t->store, &packed.diff_id, NULL));
	load_record(t, &packed.diff_id, &record);
	assert_true(record.durable);
	assert_true(record.crc.is_known);
	assert_int_equal(record.crc.value, packed.crc.value);
	assert_int_equal(layer_make_blob(t->store, &packed.diff_id, CODEC_ZSTD, -1, false, NULL, &other, NULL), 0);
}

static void a_record_with_a_crc_of_more_than_32_bits_is_refused(void **state)
{
	struct tempstore *t = *state;
	struct pack_result packed;
	cleanup(layer_record_done) struct layer_record record = {0};
	char hex[DIGEST_HEX_SIZE], text[DIGEST_TEXT_SIZE];

	adopt(t, "ten", &packed);
	cleanup_free char *name = mem_printf("store/layers/%s/record", digest_hex(&packed.diff_id, hex));
	cleanup_free char *path = tempstore_path(t, name);
	cleanup_free char *wrong =
		mem_printf("{\"diffId\":\"%s\",\"crc32\":4294967296}", digest_format(&packed.diff_id, text));
	write_file(path, wrong, strlen(wrong));
	assert_int_equal(layer_load_record(t->store, &packed.diff_id, &record, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_store(an_adopted_tree_is_the_layer),
		test_with_store(the_root_of_a_layer_that_says_something_of_it_is_kept),
		test_with_store(a_layer_is_packed_and_unpacked_again),
		test_with_store(a_blob_with_another_tar_is_refused),
		test_with_store(after_a_restart_a_whole_tree_is_marked),
		test_with_store(after_a_restart_a_broken_tree_is_made_again),
		test_with_store(a_broken_tree_without_a_blob_is_reported_as_lost),
		test_with_store(a_record_that_was_cut_off_counts_as_unknown),
		test_with_store(another_id_map_has_a_tree_of_its_own),
		test_with_store(a_tree_that_changed_gives_no_blob),
		test_with_store(the_crc_of_a_large_tar_is_in_the_record),
		test_with_store(each_codec_counts_the_same_crc),
		test_with_store(a_tree_with_another_crc_gives_no_blob),
		test_with_store(a_tree_of_another_size_gives_no_blob),
		test_with_store(without_a_crc_a_tree_is_hashed),
		test_with_store(what_is_packed_by_its_crc_unpacks_to_the_layer),
		test_with_store(a_layer_that_is_made_again_keeps_its_crc),
		test_with_store(a_record_with_a_crc_of_more_than_32_bits_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

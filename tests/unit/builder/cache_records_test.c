/* The document of a cache that travels: what is written is read again, and nothing else is. */
#include "builder/cache_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "imagefmt/manifest.h"

#define DIGEST_A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* A digest that a number makes. */
static struct digest digest(uint32_t number)
{
	struct digest made = {.algorithm = DIGEST_SHA256};

	memcpy(made.bytes, &number, sizeof(number));
	made.bytes[31] = 1;
	return made;
}

static struct build_record step(uint32_t key, uint32_t layer)
{
	return (struct build_record){.key = digest(key), .diff_id = digest(layer), .created = 17};
}

static void what_is_written_is_read_again(void **state)
{
	cleanup(cache_records_done) struct cache_records records = {0}, again = {0};
	cleanup(buf_done) struct buf once = BUF_INIT(CACHE_DOCUMENT_MAX), twice = BUF_INIT(CACHE_DOCUMENT_MAX);
	struct build_record record = step(1, 10);
	cleanup_error struct error *err = NULL;

	cache_records_add(&records, &record);
	record = step(2, 11);
	record.by_files = digest(3);
	cache_records_add(&records, &record);
	cache_records_format(&records, &once);
	if (cache_records_parse(buf_str(&once), once.len, "document", &again, &err) < 0)
		fail_msg("%s", error_message(err));
	cache_records_format(&again, &twice);
	assert_string_equal(buf_str(&once), buf_str(&twice));
	assert_int_equal(again.count, 2);
	assert_int_equal(again.items[0].created, 17);
	const struct digest one = digest(1), files = digest(3), other = digest(4);
	assert_ptr_equal(cache_records_find(&again, &one), &again.items[0]);
	assert_ptr_equal(cache_records_find(&again, &files), &again.items[1]);
	assert_null(cache_records_find(&again, &other));
}

static void cache_mounts_travel_by_name_and_only_with_a_layer(void **state)
{
	cleanup(cache_records_done) struct cache_records records = {0}, again = {0}, refused = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CACHE_DOCUMENT_MAX);
	struct build_record record = step(1, 10);
	const struct digest layer = digest(12), name = digest(5), other = digest(6);

	cache_records_add(&records, &record);
	cache_records_add_layer(&records, &layer);
	cache_records_add_mount(&records, &name, "/root/.cache", 1);
	cache_records_add_mount(&records, &name, "twice", 0);
	cache_records_format(&records, &text);
	assert_int_equal(cache_records_parse(buf_str(&text), text.len, "document", &again, NULL), 0);
	assert_int_equal(again.mount_count, 1);
	assert_string_equal(cache_records_find_mount(&again, &name)->id, "/root/.cache");
	assert_int_equal(cache_records_find_mount(&again, &name)->layer, 1);
	assert_null(cache_records_find_mount(&again, &other));
	records.mounts[0].layer = 2;
	buf_clear(&text);
	cache_records_format(&records, &text);
	assert_int_equal(cache_records_parse(buf_str(&text), text.len, "document", &refused, NULL), -EINVAL);
}

static void equal_layers_stand_once_and_steps_without_a_key_or_layer_not_at_all(void **state)
{
	cleanup(cache_records_done) struct cache_records records = {0};
	const struct build_record steps[] = {step(1, 10), step(2, 10), step(1, 11), step(3, 12)};
	struct build_record none = step(5, 13);

	for (size_t i = 0; i < ARRAY_COUNT(steps); i++)
		cache_records_add(&records, &steps[i]);
	none.key = (struct digest){0};
	cache_records_add(&records, &none);
	none = step(6, 14);
	none.diff_id = (struct digest){0};
	cache_records_add(&records, &none);
	assert_int_equal(records.layer_count, 2);
	assert_int_equal(records.count, 3);
	assert_int_equal(records.items[1].layer, 0);
}

static void a_download_is_known_by_its_files_alone(void **state)
{
	cleanup(cache_records_done) struct cache_records records = {0};
	struct build_record record = step(1, 10);
	const struct digest files = digest(7);

	record.key = (struct digest){0};
	record.by_files = files;
	cache_records_add(&records, &record);
	assert_non_null(cache_records_find(&records, &files));
	assert_true(digest_is_null(&records.items[0].by_files));
}

static void more_than_a_manifest_can_hold_is_left_out(void **state)
{
	cleanup(cache_records_done) struct cache_records records = {0}, again = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CACHE_DOCUMENT_MAX);

	for (uint32_t i = 0; i < CACHE_RECORDS_MAX + 5; i++) {
		const struct build_record record = step(i + 1, i % (MANIFEST_LAYERS_MAX + 5));
		cache_records_add(&records, &record);
	}
	assert_int_equal(records.layer_count, MANIFEST_LAYERS_MAX);
	assert_true(records.count <= CACHE_RECORDS_MAX);
	cache_records_format(&records, &text);
	assert_false(text.overflow);
	assert_int_equal(cache_records_parse(buf_str(&text), text.len, "document", &again, NULL), 0);
}

static void refuses_what_it_does_not_know(void **state)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{"[]", "document"},
		{"{}", "version"},
		{"{\"version\":2,\"layers\":[],\"records\":[]}", "version 2"},
		{"{\"version\":1,\"layers\":[],\"records\":[],\"more\":1}", "more"},
		{"{\"version\":1,\"layers\":{},\"records\":[]}", "layers"},
		{"{\"version\":1,\"layers\":[],\"records\":\"\"}", "records"},
		{"{\"version\":1,\"layers\":[1],\"records\":[]}", "layers[0]"},
		{"{\"version\":1,\"layers\":[\"sha256:../../../x\"],\"records\":[]}", "layers[0]"},
		{"{\"version\":1,\"layers\":[],\"records\":[null]}", "records[0]"},
		{"{\"version\":1,\"layers\":[],\"records\":[[]]}", "records[0]"},
		{"{\"version\":1,\"layers\":[\"" DIGEST_A "\"],\"records\":[{}]}", "records[0].key"},
		{"{\"version\":1,\"layers\":[\"" DIGEST_A
		 "\"],\"records\":[{\"key\":\"x\",\"layer\":0,\"created\":0}]}",
		 "records[0].key"},
		{"{\"version\":1,\"layers\":[\"" DIGEST_A "\"],\"records\":[{\"key\":\"" DIGEST_B
		 "\",\"layer\":1,\"created\":0}]}",
		 "no layer 1"},
		{"{\"version\":1,\"layers\":[\"" DIGEST_A "\"],\"records\":[{\"key\":\"" DIGEST_B
		 "\",\"layer\":-1,\"created\":0}]}",
		 "layer"},
		{"{\"version\":1,\"layers\":[\"" DIGEST_A "\"],\"records\":[{\"key\":\"" DIGEST_B
		 "\",\"layer\":0,\"created\":253402300800}]}",
		 "created"},
		{"{\"version\":1,\"layers\":[\"" DIGEST_A "\"],\"records\":[{\"key\":\"" DIGEST_B
		 "\",\"layer\":0,\"created\":0,\"env\":[\"A=b\"]}]}",
		 "env"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		cleanup(cache_records_done) struct cache_records records = {0};
		cleanup_error struct error *err = NULL;
		if (cache_records_parse(bad[i].text, strlen(bad[i].text), "document", &records, &err) != -EINVAL)
			fail_msg("%s is taken", bad[i].text);
		if (!strstr(error_message(err), bad[i].said))
			fail_msg("%s: %s", bad[i].text, error_message(err));
		assert_null(records.layers);
	}
}

static void refuses_more_than_the_limits(void **state)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CACHE_DOCUMENT_MAX);
	cleanup(cache_records_done) struct cache_records records = {0};

	buf_append_str(&text, "{\"version\":1,\"records\":[],\"layers\":[");
	for (size_t i = 0; i <= MANIFEST_LAYERS_MAX; i++)
		buf_printf(&text, "%s\"" DIGEST_A "\"", i ? "," : "");
	buf_append_str(&text, "]}");
	assert_int_equal(cache_records_parse(buf_str(&text), text.len, "document", &records, NULL), -EINVAL);
	assert_int_equal(cache_records_parse("{}", CACHE_DOCUMENT_MAX + 1, "document", &records, NULL), -EFBIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(cache_mounts_travel_by_name_and_only_with_a_layer),
		cmocka_unit_test(equal_layers_stand_once_and_steps_without_a_key_or_layer_not_at_all),
		cmocka_unit_test(a_download_is_known_by_its_files_alone),
		cmocka_unit_test(more_than_a_manifest_can_hold_is_left_out),
		cmocka_unit_test(refuses_what_it_does_not_know),
		cmocka_unit_test(refuses_more_than_the_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Any bytes as a JSON document: no crash, whatever getter meets whatever type, and canonical text is a fixed point. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Deeper than the documents that cooper reads; the parser's own limit is larger. */
#define VISIT_DEPTH_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Success without an error, or a failure with one that names the document. */
static void assert_told(ssize_t rc, struct error **err)
{
	assert((rc < 0) == (*err != NULL));
	assert(rc >= 0 || strncmp(error_message(*err), "fuzz: ", strlen("fuzz: ")) == 0);
	error_clear(err);
}

static void try_scalars(struct json_place at)
{
	cleanup_error struct error *err = NULL;
	cleanup_free char *text = NULL;
	int64_t number = 0;
	uint64_t size = 0;
	bool truth = false;

	assert_told(json_require(&at, &err), &err);
	assert_told(json_get_string(at, &text, &err), &err);
	assert_told(json_get_i64(at, &number, &err), &err);
	assert_told(json_get_u64(at, &size, &err), &err);
	assert_told(json_get_bool(at, &truth, &err), &err);
}

static void try_lists(struct json_place at)
{
	cleanup_error struct error *err = NULL;
	cleanup(strlist_done) struct strlist list = {0};
	cleanup(strlist_done) struct strlist map = {0};

	assert_told(json_get_count(at, &err), &err);
	assert_told(json_get_strlist(at, &list, &err), &err);
	assert_told(json_get_map(at, &map, &err), &err);
	for (size_t i = 0; i < map.count; i++)
		assert(strchr(map.items[i], '='));
}

static void visit(const struct json_place *at, int depth)
{
	const char *key;
	json_t *value;

	try_scalars(*at);
	try_lists(*at);
	if (depth == VISIT_DEPTH_MAX)
		return;
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_place element = json_element(at, i);
		visit(&element, depth + 1);
	}
	/* jansson's iterators want a pointer to non-const, and change nothing. */
	json_object_foreach((json_t *)at->value, key, value)
	{
		struct json_place field = json_field(at, key);
		visit(&field, depth + 1);
	}
}

static void assert_canonical(const json_t *root)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf again = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf pretty = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup_json json_t *parsed = NULL;

	json_format(root, &text);
	assert(json_parse(buf_str(&text), text.len, "fuzz", &parsed, NULL) == 0);
	json_format(parsed, &again);
	assert(text.len == again.len && memcmp(text.data, again.data, text.len) == 0);
	json_format_pretty(root, 2, &pretty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;

	if (json_parse((const char *)data, size, "fuzz", &root, &err) < 0) {
		assert(!root && err);
		return 0;
	}
	assert(root && !err);
	struct json_place at = json_root("fuzz", root);
	visit(&at, 0);
	assert_canonical(root);
	return 0;
}

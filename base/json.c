/*
 * The only file that calls jansson's parser. Text from outside is scanned for depth before jansson sees it, because its
 * own limit (2048) is deep enough to make every recursive reader of ours a risk.
 */
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/utf8.h"

#define JSON_DEPTH_MAX 64

void json_decref_cleanup(json_t **value)
{
	json_decref(*value);
}

/* ---- Reading text ---- */

/* Brackets outside strings; whether they match is jansson's question. */
static bool depth_is_bounded(const char *text, size_t size)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		if (c == '"')
			in_string = true;
		else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
			return false;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

int json_parse(const char *text, size_t size, const char *what, json_t **root, struct error **err)
{
	if (size == 0)
		return error_set(err, EINVAL, "%s: not JSON: it is empty", what);
	if (memchr(text, '\0', size))
		return error_set(err, EINVAL, "%s: not JSON: it holds a NUL byte", what);
	if (!depth_is_bounded(text, size))
		return error_set(err, EINVAL, "%s: nested deeper than %d levels", what, JSON_DEPTH_MAX);
	json_error_t problem;
	json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
	if (!value)
		return error_set(err, EINVAL, "%s: line %d: %s", what, problem.line, problem.text);
	*root = value;
	return 0;
}

int json_load_at(int dirfd, const char *path, size_t max, json_t **root, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(max);
	int rc = fd_read_file(dirfd, path, &text, err);
	if (rc < 0)
		return rc;
	return json_parse(buf_str(&text), text.len, path, root, err);
}

int json_load_user(const char *path, size_t max, json_t **root, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(max);
	int rc = fd_read_user_file(path, &text, err);
	if (rc < 0)
		return rc;
	return json_parse(buf_str(&text), text.len, path, root, err);
}

/* ---- Places ---- */

struct json_place json_root(const char *document, const json_t *value)
{
	return (struct json_place){.document = document, .value = value};
}

struct json_place json_field(const struct json_place *object, const char *key)
{
	return (struct json_place){
		.document = object->document,
		.value = json_object_get(object->value, key),
		.parent = object,
		.key = key,
	};
}

struct json_place json_element(const struct json_place *array, size_t index)
{
	return (struct json_place){
		.document = array->document,
		.value = json_array_get(array->value, index),
		.parent = array,
		.index = index,
	};
}

bool json_is_present(const struct json_place *at)
{
	return at->value && !json_is_null(at->value);
}

static bool is_plain_key(const char *key)
{
	for (const char *c = key; *c; c++) {
		bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
		if (!is_letter && !(*c >= '0' && *c <= '9') && !strchr("_-$", *c))
			return false;
	}
	return *key;
}

/* ["org.example/x"]: a key that would be unclear, or unsafe on a terminal, when written after a dot. */
static void append_quoted_key(const char *key, struct buf *into)
{
	cleanup_json json_t *text = json_from_bytes(key);
	char *quoted = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	buf_printf(into, "[%s]", quoted ? quoted : "\"\"");
	free(quoted);
}

/* Recursion is bounded by how deep the caller's own places nest. */
static void append_place(const struct json_place *at, struct buf *into)
{
	if (!at->parent)
		return;
	append_place(at->parent, into);
	if (!at->key)
		buf_printf(into, "[%zu]", at->index);
	else if (is_plain_key(at->key))
		buf_printf(into, "%s%s", into->len > 0 ? "." : "", at->key);
	else
		append_quoted_key(at->key, into);
}

int json_error(const struct json_place *at, struct error **err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	cleanup(buf_done) struct buf place = BUF_INIT(BUF_MAX_DEFAULT);
	append_place(at, &place);
	if (place.len == 0)
		return error_set(err, EINVAL, "%s: %s", at->document, text);
	return error_set(err, EINVAL, "%s: %s: %s", at->document, buf_str(&place), text);
}

/* ---- Typed getters ---- */

int json_require(const struct json_place *at, struct error **err)
{
	if (!json_is_present(at))
		return json_error(at, err, "missing");
	return 0;
}

/* The string's text, borrowed. */
static int string_of(const struct json_place *at, const char **text, struct error **err)
{
	if (!json_is_string(at->value))
		return json_error(at, err, "not a string");
	const char *value = json_string_value(at->value);
	if (strlen(value) != json_string_length(at->value))
		return json_error(at, err, "holds a NUL character");
	*text = value;
	return 0;
}

int json_get_string(struct json_place at, char **out, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	const char *text = NULL;
	int rc = string_of(&at, &text, err);
	if (rc < 0)
		return rc;
	mem_replace(out, text);
	return 0;
}

int json_get_i64(struct json_place at, int64_t *out, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_integer(at.value))
		return json_error(&at, err, "not an integer");
	*out = json_integer_value(at.value);
	return 0;
}

int json_get_u64(struct json_place at, uint64_t *out, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_integer(at.value))
		return json_error(&at, err, "not an integer");
	if (json_integer_value(at.value) < 0)
		return json_error(&at, err, "negative");
	*out = (uint64_t)json_integer_value(at.value);
	return 0;
}

int json_get_bool(struct json_place at, bool *out, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_boolean(at.value))
		return json_error(&at, err, "not true or false");
	*out = json_is_true(at.value);
	return 0;
}

/* Replaces the list of the caller, whose defaults give way to what the document says. */
static void replace_list(struct strlist *out, struct strlist *by)
{
	strlist_done(out);
	*out = *by;
	*by = (struct strlist){0};
}

int json_get_strlist(struct json_place at, struct strlist *out, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_array(at.value))
		return json_error(&at, err, "not an array");
	cleanup(strlist_done) struct strlist list = {0};
	for (size_t i = 0; i < json_array_size(at.value); i++) {
		struct json_place element = json_element(&at, i);
		const char *text = NULL;
		int rc = string_of(&element, &text, err);
		if (rc < 0)
			return rc;
		strlist_append(&list, text);
	}
	replace_list(out, &list);
	return 0;
}

/* A null value counts as "", as Go's decoder reads it into a map of strings. */
static int append_map_entry(const struct json_place *entry, struct strlist *list, struct error **err)
{
	if (strchr(entry->key, '='))
		return json_error(entry, err, "a key with '=' in it");
	const char *text = "";
	if (json_is_present(entry)) {
		int rc = string_of(entry, &text, err);
		if (rc < 0)
			return rc;
	}
	strlist_printf(list, "%s=%s", entry->key, text);
	return 0;
}

int json_get_map(struct json_place at, struct strlist *out, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	cleanup(strlist_done) struct strlist list = {0};
	/* jansson's iterators want a pointer to non-const, and change nothing. */
	json_t *object = (json_t *)at.value;
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		struct json_place entry = json_field(&at, json_object_iter_key(i));
		int rc = append_map_entry(&entry, &list, err);
		if (rc < 0)
			return rc;
	}
	strlist_sort(&list);
	replace_list(out, &list);
	return 0;
}

ssize_t json_get_count(struct json_place at, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (json_is_array(at.value))
		return (ssize_t)json_array_size(at.value);
	if (json_is_object(at.value))
		return (ssize_t)json_object_size(at.value);
	return json_error(&at, err, "not an array or object");
}

/* ---- Building ---- */

json_t *json_from_bytes(const char *text)
{
	size_t size = strlen(text);
	json_t *value = NULL;
	if (utf8_is_valid(text, size)) {
		value = json_stringn_nocheck(text, size);
	} else {
		/* A bad byte becomes three. */
		cleanup(buf_done) struct buf clean = BUF_INIT(3 * size);
		for (size_t at = 0; at < size;) {
			uint32_t character = 0;
			char bytes[UTF8_CHAR_MAX];
			at += utf8_decode(text + at, size - at, &character);
			buf_append(&clean, bytes, utf8_encode(character, bytes));
		}
		value = json_stringn(buf_str(&clean), clean.len);
	}
	assert(value); /* jansson refuses only bad UTF-8 */
	return value;
}

void json_set_take(json_t *object, const char *key, json_t *value)
{
	/* A key may come from a user's label: it is made UTF-8 like every value. */
	bool is_clean = utf8_is_valid(key, strlen(key));
	cleanup_json json_t *clean_key = is_clean ? NULL : json_from_bytes(key);
	int rc = json_object_set_new_nocheck(object, is_clean ? key : json_string_value(clean_key), value);
	assert(rc == 0);
	(void)rc;
}

void json_set_string(json_t *object, const char *key, const char *value)
{
	json_set_take(object, key, value ? json_from_bytes(value) : json_null());
}

void json_set_string_opt(json_t *object, const char *key, const char *value)
{
	if (value)
		json_set_string(object, key, value);
}

void json_set_i64(json_t *object, const char *key, int64_t value)
{
	json_set_take(object, key, json_integer(value));
}

void json_set_bool(json_t *object, const char *key, bool value)
{
	json_set_take(object, key, json_boolean(value));
}

void json_set_strlist(json_t *object, const char *key, const struct strlist *list)
{
	json_t *array = json_array();
	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_from_bytes(list->items[i]));
	json_set_take(object, key, array);
}

void json_set_strlist_opt(json_t *object, const char *key, const struct strlist *list)
{
	if (list->count > 0)
		json_set_strlist(object, key, list);
}

void json_set_map_opt(json_t *object, const char *key, const struct strlist *map)
{
	if (map->count == 0)
		return;
	json_t *entries = json_object();
	for (size_t i = 0; i < map->count; i++) {
		const char *entry = map->items[i];
		const char *equals = strchr(entry, '=');
		cleanup_free char *name = equals ? mem_strndup(entry, (size_t)(equals - entry)) : mem_strdup(entry);
		json_set_string(entries, name, equals ? equals + 1 : "");
	}
	json_set_take(object, key, entries);
}

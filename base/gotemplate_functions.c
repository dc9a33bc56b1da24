/*
 * The functions a template can call. Arguments are evaluated values; what comes back is a new value. Upper and lower
 * case are those of ASCII.
 */
#include "base/gotemplate_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"

#define TEXT_MAX ((size_t)16 << 20) /* most bytes that one call may make */
#define PARTS_MAX ((size_t)1 << 20) /* most elements of a list that one call may make */

typedef int function(const struct gotemplate_call *call, json_t **result, struct error **problem);

/* ---- Helpers ---- */

/* Hands the text on as a value. */
static int give_text(struct buf *text, json_t **result, struct error **problem)
{
	if (text->overflow)
		return error_set(problem, EINVAL, "makes more than %zu bytes", TEXT_MAX);
	*result = json_from_bytes(buf_str(text));
	return 0;
}

static int text_arg(const struct gotemplate_call *call, size_t i, const char **text, struct error **problem)
{
	if (!json_is_string(call->args[i]))
		return error_set(problem, EINVAL, "wrong type for value; expected string; got %s",
				 gotemplate_type_name(call->args[i]));
	*text = json_string_value(call->args[i]);
	return 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char upper_char(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower_char(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- Text ---- */

/* What stands in `json` where `wanted`, that very value, stands in `root`; NULL when it stands nowhere, as what a
 * function has made. Where the two differ nothing is guessed. */
static const json_t *find_twin(const json_t *root, const json_t *json, const json_t *wanted)
{
	const json_t *found = NULL;
	if (root == wanted)
		return json;
	for (size_t i = 0; !found && i < json_array_size(root) && i < json_array_size(json); i++)
		found = find_twin(json_array_get(root, i), json_array_get(json, i), wanted);
	if (!json_is_object(root) || json_object_size(root) != json_object_size(json))
		return found;
	/* Iterators give keys in the order in which they were set. */
	void *here = json_object_iter((json_t *)root), *there = json_object_iter((json_t *)json);
	for (; !found && here && there;
	     here = json_object_iter_next((json_t *)root, here), there = json_object_iter_next((json_t *)json, there))
		found = find_twin(json_object_iter_value(here), json_object_iter_value(there), wanted);
	return found;
}

static int do_json(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	cleanup(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	const json_t *twin = call->json ? find_twin(call->root, call->json, call->args[0]) : NULL;
	json_format(twin ? twin : call->args[0], &text);
	return give_text(&text, result, problem);
}

/* A space goes between two operands of which neither is a string. */
static int do_print(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	cleanup(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	for (size_t i = 0; i < call->count; i++) {
		if (i > 0 && !json_is_string(call->args[i]) && !json_is_string(call->args[i - 1]))
			buf_append_char(&text, ' ');
		gotemplate_append_value(call->args[i], &text);
	}
	return give_text(&text, result, problem);
}

static int do_println(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	cleanup(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	for (size_t i = 0; i < call->count; i++) {
		if (i > 0)
			buf_append_char(&text, ' ');
		gotemplate_append_value(call->args[i], &text);
	}
	buf_append_char(&text, '\n');
	return give_text(&text, result, problem);
}

static int do_printf(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	const char *format = NULL;
	int rc = text_arg(call, 0, &format, problem);
	if (rc < 0)
		return rc;
	cleanup(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	gotemplate_append_printf(format, call->args + 1, call->count - 1, &text);
	return give_text(&text, result, problem);
}

static int do_join(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	const json_t *list = call->args[0];
	const char *separator = NULL;
	int rc = text_arg(call, 1, &separator, problem);
	if (rc < 0)
		return rc;
	if (!json_is_array(list) && !json_is_null(list))
		return error_set(problem, EINVAL, "wrong type for value; expected a list; got %s",
				 gotemplate_type_name(list));
	cleanup(buf_done) struct buf text = BUF_INIT(TEXT_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (i > 0)
			buf_append_str(&text, separator);
		gotemplate_append_value(json_array_get(list, i), &text);
	}
	return give_text(&text, result, problem);
}

static void split_characters(const char *text, json_t *parts)
{
	const char *end = text + strlen(text);
	while (text < end && json_array_size(parts) <= PARTS_MAX) {
		uint32_t character = 0;
		size_t length = utf8_decode(text, (size_t)(end - text), &character);
		json_array_append_new(parts, json_stringn(text, length));
		text += length;
	}
}

static void split_at(const char *text, const char *separator, json_t *parts)
{
	while (text && json_array_size(parts) <= PARTS_MAX) {
		const char *end = strstr(text, separator);
		cleanup_free char *part = mem_strndup(text, end ? (size_t)(end - text) : strlen(text));
		/* A separator that was cut out of a character leaves bytes that are no text. */
		json_array_append_new(parts, json_from_bytes(part));
		text = end ? end + strlen(separator) : NULL;
	}
}

/* An empty separator splits between all characters. */
static int do_split(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	const char *text = NULL;
	const char *separator = NULL;
	int rc = text_arg(call, 0, &text, problem);
	if (rc == 0)
		rc = text_arg(call, 1, &separator, problem);
	if (rc < 0)
		return rc;
	cleanup_json json_t *parts = json_array();
	if (*separator)
		split_at(text, separator, parts);
	else
		split_characters(text, parts);
	if (json_array_size(parts) > PARTS_MAX)
		return error_set(problem, EINVAL, "makes more than %zu parts", PARTS_MAX);
	*result = take_ptr(&parts);
	return 0;
}

static int change_case(const struct gotemplate_call *call, char change(char), json_t **result, struct error **problem)
{
	const char *text = NULL;
	int rc = text_arg(call, 0, &text, problem);
	if (rc < 0)
		return rc;
	cleanup_free char *changed = mem_strdup(text);
	for (char *c = changed; *c; c++)
		*c = change(*c);
	*result = json_from_bytes(changed);
	return 0;
}

static int do_upper(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	return change_case(call, upper_char, result, problem);
}

static int do_lower(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	return change_case(call, lower_char, result, problem);
}

/* The first letter of every word is made upper case. */
static int do_title(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	const char *text = NULL;
	int rc = text_arg(call, 0, &text, problem);
	if (rc < 0)
		return rc;
	cleanup_free char *changed = mem_strdup(text);
	bool in_word = false;
	for (char *c = changed; *c; c++) {
		if (!in_word)
			*c = upper_char(*c);
		in_word = is_letter(*c) || (*c >= '0' && *c <= '9') || *c == '_' || (unsigned char)*c >= 0x80;
	}
	*result = json_from_bytes(changed);
	return 0;
}

/* ---- Parts ---- */

static int do_len(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	const json_t *value = call->args[0];
	size_t length = 0;
	if (json_is_string(value))
		length = json_string_length(value);
	else if (json_is_array(value))
		length = json_array_size(value);
	else if (json_is_object(value))
		length = json_object_size(value);
	else if (!json_is_null(value)) /* a list or map that is not there: empty */
		return error_set(problem, EINVAL, "len of type %s", gotemplate_type_name(value));
	*result = json_integer((json_int_t)length);
	return 0;
}

/* A number from 0 to max. */
static int index_arg(const json_t *arg, size_t max, size_t *index, struct error **problem)
{
	if (!json_is_integer(arg))
		return error_set(problem, EINVAL, "cannot index slice/array with type %s", gotemplate_type_name(arg));
	json_int_t number = json_integer_value(arg);
	if (number < 0 || (uint64_t)number > max)
		return error_set(problem, EINVAL, "index out of range: %" JSON_INTEGER_FORMAT, number);
	*index = (size_t)number;
	return 0;
}

/* What Go yields for a key that a map does not have is the zero value of the map's type. That type is not known here:
 * a map in which all values are strings is taken for a map of strings, whose zero value is "". */
static json_t *missing_value(const json_t *object)
{
	json_t *walked = (json_t *)object; /* jansson's iterators want non-const, and change nothing */
	for (void *i = json_object_iter(walked); i; i = json_object_iter_next(walked, i))
		if (!json_is_string(json_object_iter_value(i)))
			return json_null();
	return json_string("");
}

static int index_map(const json_t *object, const json_t *key, json_t **result, struct error **problem)
{
	if (!json_is_string(key))
		return error_set(problem, EINVAL, "value has type %s; should be string", gotemplate_type_name(key));
	json_t *value = json_object_get(object, json_string_value(key));
	*result = value ? json_incref(value) : missing_value(object);
	return 0;
}

/* One step of `index`. A null is taken for a map or list without elements. */
static int index_value(const json_t *value, const json_t *key, json_t **result, struct error **problem)
{
	if (json_is_object(value) || (json_is_null(value) && json_is_string(key)))
		return index_map(value, key, result, problem);
	bool is_text = json_is_string(value);
	if (!is_text && !json_is_array(value) && !json_is_null(value))
		return error_set(problem, EINVAL, "can't index item of type %s", gotemplate_type_name(value));
	size_t size = is_text ? json_string_length(value) : json_array_size(value);
	size_t index = 0;
	int rc = index_arg(key, size, &index, problem);
	if (rc < 0)
		return rc;
	if (index == size)
		return error_set(problem, EINVAL, "index out of range: %zu", index);
	*result = is_text ? json_integer((unsigned char)json_string_value(value)[index])
			  : json_incref(json_array_get(value, index));
	return 0;
}

static int do_index(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	cleanup_json json_t *value = json_incref(call->args[0]);
	for (size_t i = 1; i < call->count; i++) {
		json_t *next = NULL;
		int rc = index_value(value, call->args[i], &next, problem);
		if (rc < 0)
			return rc;
		json_decref(value);
		value = next;
	}
	*result = take_ptr(&value);
	return 0;
}

/* slice x [from [to]] */
static int do_slice(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	const json_t *value = call->args[0];
	if (!json_is_string(value) && !json_is_array(value))
		return error_set(problem, EINVAL, "can't slice item of type %s", gotemplate_type_name(value));
	size_t from = 0;
	size_t to = json_is_string(value) ? json_string_length(value) : json_array_size(value);
	int rc = call->count > 2 ? index_arg(call->args[2], to, &to, problem) : 0;
	if (rc == 0 && call->count > 1)
		rc = index_arg(call->args[1], to, &from, problem);
	if (rc < 0)
		return rc;
	if (json_is_string(value)) {
		cleanup_free char *part = mem_strndup(json_string_value(value) + from, to - from);
		*result = json_from_bytes(part);
		return 0;
	}
	json_t *part = json_array();
	for (size_t i = from; i < to; i++)
		json_array_append(part, json_array_get(value, i));
	*result = part;
	return 0;
}

/* ---- Comparison ---- */

/* <0, 0 or >0 in *order for two numbers or two strings; false for anything else. */
static bool compare_ordered(const json_t *a, const json_t *b, int *order)
{
	if (json_is_string(a) && json_is_string(b)) {
		*order = strcmp(json_string_value(a), json_string_value(b));
		return true;
	}
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a);
		json_int_t y = json_integer_value(b);
		*order = (x > y) - (x < y);
		return true;
	}
	if (json_is_number(a) && json_is_number(b)) {
		double x = json_number_value(a);
		double y = json_number_value(b);
		*order = isgreater(x, y) - isless(x, y);
		return true;
	}
	return false;
}

static int are_equal(const json_t *a, const json_t *b, bool *equal, struct error **problem)
{
	int order = 0;
	if (json_is_array(a) || json_is_object(a) || json_is_array(b) || json_is_object(b))
		return error_set(problem, EINVAL, "non-comparable type %s",
				 gotemplate_type_name(json_is_array(a) || json_is_object(a) ? a : b));
	if (compare_ordered(a, b, &order))
		*equal = order == 0;
	else if (json_is_null(a) || json_is_null(b))
		*equal = json_is_null(a) && json_is_null(b);
	else if (json_is_boolean(a) && json_is_boolean(b))
		*equal = json_is_true(a) == json_is_true(b);
	else
		return error_set(problem, EINVAL, "incompatible types for comparison");
	return 0;
}

/* eq a b c: is a any of the others? */
static int do_eq(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	bool equal = false;
	for (size_t i = 1; i < call->count && !equal; i++) {
		int rc = are_equal(call->args[0], call->args[i], &equal, problem);
		if (rc < 0)
			return rc;
	}
	*result = json_boolean(equal);
	return 0;
}

static int do_ne(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	bool equal = false;
	int rc = are_equal(call->args[0], call->args[1], &equal, problem);
	if (rc < 0)
		return rc;
	*result = json_boolean(!equal);
	return 0;
}

static int order_args(const struct gotemplate_call *call, int *order, struct error **problem)
{
	if (!compare_ordered(call->args[0], call->args[1], order))
		return error_set(problem, EINVAL, "incompatible types for comparison");
	return 0;
}

static int do_lt(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	int order = 0;
	int rc = order_args(call, &order, problem);
	if (rc == 0)
		*result = json_boolean(order < 0);
	return rc;
}

static int do_le(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	int order = 0;
	int rc = order_args(call, &order, problem);
	if (rc == 0)
		*result = json_boolean(order <= 0);
	return rc;
}

static int do_gt(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	int order = 0;
	int rc = order_args(call, &order, problem);
	if (rc == 0)
		*result = json_boolean(order > 0);
	return rc;
}

static int do_ge(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	int order = 0;
	int rc = order_args(call, &order, problem);
	if (rc == 0)
		*result = json_boolean(order >= 0);
	return rc;
}

static int do_not(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	*result = json_boolean(!gotemplate_is_true(call->args[0]));
	return 0;
}

/* ---- The table ---- */

static const struct {
	const char *name;
	size_t min;
	size_t max; /* SIZE_MAX: any number */
	function *run;
} functions[] = {
	/* gotemplate_eval.c does these two: they stop at the argument that decides. */
	{"and", 1, SIZE_MAX, NULL},
	{"or", 1, SIZE_MAX, NULL},
	{"eq", 2, SIZE_MAX, do_eq},
	{"ge", 2, 2, do_ge},
	{"gt", 2, 2, do_gt},
	{"index", 1, SIZE_MAX, do_index},
	{"join", 2, 2, do_join},
	{"json", 1, 1, do_json},
	{"le", 2, 2, do_le},
	{"len", 1, 1, do_len},
	{"lower", 1, 1, do_lower},
	{"lt", 2, 2, do_lt},
	{"ne", 2, 2, do_ne},
	{"not", 1, 1, do_not},
	{"print", 0, SIZE_MAX, do_print},
	{"printf", 1, SIZE_MAX, do_printf},
	{"println", 0, SIZE_MAX, do_println},
	{"slice", 1, 3, do_slice},
	{"split", 2, 2, do_split},
	{"title", 1, 1, do_title},
	{"upper", 1, 1, do_upper},
};

static size_t find_function(const char *name)
{
	size_t i = 0;
	while (i < ARRAY_COUNT(functions) && strcmp(functions[i].name, name) != 0)
		i++;
	return i;
}

bool gotemplate_has_function(const char *name)
{
	return find_function(name) < ARRAY_COUNT(functions);
}

int gotemplate_check_count(const char *name, size_t count, struct error **problem)
{
	size_t i = find_function(name);
	if (count < functions[i].min && functions[i].max == SIZE_MAX)
		return error_set(problem, EINVAL, "wrong number of args: want at least %zu got %zu", functions[i].min,
				 count);
	if (count < functions[i].min || count > functions[i].max)
		return error_set(problem, EINVAL, "wrong number of args: want %zu got %zu", functions[i].max, count);
	return 0;
}

int gotemplate_call(const struct gotemplate_call *call, json_t **result, struct error **problem)
{
	int rc = gotemplate_check_count(call->name, call->count, problem);
	if (rc < 0)
		return rc;
	return functions[find_function(call->name)].run(call, result, problem);
}

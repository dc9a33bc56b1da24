/*
 * libyaml's events, one function for each kind of node.
 */
#include "base/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/library.h"
#include "base/parse.h"
#include "base/utf8.h"

#define YAML_DEPTH_MAX 64

#define FUNCTIONS(X)                    \
	X(yaml_parser_initialize)       \
	X(yaml_parser_set_input_string) \
	X(yaml_parser_parse)            \
	X(yaml_parser_delete)           \
	X(yaml_event_delete)

static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} yaml;

struct reader {
	yaml_parser_t parser;
	const char *file;
	unsigned depth;
	struct error **err;
};

static int PRINTF_LIKE(3, 4) fail(struct reader *r, size_t line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	return error_set(r->err, EINVAL, "%s:%zu: %s", r->file, line + 1, text);
}

/* The next event, to be deleted by the caller. */
static int next(struct reader *r, yaml_event_t *event)
{
	if (yaml.yaml_parser_parse(&r->parser, event))
		return 0;
	const char *why = r->parser.problem ? r->parser.problem : "not YAML";
	return fail(r, r->parser.problem_mark.line, "%s", why);
}

/* ---- scalars ---- */

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words && strcmp(*words, text) != 0)
		words++;
	return *words != NULL;
}

static json_t *plain_value(const char *text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};
	int64_t number;

	if (is_one_of(text, nulls))
		return json_null();
	if (is_one_of(text, yes))
		return json_true();
	if (is_one_of(text, no))
		return json_false();
	if (parse_i64(text, INT64_MIN, INT64_MAX, "number", &number, NULL) == 0)
		return json_integer(number);
	return json_string(text);
}

static int read_scalar(struct reader *r, const yaml_event_t *event, json_t **value)
{
	const char *text = (const char *)event->data.scalar.value;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (event->data.scalar.anchor)
		return fail(r, event->start_mark.line, "anchors are not supported");
	if (strlen(text) != event->data.scalar.length || !utf8_is_valid(text, event->data.scalar.length))
		return fail(r, event->start_mark.line, "not text");
	*value = plain ? plain_value(text) : json_string(text);
	return 0;
}

/* ---- collections ---- */

static int read_node(struct reader *r, const yaml_event_t *event, json_t **value);

static int read_sequence(struct reader *r, json_t **value)
{
	cleanup_json json_t *array = json_array();

	for (;;) {
		yaml_event_t event;
		json_t *item = NULL;
		int rc = next(r, &event);
		if (rc < 0)
			return rc;
		bool end = event.type == YAML_SEQUENCE_END_EVENT;
		rc = end ? 0 : read_node(r, &event, &item);
		yaml.yaml_event_delete(&event);
		if (rc < 0)
			return rc;
		if (end)
			break;
		json_array_append_new(array, item);
	}
	*value = take_ptr(&array);
	return 0;
}

static int read_entry(struct reader *r, const yaml_event_t *key_event, json_t *object)
{
	yaml_event_t event;
	json_t *value = NULL;

	if (key_event->type != YAML_SCALAR_EVENT || key_event->data.scalar.anchor)
		return fail(r, key_event->start_mark.line, "a key that is no plain text");
	const char *key = (const char *)key_event->data.scalar.value;
	if (!utf8_is_valid(key, key_event->data.scalar.length) || strlen(key) != key_event->data.scalar.length)
		return fail(r, key_event->start_mark.line, "not text");
	if (json_object_get(object, key))
		return fail(r, key_event->start_mark.line, "'%s' is there twice", key);
	int rc = next(r, &event);
	if (rc < 0)
		return rc;
	rc = read_node(r, &event, &value);
	yaml.yaml_event_delete(&event);
	if (rc == 0)
		json_set_take(object, key, value);
	return rc;
}

static int read_mapping(struct reader *r, json_t **value)
{
	cleanup_json json_t *object = json_object();

	for (;;) {
		yaml_event_t event;
		int rc = next(r, &event);
		if (rc < 0)
			return rc;
		bool end = event.type == YAML_MAPPING_END_EVENT;
		rc = end ? 0 : read_entry(r, &event, object);
		yaml.yaml_event_delete(&event);
		if (rc < 0)
			return rc;
		if (end)
			break;
	}
	*value = take_ptr(&object);
	return 0;
}

static int read_collection(struct reader *r, const yaml_event_t *event, json_t **value)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;

	if (mapping ? event->data.mapping_start.anchor != NULL : event->data.sequence_start.anchor != NULL)
		return fail(r, event->start_mark.line, "anchors are not supported");
	if (++r->depth > YAML_DEPTH_MAX)
		return fail(r, event->start_mark.line, "more than %d levels", YAML_DEPTH_MAX);
	int rc = mapping ? read_mapping(r, value) : read_sequence(r, value);
	r->depth--;
	return rc;
}

static int read_node(struct reader *r, const yaml_event_t *event, json_t **value)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, event, value);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return read_collection(r, event, value);
	default:
		return fail(r, event->start_mark.line, "aliases are not supported");
	}
}

/* ---- the document ---- */

static int read_stream(struct reader *r, json_t **root)
{
	cleanup_json json_t *value = NULL;
	bool more = true;

	while (more) {
		yaml_event_t event;
		int rc = next(r, &event);
		if (rc < 0)
			return rc;
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_DOCUMENT_START_EVENT:
			rc = value ? fail(r, event.start_mark.line, "a second document") : 0;
			break;
		case YAML_STREAM_END_EVENT:
			more = false;
			break;
		default:
			rc = read_node(r, &event, &value);
		}
		yaml.yaml_event_delete(&event);
		if (rc < 0)
			return rc;
	}
	*root = value ? take_ptr(&value) : json_null();
	return 0;
}

int yaml_parse(const char *text, size_t size, const char *file, json_t **root, struct error **err)
{
	static const char *const symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
	struct reader r = {.file = file, .err = err};
	int rc = library_load("libyaml-0.so.2", symbols, ARRAY_COUNT(symbols), &yaml, err);

	if (rc < 0)
		return rc;
	if (!yaml.yaml_parser_initialize(&r.parser))
		return error_set(err, EIO, "%s: libyaml does not start", file);
	yaml.yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	rc = read_stream(&r, root);
	yaml.yaml_parser_delete(&r.parser);
	return rc;
}

/*
 * Unknown fields in and out of documents that we rewrite.
 */
#include "imagefmt/jsonrest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Our own text, made by format_rest(): it cannot fail to parse. */
static json_t *parse_rest(const char *rest)
{
	if (!rest)
		return json_object();
	json_t *object = NULL;
	int rc = json_parse(rest, strlen(rest), "unknown fields", &object, NULL);
	assert(rc == 0);
	return object;
}

static char *format_rest(const json_t *object)
{
	if (json_object_size(object) == 0)
		return NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_format(object, &text);
	return buf_take(&text);
}

enum acquaintance { KNOWN, UNKNOWN, AMBIGUOUS };

static enum acquaintance is_known(const char *const *known, size_t count, const char *key)
{
	enum acquaintance result = UNKNOWN;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(known[i], key) == 0)
			return KNOWN;
		if (strcasecmp(known[i], key) == 0)
			result = AMBIGUOUS;
	}
	return result;
}

int json_rest_take(const struct json_place *object, const char *const *known, size_t count, char **rest,
		   struct error **err)
{
	cleanup_json json_t *left = json_object();
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object->value, key, value)
	{
		switch (is_known(known, count, key)) {
		case KNOWN:
			break;
		case AMBIGUOUS:
			return json_error(object, err, "field '%s' differs from a known one only in its case", key);
		case UNKNOWN:
			json_object_set(left, key, value);
			break;
		}
	}
	free(*rest);
	*rest = format_rest(left);
	return 0;
}

static void merge(json_t *into, json_t *from)
{
	const char *key;
	json_t *value;
	json_object_foreach(from, key, value)
	{
		json_t *present = json_object_get(into, key);
		if (!present)
			json_object_set(into, key, value);
		else if (json_is_object(present) && json_is_object(value))
			merge(present, value);
	}
}

void json_rest_put(json_t *object, const char *rest)
{
	cleanup_json json_t *from = parse_rest(rest);
	merge(object, from);
}

void json_rest_nest(char **rest, const char *key, const char *inner)
{
	if (!inner)
		return;
	cleanup_json json_t *outer = parse_rest(*rest);
	json_object_set_new(outer, key, parse_rest(inner));
	free(*rest);
	*rest = format_rest(outer);
}

void json_rest_drop(char **rest, const char *const *keys, size_t count)
{
	cleanup_json json_t *object = parse_rest(*rest);
	for (size_t i = 0; i < count; i++)
		json_object_del(object, keys[i]);
	free(*rest);
	*rest = format_rest(object);
}

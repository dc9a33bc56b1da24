/* --filter of du and prune: texts to conditions. */
#include "builder/cache_filter.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define NANOSECONDS 1000000000
#define VALUE_MAX 1024

enum field { FIELD_UNTIL, FIELD_TYPE, FIELD_ID, FIELD_DESCRIPTION, FIELD_SHARED, FIELD_PRIVATE, FIELD_IN_USE };

struct condition {
	enum field field;
	bool is_negated, is_pattern;
	char *value;
	regex_t pattern;
	int64_t before; /* of FIELD_UNTIL, seconds */
	bool on;	/* of the last three */
};

struct cache_filter {
	struct condition *items;
	size_t count;
};

void cache_filter_free(struct cache_filter *filter)
{
	if (!filter)
		return;
	for (size_t i = 0; i < filter->count; i++) {
		if (filter->items[i].is_pattern)
			regfree(&filter->items[i].pattern);
		free(filter->items[i].value);
	}
	free(filter->items);
	free(filter);
}

/* ---- reading --------------------------------------------------------------------------------------------------------
 */

static int read_time(const char *value, int64_t now, int64_t *before, struct error **err)
{
	int64_t nanoseconds = 0;

	if (parse_duration(value, "--filter", &nanoseconds, NULL) == 0) {
		*before = now - nanoseconds / NANOSECONDS;
		return nanoseconds < 0 ? error_set(err, EINVAL, "it is negative") : 0;
	}
	if (parse_time(value, "--filter", before, &nanoseconds, NULL) < 0)
		return error_set(err, EINVAL, "use a duration (24h) or a time (2026-11-22T10:33:06Z)");
	return 0;
}

static int read_type(const char *value, struct error **err)
{
	/* Also those of BuildKit that there are none of here. */
	static const char *const known[] = {"regular",	"exec.cachemount", "internal",
					    "frontend", "source.local",	   "source.git.checkout"};

	for (size_t i = 0; i < ARRAY_COUNT(known); i++)
		if (strcmp(known[i], value) == 0)
			return 0;
	return error_set(err, EINVAL, "type '%s': use regular, exec.cachemount or internal", value);
}

static int read_value(struct condition *condition, int64_t now, struct error **err)
{
	switch (condition->field) {
	case FIELD_UNTIL:
		return read_time(condition->value, now, &condition->before, err);
	case FIELD_TYPE:
		return condition->is_pattern ? 0 : read_type(condition->value, err);
	case FIELD_SHARED:
	case FIELD_PRIVATE:
	case FIELD_IN_USE:
		condition->on = true;
		return *condition->value ? parse_bool(condition->value, "--filter", &condition->on, err) : 0;
	case FIELD_ID:
	case FIELD_DESCRIPTION:
		break;
	}
	return 0;
}

static int read_field(const char *key, enum field *field, struct error **err)
{
	static const struct {
		const char *key;
		enum field field;
	} fields[] = {
		{"until", FIELD_UNTIL},
		{"unused-for", FIELD_UNTIL},
		{"type", FIELD_TYPE},
		{"id", FIELD_ID},
		{"description", FIELD_DESCRIPTION},
		{"shared", FIELD_SHARED},
		{"private", FIELD_PRIVATE},
		{"inuse", FIELD_IN_USE},
	};

	for (size_t i = 0; i < ARRAY_COUNT(fields); i++)
		if (strcmp(fields[i].key, key) == 0) {
			*field = fields[i].field;
			return 0;
		}
	return error_set(err, EINVAL,
			 "'%s' is not known: use until, unused-for, type, id, description, shared, private or inuse",
			 key);
}

static int read_condition(const char *text, int64_t now, struct condition *condition, struct error **err)
{
	size_t length = strcspn(text, "=!~");
	cleanup_free char *key = mem_strndup(text, length);
	const char *operator= text + length;
	int rc = read_field(key, &condition->field, err);

	if (rc < 0)
		return rc;
	size_t skip =
		text_has_prefix(operator, "==") || text_has_prefix(operator, "!=") || text_has_prefix(operator, "~=")
			? 2
			: *operator== '=';
	if (*operator&& skip == 0)
		return error_set(err, EINVAL, "use =, ==, != or ~= between '%s' and its value", key);
	condition->value = mem_strdup(operator+ skip);
	condition->is_negated = *operator== '!';
	if (strlen(condition->value) > VALUE_MAX)
		return error_set(err, EINVAL, "it is too long");
	if (*operator== '~') {
		if (regcomp(&condition->pattern, condition->value, REG_EXTENDED | REG_NOSUB) != 0)
			return error_set(err, EINVAL, "'%s' is not a regular expression", condition->value);
		condition->is_pattern = true;
	}
	return read_value(condition, now, err);
}

int cache_filter_new(const struct strlist *texts, int64_t now, struct cache_filter **filter, struct error **err)
{
	cleanup(cache_filter_free) struct cache_filter *made = mem_alloc(sizeof(*made));

	made->items = mem_alloc((texts->count + 1) * sizeof(*made->items));
	for (size_t i = 0; i < texts->count; i++) {
		made->count++; /* first: what is half read is freed as well */
		int rc = read_condition(texts->items[i], now, &made->items[i], err);
		if (rc < 0)
			return error_prefix(err, "--filter '%s'", texts->items[i]);
	}
	*filter = take_ptr(&made);
	return 0;
}

/* ---- matching -------------------------------------------------------------------------------------------------------
 */

static bool is_text(const struct condition *condition, const char *text)
{
	if (condition->is_pattern)
		return regexec(&condition->pattern, text, 0, NULL, 0) == 0;
	return strcmp(text, condition->value) == 0;
}

static bool is_id(const struct condition *condition, const struct cache_item *item)
{
	bool is_start = !condition->is_pattern && *condition->value && text_has_prefix(item->id, condition->value);

	return is_start || is_text(condition, item->id) ||
	       (item->type == CACHE_TYPE_MOUNT && is_text(condition, item->description));
}

static bool holds(const struct condition *condition, const struct cache_item *item)
{
	switch (condition->field) {
	case FIELD_UNTIL:
		return item->used_s <= condition->before;
	case FIELD_TYPE:
		return is_text(condition, cache_type_name(item->type));
	case FIELD_ID:
		return is_id(condition, item);
	case FIELD_DESCRIPTION:
		return is_text(condition, item->description);
	case FIELD_SHARED:
		return item->is_shared == condition->on;
	case FIELD_PRIVATE:
		return item->is_shared != condition->on;
	case FIELD_IN_USE:
		return item->is_busy == condition->on;
	}
	return false;
}

bool cache_filter_matches(const struct cache_filter *filter, const struct cache_item *item)
{
	for (size_t i = 0; i < filter->count; i++)
		if (holds(&filter->items[i], item) == filter->items[i].is_negated)
			return false;
	return true;
}

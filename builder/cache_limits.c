/*
 * Limits of the build cache: where they are written down, and who sees to it that they are kept.
 */
#include "builder/cache_limits.h"

#include <errno.h>
#include <string.h>

#include "base/conffile.h"
#include "base/env.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/cache_prune.h"
#include "builder/sweep.h"

struct limit_row {
	const char *key, *variable;
	uint64_t *bytes;
};
#define LIMIT_ROWS(limits)                                                               \
	{                                                                                \
		{"max_used_space", "CACHE_MAX_USED_SPACE", &(limits)->max_used},         \
			{"reserved_space", "CACHE_RESERVED_SPACE", &(limits)->reserved}, \
			{"min_free_space", "CACHE_MIN_FREE_SPACE", &(limits)->min_free}, \
	}

static int take_file(const struct json_place *root, void *context, struct error **err)
{
	struct cache_limits *limits = context;
	const struct limit_row rows[] = LIMIT_ROWS(limits);
	struct json_place table = json_field(root, "build_cache");
	int rc = 0;

	for (size_t i = 0; rc >= 0 && json_is_present(&table) && i < ARRAY_COUNT(rows); i++) {
		struct json_place at = json_field(&table, rows[i].key);
		cleanup_free char *text = NULL;
		rc = json_get_string(at, &text, err);
		if (rc >= 0 && text)
			rc = parse_size(text, rows[i].key, rows[i].bytes, err);
	}
	return rc;
}

int cache_limits_load(struct cache_limits *limits, struct error **err)
{
	struct cache_limits read = {0};
	const struct limit_row rows[] = LIMIT_ROWS(&read);
	cleanup_free char *home = env_config_home();
	cleanup_free char *user = mem_printf("%s/cooper/cooper.conf", home);
	int rc = conf_file_read(COOPER_SYSCONFDIR "/cooper/cooper.conf", CONF_FILE_DROP_INS, take_file, &read, err);

	if (rc >= 0)
		rc = conf_file_read(user, CONF_FILE_DROP_INS, take_file, &read, err);
	for (size_t i = 0; rc >= 0 && i < ARRAY_COUNT(rows); i++) {
		const char *text = env_get(rows[i].variable);
		cleanup_free char *what = mem_printf("COOPER_%s", rows[i].variable);
		rc = text ? parse_size(text, what, rows[i].bytes, err) : 0;
	}
	if (rc >= 0)
		*limits = read;
	return rc;
}

bool cache_limits_are_set(const struct cache_limits *limits)
{
	return limits->max_used || limits->reserved || limits->min_free;
}

/* ---- behind a build -------------------------------------------------------------------------------------------------
 */

static int keep_task(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct cache_prune_options options = {.limits = *(const struct cache_limits *)context};
	struct cache_pruned pruned = {0};
	int rc = cache_prune(w, &options, /* removed */ NULL, &pruned, err);

	if (rc >= 0)
		buf_append(result, &pruned, sizeof(pruned));
	return rc;
}

int cache_limits_keep(struct workshop *w, const struct cache_limits *limits, struct error **err)
{
	cleanup(buf_done) struct buf result = BUF_INIT(sizeof(struct cache_pruned));
	struct cache_pruned pruned = {0};
	struct swept swept = {0};

	if (!cache_limits_are_set(limits))
		return 0;
	int rc = workshop_call(w, keep_task, (void *)limits, &result, err);
	if (rc < 0 || result.len != sizeof(pruned))
		return rc;
	memcpy(&pruned, result.data, sizeof(pruned));
	if (pruned.count == 0)
		return 0;
	cleanup_free char *size = format_size(pruned.bytes);
	log_debug("the build cache gave up %llu things of %s to keep its limit", (unsigned long long)pruned.count,
		  size);
	cleanup_error struct error *error = NULL;
	rc = sweep_images(w, LOCK_TRY, &swept, &error);
	if (rc < 0 && rc != -EWOULDBLOCK && err)
		*err = take_ptr(&error);
	return rc == -EWOULDBLOCK ? 0 : rc;
}

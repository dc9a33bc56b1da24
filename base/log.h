/*
 * stderr for people. stdout belongs to the result and is never written here.
 *
 * log_warn  survived trouble; ends in what happens instead      "cooper: warning: ..."
 * log_info  progress that a user wants (silenced by --quiet)     "..."
 * log_debug for -v / --log-level debug                           "debug: ..."
 * trace     one topic of COOPER_TRACE=http,run or all,-http      "http: ..."
 */
#ifndef COOPER_BASE_LOG_H
#define COOPER_BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum trace_topic { TRACE_HTTP = 1, TRACE_RUN = 2, TRACE_STORE = 4, TRACE_BUILD = 8, TRACE_AUTH = 16 };

void log_set_level(enum log_level level);
enum log_level log_level(void);
/* Levels by Buildah's names: panic fatal error warn warning info debug trace. -EINVAL. */
int log_level_parse(const char *text, enum log_level *level, struct error **err);
/* The value of COOPER_TRACE; NULL is none. -EINVAL names the unknown topic. */
int trace_parse(const char *text, struct error **err);
bool trace_is_on(enum trace_topic topic);

void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);
void trace_print(enum trace_topic topic, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define trace(topic, ...)                                        \
	do {                                                     \
		if (trace_is_on(TRACE_##topic))                  \
			trace_print(TRACE_##topic, __VA_ARGS__); \
	} while (0)

#endif

/*
 * What cooper says on stderr besides the final error. Each message is one write(2), so that lines of several
 * processes on one terminal or log do not mix.
 */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/strlist.h"
#include "base/terminal.h"

#define LOG_LINE_MAX ((size_t)64 << 10)

/* Globals, and nearly the only ones (CONTRIBUTING.md): set once by cmd/ from the options, read everywhere. */
static enum log_level current_level = LOG_INFO;
static unsigned trace_mask;

static const struct {
	const char *name;
	enum log_level level;
} level_names[] = {
	{"panic", LOG_ERROR},  {"fatal", LOG_ERROR}, {"error", LOG_ERROR}, {"warn", LOG_WARN},
	{"warning", LOG_WARN}, {"info", LOG_INFO},   {"debug", LOG_DEBUG}, {"trace", LOG_DEBUG},
};

static const struct {
	const char *name;
	enum trace_topic topic;
} topic_names[] = {
	{"http", TRACE_HTTP}, {"run", TRACE_RUN}, {"store", TRACE_STORE}, {"build", TRACE_BUILD}, {"auth", TRACE_AUTH},
};

void log_set_level(enum log_level level)
{
	current_level = level;
}

enum log_level log_level(void)
{
	return current_level;
}

int log_level_parse(const char *text, enum log_level *level, struct error **err)
{
	for (size_t i = 0; i < ARRAY_COUNT(level_names); i++) {
		if (strcasecmp(text, level_names[i].name) == 0) {
			*level = level_names[i].level;
			return 0;
		}
	}
	return error_set(err, EINVAL, "'%s' is not a log level (error, warn, info, debug or trace)", text);
}

/* The bits of one word, 0 for an unknown one. */
static unsigned topic_bits(const char *word)
{
	unsigned all = 0;

	for (size_t i = 0; i < ARRAY_COUNT(topic_names); i++) {
		if (strcmp(word, topic_names[i].name) == 0)
			return topic_names[i].topic;
		all |= topic_names[i].topic;
	}
	return strcmp(word, "all") == 0 ? all : 0;
}

int trace_parse(const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	unsigned mask = 0;

	strlist_split(&words, text ? text : "", ',');
	for (size_t i = 0; i < words.count; i++) {
		const char *word = words.items[i];
		bool off = *word == '-';
		if (*word == '\0')
			continue;
		unsigned bits = topic_bits(word + off);
		if (bits == 0)
			return error_set(err, EINVAL,
					 "COOPER_TRACE: no topic '%s' (all, http, run, store, build or auth)",
					 word + off);
		mask = off ? mask & ~bits : mask | bits;
	}
	trace_mask = mask;
	return 0;
}

bool trace_is_on(enum trace_topic topic)
{
	return (trace_mask & topic) != 0;
}

/* A failing stderr is nobody's error. Keeps errno, so that a message between a call and its error changes nothing. */
static void write_line(const char *prefix, const char *fmt, va_list args)
{
	int saved = errno;
	cleanup(buf_done) struct buf line = BUF_INIT(LOG_LINE_MAX);

	buf_append_str(&line, prefix);
	buf_vprintf(&line, fmt, args);
	/* Names and labels come from images and servers. */
	terminal_disarm(line.data, line.len);
	if (line.overflow)
		line.data[line.len - 1] = '\n';
	else
		buf_append_char(&line, '\n');
	for (size_t at = 0; at < line.len;) {
		ssize_t done = write(STDERR_FILENO, line.data + at, line.len - at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			break;
		at += (size_t)done;
	}
	errno = saved;
}

void log_warn(const char *fmt, ...)
{
	va_list args;

	if (current_level < LOG_WARN)
		return;
	va_start(args, fmt);
	write_line("cooper: warning: ", fmt, args);
	va_end(args);
}

void log_info(const char *fmt, ...)
{
	va_list args;

	if (current_level < LOG_INFO)
		return;
	va_start(args, fmt);
	write_line("", fmt, args);
	va_end(args);
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	if (current_level < LOG_DEBUG)
		return;
	va_start(args, fmt);
	write_line("debug: ", fmt, args);
	va_end(args);
}

void trace_print(enum trace_topic topic, const char *fmt, ...)
{
	const char *name = "trace";
	va_list args;

	for (size_t i = 0; i < ARRAY_COUNT(topic_names); i++) {
		if (topic_names[i].topic == topic)
			name = topic_names[i].name;
	}
	cleanup_free char *prefix = mem_printf("%s: ", name);
	va_start(args, fmt);
	write_line(prefix, fmt, args);
	va_end(args);
}

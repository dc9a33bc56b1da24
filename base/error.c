/*
 * Errors for people: a code and one message, built up on the way from who detected it to who reports it.
 */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/terminal.h"

/* A message quotes foreign text (names, answers of servers); past this it is cut, so that it stays readable. */
#define ERROR_MESSAGE_MAX ((size_t)8 << 10)

struct error {
	int code;
	char *message;
};

/* The code of this thread's last failure: where err is NULL there is nothing else that could carry it from error_set()
 * up to error_prefix(). One of the few variables that outlive a call (CONTRIBUTING.md); no
 * function reads it but the two that come right behind a failure. */
static _Thread_local int last_code = EIO;

/* Cuts at a character, not inside of one. */
static void cut_message(char *message)
{
	static const char mark[] = "...";
	size_t end = ERROR_MESSAGE_MAX;

	if (strnlen(message, ERROR_MESSAGE_MAX + 1) <= ERROR_MESSAGE_MAX)
		return;
	end -= sizeof(mark) - 1;
	while (end > 0 && ((unsigned char)message[end] & 0xc0) == 0x80)
		end--;
	memcpy(message + end, mark, sizeof(mark));
}

/* Takes `message`. What *err held before is replaced: the last one who set it knew what he did. */
static int set_message(struct error **err, int code, char *message)
{
	assert(code > 0);
	cut_message(message);
	terminal_disarm(message, strlen(message));
	error_clear(err);
	*err = mem_alloc(sizeof(**err));
	(*err)->code = code;
	(*err)->message = message;
	return -code;
}

int error_set(struct error **err, int code, const char *fmt, ...)
{
	va_list args;

	assert(code > 0);
	last_code = code;
	if (!err)
		return -code;
	va_start(args, fmt);
	char *message = mem_vprintf(fmt, args);
	va_end(args);
	return set_message(err, code, message);
}

/* The C library's words, which begin with a capital, as a part of a sentence: "no such file or directory", "RPC …". */
static char *reason(int code)
{
	char *text = mem_strdup(strerror(code));

	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
	return text;
}

int error_set_errno(struct error **err, const char *fmt, ...)
{
	int code = errno;
	va_list args;

	/* A call that failed without saying why must still look like a failure to who branches on the result. */
	if (code <= 0)
		code = EIO;
	last_code = code;
	if (!err)
		return -code;
	va_start(args, fmt);
	cleanup_free char *what = mem_vprintf(fmt, args);
	va_end(args);
	cleanup_free char *why = reason(code);
	return set_message(err, code, mem_printf("%s: %s", what, why));
}

/* What is returned for a failure that left no text to add to. */
static int code_unset(struct error *const *err)
{
	return err ? -EIO : -last_code;
}

int error_prefix(struct error **err, const char *fmt, ...)
{
	va_list args;

	if (!err || !*err)
		return code_unset(err);
	va_start(args, fmt);
	cleanup_free char *prefix = mem_vprintf(fmt, args);
	va_end(args);
	return set_message(err, (*err)->code, mem_printf("%s: %s", prefix, (*err)->message));
}

int error_hint(struct error **err, const char *fmt, ...)
{
	va_list args;

	if (!err || !*err)
		return code_unset(err);
	va_start(args, fmt);
	cleanup_free char *hint = mem_vprintf(fmt, args);
	va_end(args);
	return set_message(err, (*err)->code, mem_printf("%s (%s)", (*err)->message, hint));
}

const char *error_message(const struct error *err)
{
	return err ? err->message : "unknown error";
}

int error_code(const struct error *err)
{
	return err ? err->code : 0;
}

void error_free(struct error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err);
}

void error_clear(struct error **err)
{
	if (!err)
		return;
	error_free(*err);
	*err = NULL;
}

/*
 * Memory that cannot fail: the one place where cooper ends without going back through its callers.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No stdio and no exit handlers: both may allocate. */
static _Noreturn void out_of_memory(void)
{
	static const char line[] = "cooper: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);

	(void)ignored;
	_exit(125);
}

void *mem_alloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		out_of_memory();
	return memory;
}

void *mem_grow(void *ptr, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	/* realloc(ptr, 0) frees in glibc; an empty array is still an array here. */
	void *memory = realloc(ptr, bytes ? bytes : 1);
	if (!memory)
		out_of_memory();
	return memory;
}

void *mem_dup(const void *data, size_t size)
{
	if (!data)
		return NULL;
	void *copy = mem_grow(NULL, size, 1);
	memcpy(copy, data, size);
	return copy;
}

char *mem_strndup(const char *text, size_t len)
{
	if (!text)
		return NULL;
	size_t used = strnlen(text, len);
	if (used == SIZE_MAX)
		out_of_memory();
	char *copy = mem_grow(NULL, used + 1, 1);
	memcpy(copy, text, used);
	copy[used] = '\0';
	return copy;
}

char *mem_strdup(const char *text)
{
	return text ? mem_dup(text, strlen(text) + 1) : NULL;
}

char *mem_vprintf(const char *fmt, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0)
		out_of_memory();
	return text;
}

char *mem_printf(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	char *text = mem_vprintf(fmt, args);
	va_end(args);
	return text;
}

void mem_replace(char **slot, const char *text)
{
	/* Copied first: text may be a part of what *slot holds. */
	char *copy = mem_strdup(text);

	free(*slot);
	*slot = copy;
}

void mem_wipe(void *data, size_t size)
{
	if (data)
		explicit_bzero(data, size);
}

void mem_free_secret(char **secret)
{
	if (*secret)
		mem_wipe(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void mem_free_cleanup(void *slot)
{
	void *memory;

	memcpy(&memory, slot, sizeof(memory));
	free(memory);
}

/*
 * Growing byte buffers with a limit.
 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_FIRST 64

void buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

/* As it was before the first byte. */
static void make_empty(struct buf *b)
{
	*b = (struct buf){.max = b->max, .secret = b->secret};
}

void buf_done(struct buf *b)
{
	if (b->secret)
		mem_wipe(b->data, b->cap);
	free(b->data);
	make_empty(b);
}

void buf_wipe(struct buf *b)
{
	mem_wipe(b->data, b->cap);
	b->len = 0;
	b->overflow = false;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->data)
		b->data[0] = '\0';
}

static void grow(struct buf *b, size_t cap)
{
	if (!b->secret) {
		b->data = mem_grow(b->data, cap, 1);
	} else {
		/* realloc(3) may move the bytes and leave the old ones in freed memory. */
		char *data = mem_grow(NULL, cap, 1);
		if (b->data)
			memcpy(data, b->data, b->len + 1);
		mem_wipe(b->data, b->cap);
		free(b->data);
		b->data = data;
	}
	b->cap = cap;
}

/* Makes room for `more` bytes and the NUL. Doubling past SIZE_MAX ends in mem_grow(), as every impossible size does. */
static void reserve(struct buf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->cap)
		return;
	size_t cap = b->cap ? b->cap : BUF_CAP_FIRST;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
	grow(b, cap);
}

/* What still fits is kept, so that the beginning of a long output can be shown. */
void buf_append(struct buf *b, const void *data, size_t len)
{
	if (len > b->max - b->len) {
		b->overflow = true;
		len = b->max - b->len;
	}
	if (len == 0)
		return;
	reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_append_str(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_append_char(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

/* Formats behind the bytes that are there, with no text in between. */
static void print_in_place(struct buf *b, const char *fmt, va_list args)
{
	va_list again;

	va_copy(again, args);
	int len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(len >= 0); /* only a character that the locale does not have, or INT_MAX bytes, fails */
	size_t more = (size_t)len;
	if (more > b->max - b->len) {
		b->overflow = true;
		more = b->max - b->len;
	}
	reserve(b, more);
	vsnprintf(b->data + b->len, more + 1, fmt, args);
	b->len += more;
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
	if (b->secret) {
		print_in_place(b, fmt, args);
		return;
	}
	cleanup_free char *text = mem_vprintf(fmt, args);
	buf_append_str(b, text);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vprintf(b, fmt, args);
	va_end(args);
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	char *text = b->data ? b->data : mem_alloc(1);

	make_empty(b);
	return text;
}

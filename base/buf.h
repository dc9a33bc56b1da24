/*
 * A growing byte buffer with a limit, always NUL-terminated behind its length.
 *
 *	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
 *	buf_printf(&text, "%s=%s", key, value);
 *
 * Appending past the limit sets `overflow` and drops the bytes; whoever fills it from outside checks that once, at the
 * end.
 *
 * A buffer made by BUF_SECRET() leaves no copy of its bytes behind: not when it grows, is printed into, filled by the
 * functions of base/, wiped or done with.
 */
#ifndef COOPER_BASE_BUF_H
#define COOPER_BASE_BUF_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct buf {
	char *data; /* NULL while empty */
	size_t len;
	size_t cap;
	size_t max; /* most bytes it may hold */
	bool overflow;
	bool secret;
};

#define BUF_MAX_DEFAULT ((size_t)64 << 20)
#define BUF_INIT(limit) ((struct buf){.max = (limit)})
#define BUF_SECRET(limit) ((struct buf){.max = (limit), .secret = true})

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
CLEANUP_FOR_VALUE(struct buf, buf_done)
/* Overwrites the contents (a secret) and empties the buffer. */
void buf_wipe(struct buf *b);
void buf_clear(struct buf *b);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_str(struct buf *b, const char *text);
void buf_append_char(struct buf *b, char c);
/* The arguments of a secret buffer's printf must not point into the buffer itself. */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
/* The text so far; "" while empty. Valid until the next change. */
const char *buf_str(const struct buf *b);
/* Hands the bytes over as a string (never NULL) and leaves an empty buffer. A secret is the new owner's to wipe. */
MUST_CHECK char *buf_take(struct buf *b);

#endif

/*
 * What went wrong, for a person. The int that a function returns is to branch on, the struct error is to read.
 *
 *	int image_load(..., struct error **err)
 *	{
 *		int rc = blob_read(..., err);
 *		if (rc < 0)
 *			return error_prefix(err, "image '%s'", name);
 *		if (!found)
 *			return error_set(err, ENOENT, "no image named '%s'", name);
 *	}
 *
 * `err` may be NULL everywhere: the caller then only branches. *err is NULL before a call and set at most once on the
 * way up; a caller that survives a failure frees it (or passes NULL) and says in a comment why.
 */
#ifndef COOPER_BASE_ERROR_H
#define COOPER_BASE_ERROR_H

#include "base/mem.h"

struct error;

/* Sets *err and returns -code. `code` is a positive errno value; the text is "what, why", lower case, no full stop. */
int error_set(struct error **err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same, with ": <strerror(errno)>" appended and -errno returned. Reads errno before anything else. */
int error_set_errno(struct error **err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts "text: " before the message of *err and returns its code, negative. When err is NULL, it returns the code that
 * error_set() or error_set_errno() returned last in this thread: so that `return error_prefix(err, …)` right behind a
 * failure gives the same code to who only branches (a clean-up that fails in between would change it). -EIO when err is
 * not NULL but nothing was set. */
int error_prefix(struct error **err, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Appends the way out: " (hint)". Returns as error_prefix(). */
int error_hint(struct error **err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Never NULL; "unknown error" for NULL. Valid until the error is freed or prefixed. */
const char *error_message(const struct error *err);
/* The positive errno value it was set with; 0 for NULL. */
int error_code(const struct error *err);
void error_free(struct error *err);
/* Frees *err and makes it NULL: for a failure that is handled here. */
void error_clear(struct error **err);
CLEANUP_FOR(struct error, error_free)
#define cleanup_error cleanup(error_free)

#endif

/*
 * Memory that cannot fail, and ownership that the compiler ends.
 *
 * Every mem_ function returns valid memory or ends the process with one line on stderr (exit 125): cooper has no way
 * to go on without memory and no state that an exit leaves half-written. So a size from outside is checked against a
 * named limit before it is allocated.
 *
 *	cleanup_free char *name = mem_strdup(arg);
 *	...
 *	return take_ptr(&name);
 */
#ifndef COOPER_BASE_MEM_H
#define COOPER_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Declares an owning local: destroy(&variable) runs when it goes out of scope. */
#define cleanup(destroy) __attribute__((__cleanup__(destroy##_cleanup)))
#define cleanup_free __attribute__((__cleanup__(mem_free_cleanup)))

/* Makes `destroy`, a function that takes the pointer itself, usable in cleanup(). One line after the prototype. */
#define CLEANUP_FOR(type, destroy)                         \
	static inline void destroy##_cleanup(type **owned) \
	{                                                  \
		if (*owned)                                \
			destroy(*owned);                   \
	}

/* The same for a struct held by value, whose destructor takes its address. */
#define CLEANUP_FOR_VALUE(type, destroy)                  \
	static inline void destroy##_cleanup(type *owned) \
	{                                                 \
		destroy(owned);                           \
	}

/* Hands an owned pointer on: yields its value and leaves NULL behind. */
#define take_ptr(p)                         \
	({                                  \
		typeof(*(p)) taken_ = *(p); \
		*(p) = NULL;                \
		taken_;                     \
	})

/* Zeroed memory. A size of 0 gives a valid pointer. */
MUST_CHECK void *mem_alloc(size_t size);
/* Resizes an array to count elements; the product is checked for overflow, new bytes are not zeroed. */
MUST_CHECK void *mem_grow(void *ptr, size_t count, size_t size);
/* Copies; NULL stays NULL. */
MUST_CHECK char *mem_strdup(const char *text);
MUST_CHECK char *mem_strndup(const char *text, size_t len);
MUST_CHECK void *mem_dup(const void *data, size_t size);
MUST_CHECK char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
MUST_CHECK char *mem_vprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0);
/* Frees *slot and puts a copy of text (NULL allowed) there. */
void mem_replace(char **slot, const char *text);
/* Overwrites secrets so that the compiler cannot drop the stores. */
void mem_wipe(void *data, size_t size);
/* Wipes and frees the string in *secret and leaves NULL. */
void mem_free_secret(char **secret);
void mem_free_cleanup(void *slot);

#endif

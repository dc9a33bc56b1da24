/*
 * libmd's SHA-256, loaded when it is first used.
 */
#include "imagefmt/sha256.h"

#include <pthread.h>

#include "base/library.h"
#include "base/log.h"

#define FUNCTIONS(X)    \
	X(SHA256Init)   \
	X(SHA256Update) \
	X(SHA256Final)

/* Loaded once and constant from then on. */
static struct {
	FUNCTIONS(LIBRARY_MEMBER)
} libmd;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
	static const char *const symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
	cleanup_error struct error *err = NULL;

	if (library_load("libmd.so.0", symbols, ARRAY_COUNT(symbols), &libmd, &err) < 0)
		log_debug("%s, hashing by libcrypto alone", error_message(err));
}

bool sha256_is_available(void)
{
	pthread_once(&once, load);
	return libmd.SHA256Init != NULL;
}

void sha256_init(struct sha256 *sum)
{
	libmd.SHA256Init(&sum->context);
}

void sha256_update(struct sha256 *sum, const void *data, size_t size)
{
	libmd.SHA256Update(&sum->context, data, size);
}

void sha256_finish(const struct sha256 *sum, uint8_t digest[32])
{
	struct sha256 last = *sum; /* finishing changes it */

	libmd.SHA256Final(digest, &last.context);
}

void sha256_small(const void *data, size_t size, uint8_t digest[32])
{
	struct sha256 sum;

	sha256_init(&sum);
	sha256_update(&sum, data, size);
	sha256_finish(&sum, digest);
}

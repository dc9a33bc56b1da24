/*
 * The door to libcrypto for keys and signatures. (Hashing has its own, in imagefmt/digest.c.)
 */
#include "registry/crypto.h"

/* Loaded once and constant from then on; who signs and verifies has one thread. */
static struct crypto_library library;

int crypto_load(const struct crypto_library **crypto, struct error **err)
{
	static const char *const symbols[] = {CRYPTO_FUNCTIONS(LIBRARY_SYMBOL)};
	int rc = library_load("libcrypto.so.3", symbols, ARRAY_COUNT(symbols), &library, err);

	if (rc == 0)
		*crypto = &library;
	return rc;
}

/*
 * Digests and hashing. libcrypto's EVP functions pick SHA-NI and its kin; fetching an algorithm costs more than hashing
 * a manifest (reference format.md, section 1), so both are fetched once for the process and contexts are reused.
 */
#include "imagefmt/digest.h"

#include <errno.h>
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/library.h"
#include "base/parse.h"
#include "imagefmt/sha256.h"

#define FUNCTIONS(X)          \
	X(EVP_MD_fetch)       \
	X(EVP_MD_free)        \
	X(EVP_MD_CTX_new)     \
	X(EVP_MD_CTX_free)    \
	X(EVP_DigestInit_ex2) \
	X(EVP_DigestUpdate)   \
	X(EVP_DigestFinal_ex)

struct crypto_library {
	FUNCTIONS(LIBRARY_MEMBER)
};

struct algorithm {
	const char *name; /* as digests write it */
	const char *openssl_name;
	size_t size; /* of the digest in bytes */
};

static const struct algorithm algorithms[] = {
	[DIGEST_SHA256] = {"sha256", "SHA256", 32},
	[DIGEST_SHA512] = {"sha512", "SHA512", 64},
};

/* The library, loaded once and constant from then on. Threads of the data path make hashers too, hence the mutex. */
static struct {
	pthread_mutex_t mutex;
	struct crypto_library library;
	EVP_MD *methods[ARRAY_COUNT(algorithms)];
} crypto = {.mutex = PTHREAD_MUTEX_INITIALIZER};

int digest_parse(const char *text, struct digest *digest, struct error **err)
{
	for (size_t i = 0; i < ARRAY_COUNT(algorithms); i++) {
		const struct algorithm *a = &algorithms[i];
		size_t name_len = strlen(a->name);
		if (strncmp(text, a->name, name_len) != 0 || text[name_len] != ':')
			continue;

		const char *hex = text + name_len + 1;
		struct digest parsed = {.algorithm = i};
		if (parse_hex(hex, strlen(hex), parsed.bytes, a->size) < 0)
			return error_set(err, EINVAL, "digest '%.150s': not %zu lower-case hex digits after '%s:'",
					 text, 2 * a->size, a->name);
		if (strspn(hex, "0") == 2 * a->size)
			return error_set(err, EINVAL, "digest '%.150s': all zeros is the digest of nothing", text);
		*digest = parsed;
		return 0;
	}
	return error_set(err, EINVAL, "digest '%.150s': not of the form sha256:<hex> or sha512:<hex>", text);
}

const char *digest_format(const struct digest *digest, char text[DIGEST_TEXT_SIZE])
{
	const struct algorithm *a = &algorithms[digest->algorithm];
	size_t name_len = strlen(a->name);
	memcpy(text, a->name, name_len);
	text[name_len] = ':';
	format_hex(digest->bytes, a->size, text + name_len + 1);
	return text;
}

const char *digest_hex(const struct digest *digest, char text[DIGEST_HEX_SIZE])
{
	format_hex(digest->bytes, algorithms[digest->algorithm].size, text);
	return text;
}

const char *digest_algorithm_name(enum digest_algorithm algorithm)
{
	return algorithms[algorithm].name;
}

int digest_compare(const struct digest *a, const struct digest *b)
{
	if (a->algorithm != b->algorithm)
		return a->algorithm < b->algorithm ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return digest_compare(a, b) == 0;
}

bool digest_is_null(const struct digest *digest)
{
	static const struct digest null_digest;
	return digest_equal(digest, &null_digest);
}

/* ---- Hashing -------------------------------------------------------------------------------------------------- */

struct hasher {
	enum digest_algorithm algorithm;
	EVP_MD_CTX *context;
};

static int load_method_locked(enum digest_algorithm algorithm, struct error **err)
{
	static const char *const symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};
	if (!crypto.library.EVP_MD_fetch) {
		struct crypto_library loaded = {0}; /* library_load() fills an empty table */
		int rc = library_load("libcrypto.so.3", symbols, ARRAY_COUNT(symbols), &loaded, err);
		if (rc < 0)
			return rc;
		crypto.library = loaded;
	}
	if (!crypto.methods[algorithm]) {
		const char *name = algorithms[algorithm].openssl_name;
		crypto.methods[algorithm] = crypto.library.EVP_MD_fetch(/* library context */ NULL, name,
									/* properties */ NULL);
		if (!crypto.methods[algorithm])
			return error_set(err, ENOTSUP, "libcrypto offers no %s", name);
	}
	return 0;
}

static int load_method(enum digest_algorithm algorithm, struct error **err)
{
	pthread_mutex_lock(&crypto.mutex);
	int rc = load_method_locked(algorithm, err);
	pthread_mutex_unlock(&crypto.mutex);
	return rc;
}

int hasher_new(enum digest_algorithm algorithm, struct hasher **hasher, struct error **err)
{
	int rc = load_method(algorithm, err);
	if (rc < 0)
		return rc;
	cleanup(hasher_free) struct hasher *made = mem_alloc(sizeof(*made));
	made->algorithm = algorithm;
	made->context = crypto.library.EVP_MD_CTX_new();
	if (!made->context)
		return error_set(err, ENOMEM, "libcrypto gives no context for hashing");
	hasher_reset(made);
	*hasher = take_ptr(&made);
	return 0;
}

/* With a fetched method and valid arguments these calls have no way to fail; if one does, a digest would be wrong. */
void hasher_update(struct hasher *hasher, const void *data, size_t size)
{
	int ok = crypto.library.EVP_DigestUpdate(hasher->context, data, size);
	assert(ok == 1);
}

void hasher_finish(struct hasher *hasher, struct digest *digest)
{
	struct digest result = {.algorithm = hasher->algorithm};
	unsigned size = 0;
	int ok = crypto.library.EVP_DigestFinal_ex(hasher->context, result.bytes, &size);
	assert(ok == 1 && size == algorithms[hasher->algorithm].size);
	*digest = result;
}

void hasher_reset(struct hasher *hasher)
{
	int ok = crypto.library.EVP_DigestInit_ex2(hasher->context, crypto.methods[hasher->algorithm],
						   /* parameters */ NULL);
	assert(ok == 1);
}

void hasher_free(struct hasher *hasher)
{
	if (!hasher)
		return;
	if (hasher->context)
		crypto.library.EVP_MD_CTX_free(hasher->context);
	free(hasher);
}

int digest_of(const void *data, size_t size, struct digest *digest, struct error **err)
{
	return digest_of_as(DIGEST_SHA256, data, size, digest, err);
}

int digest_of_as(enum digest_algorithm algorithm, const void *data, size_t size, struct digest *digest,
		 struct error **err)
{
	if (algorithm == DIGEST_SHA256 && size <= SHA256_SMALL_MAX) {
		struct digest small = {.algorithm = DIGEST_SHA256};
		sha256_small(data, size, small.bytes);
		*digest = small;
		return 0;
	}
	cleanup(hasher_free) struct hasher *hasher = NULL;
	int rc = hasher_new(algorithm, &hasher, err);
	if (rc < 0)
		return rc;
	hasher_update(hasher, data, size);
	hasher_finish(hasher, digest);
	return 0;
}

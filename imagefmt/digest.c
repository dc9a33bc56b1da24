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

#include "base/buf.h"
#include "base/library.h"
#include "base/log.h"
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
	size_t early; /* bytes that were hashed without it */
} crypto = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* How much of a text that is no digest a message quotes: it may come from a registry, and a line that it begins would
 * be taken for a command by some CI. */
static int quoted_len(const char *text)
{
	int len = 0;

	while (len < 150 && text[len] > ' ' && text[len] < 0x7f)
		len++;
	return len;
}

int digest_parse(const char *text, struct digest *digest, struct error **err)
{
	int quoted = quoted_len(text);

	for (size_t i = 0; i < ARRAY_COUNT(algorithms); i++) {
		const struct algorithm *a = &algorithms[i];
		size_t name_len = strlen(a->name);
		if (strncmp(text, a->name, name_len) != 0 || text[name_len] != ':')
			continue;

		const char *hex = text + name_len + 1;
		struct digest parsed = {.algorithm = i};
		if (parse_hex(hex, strlen(hex), parsed.bytes, a->size) < 0)
			return error_set(err, EINVAL, "digest '%.*s': not %zu lower-case hex digits after '%s:'",
					 quoted, text, 2 * a->size, a->name);
		if (strspn(hex, "0") == 2 * a->size)
			return error_set(err, EINVAL, "digest '%.*s': all zeros is the digest of nothing", quoted,
					 text);
		*digest = parsed;
		return 0;
	}
	return error_set(err, EINVAL, "digest '%.*s': not of the form sha256:<hex> or sha512:<hex>", quoted, text);
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

/* ---- Hashing ---- */

/* A SHA-256 begins without libcrypto, whose loading costs more than a few KiB: the layer of a small change, a small
 * blob. What has come so far is kept, and hashed again by the library when it becomes worth it. */
struct hasher {
	enum digest_algorithm algorithm;
	EVP_MD_CTX *context; /* NULL: not yet */
	struct buf early;    /* what has come, until there is a context, or it is clear that there will be none */
	struct sha256 own;   /* the sum of that */
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

static int open_context(struct hasher *hasher, struct error **err)
{
	int rc = load_method(hasher->algorithm, err);
	if (rc < 0)
		return rc;
	hasher->context = crypto.library.EVP_MD_CTX_new();
	return hasher->context ? 0 : error_set(err, ENOMEM, "libcrypto gives no context for hashing");
}

/* Many small inputs are as good a reason to load the library as a large one. */
static bool is_worth_loading(size_t size)
{
	pthread_mutex_lock(&crypto.mutex);
	crypto.early += size;
	bool worth = crypto.early > SHA256_EARLY_MAX;
	pthread_mutex_unlock(&crypto.mutex);
	return worth;
}

int hasher_new(enum digest_algorithm algorithm, struct hasher **hasher, struct error **err)
{
	cleanup(hasher_free) struct hasher *made = mem_alloc(sizeof(*made));
	made->algorithm = algorithm;
	buf_init(&made->early, SHA256_EARLY_MAX);
	bool starts_small = algorithm == DIGEST_SHA256 && !is_worth_loading(0) && sha256_is_available();
	int rc = starts_small ? 0 : open_context(made, err);
	if (rc < 0)
		return rc;
	hasher_reset(made);
	*hasher = take_ptr(&made);
	return 0;
}

/* With a fetched method and valid arguments these calls have no way to fail; if one does, a digest would be wrong. */
static void update_context(struct hasher *hasher, const void *data, size_t size)
{
	int ok = crypto.library.EVP_DigestUpdate(hasher->context, data, size);
	assert(ok == 1);
}

/* The library takes over, with all that has come. Where it cannot be loaded we go on as we began: slower, but right. */
static void hand_over(struct hasher *hasher)
{
	if (open_context(hasher, NULL) == 0) {
		struct buf early = hasher->early;
		buf_init(&hasher->early, SHA256_EARLY_MAX);
		hasher_reset(hasher);
		update_context(hasher, buf_str(&early), early.len);
		buf_done(&early);
	} else {
		log_debug("hashing without libcrypto, which cannot be loaded");
		hasher->early.overflow = true;
	}
}

void hasher_update(struct hasher *hasher, const void *data, size_t size)
{
	if (!hasher->context && !hasher->early.overflow &&
	    (size > SHA256_EARLY_MAX - hasher->early.len || is_worth_loading(size)))
		hand_over(hasher);
	if (hasher->context) {
		update_context(hasher, data, size);
		return;
	}
	if (!hasher->early.overflow)
		buf_append(&hasher->early, data, size);
	sha256_update(&hasher->own, data, size);
}

void hasher_finish(struct hasher *hasher, struct digest *digest)
{
	struct digest result = {.algorithm = hasher->algorithm};
	if (hasher->context) {
		unsigned size = 0;
		int ok = crypto.library.EVP_DigestFinal_ex(hasher->context, result.bytes, &size);
		assert(ok == 1 && size == algorithms[hasher->algorithm].size);
	} else {
		sha256_finish(&hasher->own, result.bytes);
	}
	*digest = result;
}

void hasher_reset(struct hasher *hasher)
{
	buf_clear(&hasher->early);
	if (!hasher->context) {
		sha256_init(&hasher->own);
		return;
	}
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
	buf_done(&hasher->early);
	free(hasher);
}

int digest_of(const void *data, size_t size, struct digest *digest, struct error **err)
{
	return digest_of_as(DIGEST_SHA256, data, size, digest, err);
}

int digest_of_as(enum digest_algorithm algorithm, const void *data, size_t size, struct digest *digest,
		 struct error **err)
{
	if (algorithm == DIGEST_SHA256 && size <= SHA256_SMALL_MAX && sha256_is_available() &&
	    !is_worth_loading(size)) {
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

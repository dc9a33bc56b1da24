/*
 * Keys through libcrypto: PEM in, signatures out. What it reports of its own errors is not for people ("bad decrypt"),
 * so the messages here say which file and what was expected.
 */
#include "registry/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/parse.h"
#include "imagefmt/digest.h"
#include "registry/crypto.h"
#include "registry/keys_cosign.h"

/* OWASP's password storage parameters for scrypt at 16 MiB: libcrypto refuses to read PBES2 files that need over 32. */
#define SCRYPT_N (1 << 14)
#define SCRYPT_R 8
#define SCRYPT_P 5
#define SCRYPT_SALT_SIZE 16
#define RSA_BITS_MIN 2048

struct signing_key {
	EVP_PKEY *pair;
};

struct public_key {
	EVP_PKEY *half;
};

/* What PEM's passphrase callback is given, and what it has to tell. */
struct question {
	const struct buf *passphrase;
	bool asked;
};

static const struct crypto_library *crypto; /* set by the doors below before anything else */

/* ---- reading ---- */

static bool can_sign(EVP_PKEY *key)
{
	switch (crypto->EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_EC:
	case EVP_PKEY_ED25519:
		return true;
	case EVP_PKEY_RSA:
		return crypto->EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
	default:
		return false;
	}
}

static int check_kind(EVP_PKEY *key, const char *what, struct error **err)
{
	return can_sign(key) ? 0
			     : error_set(err, EINVAL,
					 "%s: not a key of a kind that is used here (ECDSA, Ed25519, or RSA of 2048 "
					 "bits and more)",
					 what);
}

static int answer_passphrase(char *text, int size, int writing, void *context)
{
	struct question *question = context;

	question->asked = true;
	if (!question->passphrase || question->passphrase->len > (size_t)size)
		return -1;
	memcpy(text, buf_str(question->passphrase), question->passphrase->len);
	return (int)question->passphrase->len;
}

static EVP_PKEY *key_of_der(const struct buf *der)
{
	const unsigned char *at = (const unsigned char *)der->data;
	PKCS8_PRIV_KEY_INFO *info = crypto->d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der->len);
	EVP_PKEY *key = info ? crypto->EVP_PKCS82PKEY(info) : NULL;

	crypto->PKCS8_PRIV_KEY_INFO_free(info);
	return key;
}

static int parse_cosign(const void *json, size_t size, const char *what, const struct buf *passphrase, EVP_PKEY **key,
			struct error **err)
{
	cleanup(buf_done) struct buf der = BUF_SECRET(KEY_FILE_SIZE_MAX);

	if (!passphrase)
		return error_set(err, ENOKEY, "%s: encrypted, and no passphrase is known", what);
	int rc = cosign_key_decrypt(json, size, what, passphrase, &der, err);
	if (rc < 0)
		return rc;
	*key = key_of_der(&der);
	return *key ? 0 : error_set(err, EINVAL, "%s: what was encrypted is no PKCS#8 key", what);
}

/* True when the text was one of cosign's; *rc is then the result. */
static bool try_cosign(const struct buf *text, const char *what, const struct buf *passphrase, EVP_PKEY **key, int *rc,
		       struct error **err)
{
	BIO *bio = crypto->BIO_new_mem_buf(buf_str(text), (int)text->len);
	char *label = NULL;
	char *header = NULL;
	unsigned char *data = NULL;
	long size = 0;
	bool ours = false;

	if (bio && crypto->PEM_read_bio(bio, &label, &header, &data, &size) && cosign_key_is_label(label)) {
		ours = true;
		*rc = parse_cosign(data, (size_t)size, what, passphrase, key, err);
	}
	crypto->CRYPTO_free(label, __FILE__, __LINE__);
	crypto->CRYPTO_free(header, __FILE__, __LINE__);
	crypto->CRYPTO_clear_free(data, size > 0 ? (size_t)size : 0, __FILE__, __LINE__);
	crypto->BIO_free(bio);
	return ours;
}

static int parse_pem(const struct buf *text, const char *what, const struct buf *passphrase, EVP_PKEY **key,
		     struct error **err)
{
	struct question question = {.passphrase = passphrase};
	BIO *bio = crypto->BIO_new_mem_buf(buf_str(text), (int)text->len);

	*key = bio ? crypto->PEM_read_bio_PrivateKey(bio, NULL, answer_passphrase, &question) : NULL;
	crypto->BIO_free(bio);
	crypto->ERR_clear_error();
	if (*key)
		return 0;
	if (question.asked && !passphrase)
		return error_set(err, ENOKEY, "%s: encrypted, and no passphrase is known", what);
	if (question.asked)
		return error_set(err, EACCES, "%s: wrong passphrase", what);
	return error_set(err, EINVAL, "%s: not a private key in PEM form", what);
}

int signing_key_parse(const struct buf *text, const char *what, const struct buf *passphrase, struct signing_key **key,
		      struct error **err)
{
	cleanup(signing_key_free) struct signing_key *made = mem_alloc(sizeof(*made));
	int rc = crypto_load(&crypto, err);

	if (rc < 0)
		return rc;
	if (!try_cosign(text, what, passphrase, &made->pair, &rc, err))
		rc = parse_pem(text, what, passphrase, &made->pair, err);
	crypto->ERR_clear_error();
	if (rc == 0)
		rc = check_kind(made->pair, what, err);
	if (rc == 0)
		*key = take_ptr(&made);
	return rc;
}

int signing_key_load(const char *path, const struct buf *passphrase, struct signing_key **key, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_SECRET(KEY_FILE_SIZE_MAX);
	int rc = fd_read_user_file(path, &text, err);

	return rc < 0 ? rc : signing_key_parse(&text, path, passphrase, key, err);
}

int public_key_parse(const void *text, size_t size, const char *what, struct public_key **key, struct error **err)
{
	cleanup(public_key_free) struct public_key *made = mem_alloc(sizeof(*made));
	int rc = crypto_load(&crypto, err);

	if (rc < 0)
		return rc;
	BIO *bio = size <= KEY_FILE_SIZE_MAX ? crypto->BIO_new_mem_buf(size ? text : "", (int)size) : NULL;
	made->half = bio ? crypto->PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	crypto->BIO_free(bio);
	crypto->ERR_clear_error();
	if (!made->half)
		return error_set(err, EINVAL, "%s: not a public key in PEM form", what);
	rc = check_kind(made->half, what, err);
	if (rc == 0)
		*key = take_ptr(&made);
	return rc;
}

int public_key_load(const char *path, struct public_key **key, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(KEY_FILE_SIZE_MAX);
	int rc = fd_read_user_file(path, &text, err);

	return rc < 0 ? rc : public_key_parse(buf_str(&text), text.len, path, key, err);
}

/* ---- writing ---- */

int signing_key_generate(struct signing_key **key, struct error **err)
{
	cleanup(signing_key_free) struct signing_key *made = mem_alloc(sizeof(*made));
	int rc = crypto_load(&crypto, err);

	if (rc < 0)
		return rc;
	made->pair = crypto->EVP_PKEY_Q_keygen(/* library context */ NULL, /* properties */ NULL, "EC", "P-256");
	if (!made->pair)
		return error_set(err, EIO, "libcrypto makes no key on P-256");
	*key = take_ptr(&made);
	return 0;
}

/* Appends what a memory BIO holds, and frees it. */
static void drain(BIO *bio, struct buf *into)
{
	char *data = NULL;
	long size = crypto->BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data);

	if (size > 0) {
		buf_append(into, data, (size_t)size);
		mem_wipe(data, (size_t)size);
	}
	crypto->BIO_free(bio);
}

/* PKCS#8 in PBES2 (RFC 8018) with scrypt (RFC 7914) and AES-256-CBC. */
static X509_SIG *encrypt(EVP_PKEY *pair, const struct buf *passphrase)
{
	unsigned char salt[SCRYPT_SALT_SIZE];
	PKCS8_PRIV_KEY_INFO *info = crypto->EVP_PKEY2PKCS8(pair);
	X509_ALGOR *scheme = NULL;
	X509_SIG *sealed = NULL;

	if (info && crypto->RAND_bytes(salt, sizeof(salt)) == 1)
		scheme = crypto->PKCS5_pbe2_set_scrypt(crypto->EVP_aes_256_cbc(), salt, sizeof(salt),
						       /* iv: random */ NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	if (scheme)
		sealed = crypto->PKCS8_set0_pbe(buf_str(passphrase), (int)passphrase->len, info, scheme);
	if (scheme && !sealed)
		crypto->X509_ALGOR_free(scheme);
	crypto->PKCS8_PRIV_KEY_INFO_free(info);
	return sealed;
}

int signing_key_format(const struct signing_key *key, const struct buf *passphrase, struct buf *pem, struct error **err)
{
	X509_SIG *sealed = encrypt(key->pair, passphrase);
	BIO *bio = sealed ? crypto->BIO_new(crypto->BIO_s_mem()) : NULL;
	int ok = bio && crypto->PEM_write_bio_PKCS8(bio, sealed);

	crypto->X509_SIG_free(sealed);
	if (bio)
		drain(bio, pem);
	crypto->ERR_clear_error();
	return ok ? 0 : error_set(err, EIO, "libcrypto does not encrypt the key");
}

int public_key_format(const struct public_key *key, struct buf *pem, struct error **err)
{
	BIO *bio = crypto->BIO_new(crypto->BIO_s_mem());
	int ok = bio && crypto->PEM_write_bio_PUBKEY(bio, key->half);

	if (bio)
		drain(bio, pem);
	return ok ? 0 : error_set(err, EIO, "libcrypto does not write the key");
}

/* Appends DER to `der`. */
static bool to_der(const struct public_key *key, struct buf *der)
{
	unsigned char *data = NULL;
	int size = crypto->i2d_PUBKEY(key->half, &data);

	if (size > 0)
		buf_append(der, data, (size_t)size);
	crypto->CRYPTO_free(data, __FILE__, __LINE__);
	return size > 0;
}

int signing_key_public(const struct signing_key *key, struct public_key **public, struct error **err)
{
	cleanup(buf_done) struct buf pem = BUF_INIT(KEY_FILE_SIZE_MAX);
	struct public_key both = {.half = key->pair};
	int rc = public_key_format(&both, &pem, err);

	return rc < 0 ? rc : public_key_parse(buf_str(&pem), pem.len, "public key", public, err);
}

int public_key_hint(const struct public_key *key, char **hint, struct error **err)
{
	cleanup(buf_done) struct buf der = BUF_INIT(KEY_FILE_SIZE_MAX);
	struct digest digest;

	if (!to_der(key, &der))
		return error_set(err, EIO, "libcrypto does not write the key");
	int rc = digest_of(buf_str(&der), der.len, &digest, err);
	if (rc == 0)
		*hint = format_base64(digest.bytes, 32);
	return rc;
}

/* ---- signing ---- */

static const char *hash_of(EVP_PKEY *key)
{
	return crypto->EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : "SHA256";
}

int signing_key_sign(const struct signing_key *key, const void *data, size_t size, struct buf *signature,
		     struct error **err)
{
	cleanup_free unsigned char *bytes = mem_alloc(KEY_SIGNATURE_SIZE_MAX);
	size_t written = KEY_SIGNATURE_SIZE_MAX;
	EVP_MD_CTX *context = crypto->EVP_MD_CTX_new();
	int ok = context &&
		 crypto->EVP_DigestSignInit_ex(context, NULL, hash_of(key->pair), NULL, NULL, key->pair, NULL) == 1 &&
		 crypto->EVP_DigestSign(context, bytes, &written, data, size) == 1;

	crypto->EVP_MD_CTX_free(context);
	crypto->ERR_clear_error();
	if (!ok)
		return error_set(err, EIO, "libcrypto does not sign with this key");
	buf_append(signature, bytes, written);
	return 0;
}

bool public_key_verifies(const struct public_key *key, const void *data, size_t size, const void *signature,
			 size_t signature_size)
{
	EVP_MD_CTX *context = crypto->EVP_MD_CTX_new();
	int ok = context &&
		 crypto->EVP_DigestVerifyInit_ex(context, NULL, hash_of(key->half), NULL, NULL, key->half, NULL) == 1 &&
		 crypto->EVP_DigestVerify(context, signature, signature_size, data, size) == 1;

	crypto->EVP_MD_CTX_free(context);
	crypto->ERR_clear_error();
	return ok;
}

void signing_key_free(struct signing_key *key)
{
	if (!key)
		return;
	if (key->pair)
		crypto->EVP_PKEY_free(key->pair);
	free(key);
}

void public_key_free(struct public_key *key)
{
	if (!key)
		return;
	if (key->half)
		crypto->EVP_PKEY_free(key->half);
	free(key);
}

/*
 * {"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":…},"cipher":{"name":"nacl/secretbox","nonce":…},
 * "ciphertext":…} (github.com/secure-systems-lab/go-securesystemslib/encrypted): the passphrase makes the key of a
 * secretbox in which the PKCS#8 lies.
 */
#include "registry/keys_cosign.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "registry/crypto.h"
#include "registry/secretbox.h"

/* 131072 * 8 * 128 bytes, which the strongest of the known parameters take, and some room. */
#define SCRYPT_MEMORY_MAX ((uint64_t)160 << 20)

struct envelope {
	char *kdf, *cipher;
	uint64_t n, r, p;
	void *salt, *nonce, *ciphertext;
	size_t salt_size, nonce_size, ciphertext_size;
};

static void envelope_done(struct envelope *envelope)
{
	mem_free_cleanup(&envelope->kdf);
	mem_free_cleanup(&envelope->cipher);
	mem_free_cleanup(&envelope->salt);
	mem_free_cleanup(&envelope->nonce);
	mem_free_cleanup(&envelope->ciphertext);
}
CLEANUP_FOR_VALUE(struct envelope, envelope_done)

bool cosign_key_is_label(const char *label)
{
	return strcmp(label, "ENCRYPTED SIGSTORE PRIVATE KEY") == 0 ||
	       strcmp(label, "ENCRYPTED COSIGN PRIVATE KEY") == 0;
}

static int get_bytes(struct json_place at, void **data, size_t *size, struct error **err)
{
	cleanup_free char *text = NULL;
	int rc = json_require(&at, err);

	if (rc == 0)
		rc = json_get_string(at, &text, err);
	return rc < 0 ? rc : parse_base64(text, at.key, data, size, err);
}

static int read_envelope(const json_t *root, const char *what, struct envelope *envelope, struct error **err)
{
	struct json_place top = json_root(what, root);
	struct json_place kdf = json_field(&top, "kdf");
	struct json_place params = json_field(&kdf, "params");
	struct json_place cipher = json_field(&top, "cipher");

	int rc = json_get_string(json_field(&kdf, "name"), &envelope->kdf, err);
	if (rc == 0)
		rc = json_get_u64(json_field(&params, "N"), &envelope->n, err);
	if (rc == 0)
		rc = json_get_u64(json_field(&params, "r"), &envelope->r, err);
	if (rc == 0)
		rc = json_get_u64(json_field(&params, "p"), &envelope->p, err);
	if (rc == 0)
		rc = json_get_string(json_field(&cipher, "name"), &envelope->cipher, err);
	if (rc == 0)
		rc = get_bytes(json_field(&kdf, "salt"), &envelope->salt, &envelope->salt_size, err);
	if (rc == 0)
		rc = get_bytes(json_field(&cipher, "nonce"), &envelope->nonce, &envelope->nonce_size, err);
	if (rc == 0)
		rc = get_bytes(json_field(&top, "ciphertext"), &envelope->ciphertext, &envelope->ciphertext_size, err);
	return rc;
}

/* Only what cosign has ever written: other parameters would be somebody's way to take our memory or to make the
 * passphrase cheap to guess. */
static int check_envelope(const struct envelope *envelope, const char *what, struct error **err)
{
	if (!envelope->kdf || strcmp(envelope->kdf, "scrypt") != 0 || !envelope->cipher ||
	    strcmp(envelope->cipher, "nacl/secretbox") != 0)
		return error_set(err, EINVAL, "%s: not encrypted with scrypt and nacl/secretbox", what);
	bool known = envelope->n == 32768 || envelope->n == 65536 || envelope->n == 131072;
	if (!known || envelope->r != 8 || envelope->p != 1)
		return error_set(err, EINVAL, "%s: unusual parameters of scrypt", what);
	if (envelope->nonce_size != SECRETBOX_NONCE_SIZE || envelope->salt_size < 16)
		return error_set(err, EINVAL, "%s: nonce or salt has a wrong length", what);
	return 0;
}

int cosign_key_decrypt(const void *json, size_t size, const char *what, const struct buf *passphrase, struct buf *der,
		       struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(envelope_done) struct envelope envelope = {0};
	const struct crypto_library *crypto;
	uint8_t key[SECRETBOX_KEY_SIZE];

	int rc = json_parse(json, size, what, &root, err);
	if (rc == 0)
		rc = read_envelope(root, what, &envelope, err);
	if (rc == 0)
		rc = check_envelope(&envelope, what, err);
	if (rc == 0)
		rc = crypto_load(&crypto, err);
	if (rc < 0)
		return rc;
	if (!crypto->EVP_PBE_scrypt(buf_str(passphrase), passphrase->len, envelope.salt, envelope.salt_size, envelope.n,
				    envelope.r, envelope.p, SCRYPT_MEMORY_MAX, key, sizeof(key)))
		return error_set(err, EIO, "%s: libcrypto's scrypt failed", what);
	rc = secretbox_open(key, envelope.nonce, envelope.ciphertext, envelope.ciphertext_size, der, /* err */ NULL);
	mem_wipe(key, sizeof(key));
	return rc < 0 ? error_set(err, EACCES, "%s: wrong passphrase", what) : 0;
}

/*
 * Key pairs for sigstore signatures. Private keys are PEM files: PKCS#8, encrypted (PBES2 with scrypt, what `cooper key
 * generate` writes) or not, OpenSSL's older forms, and cosign's own ("ENCRYPTED SIGSTORE PRIVATE KEY", formerly "…
 * COSIGN …": JSON with scrypt and NaCl's secretbox). Public keys are PEM "PUBLIC KEY". ECDSA on NIST's curves and RSA
 * sign the SHA-256 of the data (RSA with PKCS#1 v1.5), Ed25519 the data itself: as sigstore's verifiers expect it.
 */
#ifndef COOPER_REGISTRY_KEYS_H
#define COOPER_REGISTRY_KEYS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

#define KEY_FILE_SIZE_MAX ((size_t)64 << 10)
#define KEY_PASSPHRASE_SIZE_MAX ((size_t)4 << 10)
#define KEY_SIGNATURE_SIZE_MAX ((size_t)4 << 10)

struct signing_key;
struct public_key;

/* A new pair on NIST's P-256, cosign's choice. */
int signing_key_generate(struct signing_key **key, struct error **err);
/* Reads the text of a private key file; `what` names it in errors. `passphrase` may be NULL: none is known.
 * -ENOKEY when the key is encrypted and there is none, -EACCES when it is the wrong one, -EINVAL when the text is no
 * key that can sign. */
int signing_key_parse(const struct buf *text, const char *what, const struct buf *passphrase, struct signing_key **key,
		      struct error **err);
/* The same for a file of the user's; -ENOENT. */
int signing_key_load(const char *path, const struct buf *passphrase, struct signing_key **key, struct error **err);
/* Appends PEM: encrypted with the passphrase, which may be empty but not NULL. */
int signing_key_format(const struct signing_key *key, const struct buf *passphrase, struct buf *pem,
		       struct error **err);
/* Appends the signature of the data, DER for ECDSA. */
int signing_key_sign(const struct signing_key *key, const void *data, size_t size, struct buf *signature,
		     struct error **err);
/* The public half; the new key is the caller's. */
int signing_key_public(const struct signing_key *key, struct public_key **public, struct error **err);
void signing_key_free(struct signing_key *key);
CLEANUP_FOR(struct signing_key, signing_key_free)

/* -EINVAL when the text is no PEM public key of a kind that sigstore signs with. */
int public_key_parse(const void *text, size_t size, const char *what, struct public_key **key, struct error **err);
int public_key_load(const char *path, struct public_key **key, struct error **err);
int public_key_format(const struct public_key *key, struct buf *pem, struct error **err);
/* base64 of the SHA-256 of the key's SubjectPublicKeyInfo: how bundles refer to a key. */
int public_key_hint(const struct public_key *key, char **hint, struct error **err);
/* Whether the private half made this signature of the data. */
MUST_CHECK bool public_key_verifies(const struct public_key *key, const void *data, size_t size, const void *signature,
				    size_t signature_size);
void public_key_free(struct public_key *key);
CLEANUP_FOR(struct public_key, public_key_free)

#endif

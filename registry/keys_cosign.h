/*
 * cosign's private key files: what is inside of their PEM.
 */
#ifndef COOPER_REGISTRY_KEYS_COSIGN_H
#define COOPER_REGISTRY_KEYS_COSIGN_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

/* Whether a PEM label is one of cosign's two. */
bool cosign_key_is_label(const char *label);
/* Decrypts the JSON of such a block and appends the PKCS#8 DER to `der`, a secret buffer. -EACCES for a wrong
 * passphrase, -EINVAL for parameters that cosign never wrote. */
int cosign_key_decrypt(const void *json, size_t size, const char *what, const struct buf *passphrase, struct buf *der,
		       struct error **err);

#endif

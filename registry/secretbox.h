/*
 * NaCl's secretbox, XSalsa20-Poly1305 (https://nacl.cr.yp.to/secretbox.html): cosign encrypts its private keys with it.
 * libcrypto has Poly1305 but no XSalsa20, so that half is ours. Only opening is here: cooper's own keys are PKCS#8.
 */
#ifndef COOPER_REGISTRY_SECRETBOX_H
#define COOPER_REGISTRY_SECRETBOX_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

#define SECRETBOX_KEY_SIZE 32
#define SECRETBOX_NONCE_SIZE 24
#define SECRETBOX_TAG_SIZE 16 /* in front of the ciphertext */

/* Appends the plaintext to `plain` (make it a secret buffer). -EBADMSG, and nothing appended, when the box was not made
 * with this key and nonce or was changed. */
int secretbox_open(const uint8_t key[SECRETBOX_KEY_SIZE], const uint8_t nonce[SECRETBOX_NONCE_SIZE], const uint8_t *box,
		   size_t size, struct buf *plain, struct error **err);

#endif

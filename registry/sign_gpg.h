/*
 * OpenPGP signatures through the gpg program: the user's keys and agent are his own business, and gpg's.
 */
#ifndef COOPER_REGISTRY_SIGN_GPG_H
#define COOPER_REGISTRY_SIGN_GPG_H

#include "base/buf.h"
#include "base/error.h"

/* Appends an OpenPGP message that holds `data`, signed by `key` (a fingerprint or whatever gpg knows it by). The
 * passphrase may be NULL: gpg's agent asks for it, or knows it. -ENOENT without gpg. */
int gpg_sign(const char *key, const struct buf *passphrase, const void *data, size_t size, struct buf *message,
	     struct error **err);

/* The public keys that a policy trusts, in a directory of their own in which gpg sees nothing else. */
struct gpg_keyring;
int gpg_keyring_new(struct gpg_keyring **keyring, struct error **err);
/* Adds the keys in `data`, armored or not; `what` names them. -EINVAL when there are none. */
int gpg_keyring_add(struct gpg_keyring *keyring, const void *data, size_t size, const char *what, struct error **err);
/* Appends the content of a message that has just one signature, good, by a key of the ring that is neither expired nor
 * revoked. -EKEYREJECTED says what is wrong with it. */
int gpg_keyring_verify(struct gpg_keyring *keyring, const struct buf *message, struct buf *content, struct error **err);
void gpg_keyring_free(struct gpg_keyring *keyring);
CLEANUP_FOR(struct gpg_keyring, gpg_keyring_free)

#endif

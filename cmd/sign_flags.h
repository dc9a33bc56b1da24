/*
 * Options of the commands that send images somewhere and may sign them, and where passphrases of keys come from.
 */
#ifndef COOPER_CMD_SIGN_FLAGS_H
#define COOPER_CMD_SIGN_FLAGS_H

#include "cmd/option.h"
#include "registry/sign_image.h"

struct sign_flags {
	const char *by, *sigstore_key, *passphrase_file, *identity, *format;
};
extern const struct option_group sign_group;

/* What was asked for, with the key in it. */
struct sign_request {
	struct signing signing; /* what export_options and the like point to */
	struct buf passphrase;
	struct signing_key *key;
};
#define SIGN_REQUEST_INIT ((struct sign_request){.passphrase = BUF_SECRET(KEY_PASSPHRASE_SIZE_MAX)})
void sign_request_done(struct sign_request *request);
CLEANUP_FOR_VALUE(struct sign_request, sign_request_done)
/* Reads and checks the options, and the key: a wrong passphrase is told before anything is sent. Texts are borrowed
 * from the flags. `now`: seconds since the epoch. */
int sign_flags_read(const struct sign_flags *flags, int64_t now, struct sign_request *request, struct error **err);

/* For export_options and the like: NULL when nothing is to be signed. Borrowed. */
const struct signing *sign_request_wanted(const struct sign_request *request);

/* The passphrase of a key: the first line of `file`, else $COOPER_KEY_PASSWORD, else $COSIGN_PASSWORD (set but empty is
 * an answer), else asked for. -ENOKEY when nobody can be asked. */
int key_passphrase_read(const char *file, const char *prompt, struct buf *passphrase, struct error **err);
/* A private key, with the passphrase only where it needs one. */
int key_load(const char *path, const char *passphrase_file, struct signing_key **key, struct error **err);

#endif

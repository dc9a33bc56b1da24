/*
 * Signing as it is asked for on the command line. A passphrase is never an argument: those can be seen by everybody.
 */
#include "cmd/sign_flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/prompt.h"

#define SIGN(member) offsetof(struct sign_flags, member)
static const struct option_spec rows[] = {
	{"sign-by", 0, OPTION_TEXT, SIGN(by), "KEY", "sign with this OpenPGP key (a fingerprint) of gpg's"},
	{"sign-by-sigstore-private-key", 0, OPTION_TEXT, SIGN(sigstore_key), "FILE",
	 "sign with this private key, of cooper key generate or cosign"},
	{"sign-passphrase-file", 0, OPTION_TEXT, SIGN(passphrase_file), "FILE",
	 "the key's passphrase is the first line of FILE (else $COOPER_KEY_PASSWORD, or asked for)"},
	{"sign-identity", 0, OPTION_TEXT, SIGN(identity), "NAME", "sign for this name (default: the destination's)"},
	{"sign-format", 0, OPTION_TEXT, SIGN(format), "LIST",
	 "legacy, bundle (of sigstore signatures; default legacy,bundle)"},
};
const struct option_group sign_group = {"Signing options", rows, ARRAY_COUNT(rows)};

/* ---- passphrases ---- */

static int read_first_line(const char *file, struct buf *line, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_SECRET(KEY_PASSPHRASE_SIZE_MAX);
	int rc = fd_read_user_file(file, &text, err);

	if (rc < 0)
		return error_prefix(err, "passphrase");
	buf_append(line, buf_str(&text), strcspn(buf_str(&text), "\r\n"));
	return 0;
}

int key_passphrase_read(const char *file, const char *prompt, struct buf *passphrase, struct error **err)
{
	static const char *const variables[] = {"COOPER_KEY_PASSWORD", "COSIGN_PASSWORD"};

	if (file)
		return read_first_line(file, passphrase, err);
	for (size_t i = 0; i < ARRAY_COUNT(variables); i++) {
		const char *value = getenv(variables[i]);
		if (value) {
			buf_append_str(passphrase, value);
			return passphrase->overflow ? error_set(err, EFBIG, "%s: too long", variables[i]) : 0;
		}
	}
	if (isatty(STDIN_FILENO))
		return prompt_secret(prompt, PROMPT_LINE, passphrase, err);
	int rc = error_set(err, ENOKEY, "the key needs a passphrase, and there is nobody to ask for it");
	error_hint(err, "set COOPER_KEY_PASSWORD, or name a file that holds it");
	return rc;
}

int key_load(const char *path, const char *passphrase_file, struct signing_key **key, struct error **err)
{
	cleanup(buf_done) struct buf passphrase = BUF_SECRET(KEY_PASSPHRASE_SIZE_MAX);
	cleanup_free char *prompt = mem_printf("Passphrase of %s", path);
	cleanup_error struct error *why = NULL;
	int rc = signing_key_load(path, /* passphrase */ NULL, key, &why);

	if (rc == 0)
		return 0;
	if (rc != -ENOKEY)
		return error_set(err, -rc, "%s", error_message(why));
	rc = key_passphrase_read(passphrase_file, prompt, &passphrase, err);
	return rc < 0 ? rc : signing_key_load(path, &passphrase, key, err);
}

/* ---- the group ---- */

static int read_formats(const char *text, unsigned *formats, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};

	*formats = text ? 0 : SIGNING_LEGACY | SIGNING_BUNDLE;
	if (text)
		strlist_split(&words, text, ',');
	for (size_t i = 0; i < words.count; i++) {
		if (strcmp(words.items[i], "legacy") == 0)
			*formats |= SIGNING_LEGACY;
		else if (strcmp(words.items[i], "bundle") == 0)
			*formats |= SIGNING_BUNDLE;
		else
			return error_set(err, EINVAL, "--sign-format '%s': use legacy, bundle, or both with a comma",
					 words.items[i]);
	}
	return *formats ? 0 : error_set(err, EINVAL, "--sign-format: empty");
}

/* An option that changes a signature, where there will be none, is a mistake. */
static int check_use(const struct sign_flags *flags, struct error **err)
{
	bool signs = flags->by || flags->sigstore_key;

	if (!signs && (flags->passphrase_file || flags->identity || flags->format))
		return error_set(err, EINVAL, "--sign-%s goes with --sign-by or --sign-by-sigstore-private-key",
				 flags->passphrase_file ? "passphrase-file"
				 : flags->identity	? "identity"
							: "format");
	if (flags->format && !flags->sigstore_key)
		return error_set(err, EINVAL, "--sign-format goes with --sign-by-sigstore-private-key");
	if (flags->by && !*flags->by)
		return error_set(err, EINVAL, "--sign-by: empty");
	return 0;
}

void sign_request_done(struct sign_request *request)
{
	buf_done(&request->passphrase);
	signing_key_free(request->key);
	request->key = NULL;
}

int sign_flags_read(const struct sign_flags *flags, int64_t now, struct sign_request *request, struct error **err)
{
	struct signing *signing = &request->signing;
	int rc = check_use(flags, err);

	if (rc == 0)
		rc = read_formats(flags->format, &signing->formats, err);
	if (rc == 0 && flags->passphrase_file)
		rc = read_first_line(flags->passphrase_file, &request->passphrase, err);
	if (rc == 0 && flags->sigstore_key)
		rc = key_load(flags->sigstore_key, flags->passphrase_file, &request->key, err);
	if (rc < 0)
		return rc;
	signing->gpg_key = flags->by;
	/* Without a file gpg's own agent knows it, or asks. */
	signing->gpg_passphrase = flags->passphrase_file ? &request->passphrase : NULL;
	signing->key = request->key;
	signing->identity = flags->identity;
	signing->now = now;
	return 0;
}

const struct signing *sign_request_wanted(const struct sign_request *request)
{
	return request->signing.gpg_key || request->signing.key ? &request->signing : NULL;
}

/*
 * cooper key: key pairs for signing images.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/log.h"
#include "cmd/prompt.h"
#include "cmd/command.h"
#include "cmd/sign_flags.h"

/* ---- generate ---- */

struct generate_options {
	const char *prefix, *passphrase_file;
};

#define GENERATE(member) offsetof(struct generate_options, member)
static const struct option_spec generate_rows[] = {
	{"output-prefix", 'o', OPTION_TEXT, GENERATE(prefix), "PREFIX",
	 "write PREFIX.key and PREFIX.pub (default cooper)"},
	{"passphrase-file", 0, OPTION_TEXT, GENERATE(passphrase_file), "FILE",
	 "the passphrase is the first line of FILE (else $COOPER_KEY_PASSWORD, or asked for)"},
};
static const struct option_group generate_group = {NULL, generate_rows, ARRAY_COUNT(generate_rows)};

/* What is typed blindly is typed twice. */
static int read_new_passphrase(const char *file, struct buf *passphrase, struct error **err)
{
	cleanup(buf_done) struct buf again = BUF_SECRET(KEY_PASSPHRASE_SIZE_MAX);
	bool asks = !file && !getenv("COOPER_KEY_PASSWORD") && !getenv("COSIGN_PASSWORD");
	int rc = key_passphrase_read(file, "New passphrase", passphrase, err);

	if (rc < 0 || !asks)
		return rc;
	rc = prompt_secret("Again", PROMPT_LINE, &again, err);
	if (rc < 0)
		return rc;
	bool same = again.len == passphrase->len && memcmp(buf_str(&again), buf_str(passphrase), again.len) == 0;
	return same ? 0 : error_set(err, EINVAL, "the two passphrases are different");
}

/* A key that is there is never replaced: somebody may need it. */
static int write_new(const char *path, mode_t mode, const struct buf *text, struct error **err)
{
	int rc = atomic_file_write(AT_FDCWD, path, mode, text->data, text->len,
				   ATOMIC_FILE_SYNC | ATOMIC_FILE_NO_REPLACE, err);

	return rc == -EEXIST ? error_hint(err, "another --output-prefix, or remove it yourself") : rc;
}

static int run_generate(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct generate_options *options = values;
	const char *prefix = options->prefix ? options->prefix : "cooper";
	cleanup_free char *private_path = mem_printf("%s.key", prefix);
	cleanup_free char *public_path = mem_printf("%s.pub", prefix);
	cleanup(signing_key_free) struct signing_key *key = NULL;
	cleanup(public_key_free) struct public_key *public = NULL;
	cleanup(buf_done) struct buf passphrase = BUF_SECRET(KEY_PASSPHRASE_SIZE_MAX);
	cleanup(buf_done) struct buf private_text = BUF_SECRET(KEY_FILE_SIZE_MAX);
	cleanup(buf_done) struct buf public_text = BUF_INIT(KEY_FILE_SIZE_MAX);

	if (access(public_path, F_OK) == 0)
		return error_set(err, EEXIST, "%s exists already", public_path);
	int rc = read_new_passphrase(options->passphrase_file, &passphrase, err);
	if (rc == 0)
		rc = signing_key_generate(&key, err);
	if (rc == 0)
		rc = signing_key_public(key, &public, err);
	if (rc == 0)
		rc = signing_key_format(key, &passphrase, &private_text, err);
	if (rc == 0)
		rc = public_key_format(public, &public_text, err);
	if (rc == 0)
		rc = write_new(private_path, 0600, &private_text, err);
	if (rc == 0 && (rc = write_new(public_path, 0644, &public_text, err)) < 0)
		unlink(private_path); /* half a pair would be in the way of the next try */
	if (rc == 0)
		log_info("the private key is in %s, the public one in %s", private_path, public_path);
	return rc;
}

static const struct command command_key_generate = {
	.name = "generate",
	.group = "key",
	.arguments = "[OPTIONS]",
	.summary = "make a key pair for signing images",
	.description =
		"The pair is ECDSA on P-256. The private key is written as PKCS#8, encrypted with the passphrase, "
		"readable by you alone; files that exist are not replaced. The passphrase comes from "
		"--passphrase-file, $COOPER_KEY_PASSWORD, $COSIGN_PASSWORD, or is asked for; it is never an "
		"argument. An empty one in a file or variable is taken as such.",
	.examples = "  cooper key generate -o team\n  cooper push --sign-by-sigstore-private-key team.key app "
		    "registry.example.org/team/app:1",
	.options = {{&generate_group, 0}},
	.options_size = sizeof(struct generate_options),
	.run = run_generate,
};

/* ---- public ---- */

struct public_options {
	const char *passphrase_file;
};

static const struct option_spec public_rows[] = {
	{"passphrase-file", 0, OPTION_TEXT, offsetof(struct public_options, passphrase_file), "FILE",
	 "the passphrase is the first line of FILE (else $COOPER_KEY_PASSWORD, or asked for)"},
};
static const struct option_group public_group = {NULL, public_rows, ARRAY_COUNT(public_rows)};

static int run_public(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct public_options *options = values;
	cleanup(signing_key_free) struct signing_key *key = NULL;
	cleanup(public_key_free) struct public_key *public = NULL;
	cleanup(buf_done) struct buf text = BUF_INIT(KEY_FILE_SIZE_MAX);
	int rc = key_load(args->items[0], options->passphrase_file, &key, err);

	if (rc == 0)
		rc = signing_key_public(key, &public, err);
	if (rc == 0)
		rc = public_key_format(public, &text, err);
	if (rc == 0)
		fputs(buf_str(&text), stdout);
	return rc;
}

static const struct command command_key_public = {
	.name = "public",
	.group = "key",
	.arguments = "[OPTIONS] FILE",
	.summary = "print the public half of a private key",
	.description = "FILE is a private key in PEM form: PKCS#8, encrypted or not, or one that cosign wrote.",
	.examples = "  cooper key public team.key >team.pub",
	.min_args = 1,
	.options = {{&public_group, 0}},
	.options_size = sizeof(struct public_options),
	.run = run_public,
};

static const struct command *const key_commands[] = {&command_key_generate, &command_key_public, NULL};

const struct command command_key = {
	.name = "key",
	.summary = "make and look at keys for signing images",
	.description = "Images are signed with --sign-by-sigstore-private-key of push, commit, build, image copy and "
		       "manifest push; a trust policy (policy.json) names the public keys that are believed.",
	.commands = key_commands,
};

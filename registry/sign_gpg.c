/*
 * What gpg thinks of a signature is read from its status lines, on a descriptor of their own: on a shared one, text
 * from inside of a message could pretend to be a verdict (CVE-2018-12020). Its exit status alone would say good of a
 * message that is not signed at all.
 */
#include "registry/sign_gpg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/process.h"
#include "base/strlist.h"
#include "base/terminal.h"
#include "base/tree.h"

#define GPG_TIMEOUT_MS 60000
#define GPG_WORDS_MAX ((size_t)64 << 10)
#define STATUS_FD 3

/* ---- running gpg ---- */

/* The last line that gpg said, which is mostly the one that matters. */
static char *last_words(struct buf *errors)
{
	cleanup(strlist_done) struct strlist lines = {0};

	strlist_split(&lines, buf_str(errors), '\n');
	while (lines.count > 0 && *lines.items[lines.count - 1] == '\0')
		strlist_remove(&lines, lines.count - 1);
	char *line = mem_strdup(lines.count > 0 ? lines.items[lines.count - 1] : "gpg: no reason given");
	terminal_disarm(line, strlen(line));
	return line;
}

struct gpg_run {
	struct strlist args;
	struct process_fd fd; /* from -1: none */
	const void *input;
	size_t input_size;
	int timeout_ms;
	struct buf *output; /* may be NULL */
	struct buf errors;
	int status;
};

static void gpg_run_done(struct gpg_run *run)
{
	strlist_done(&run->args);
	buf_done(&run->errors);
}
CLEANUP_FOR_VALUE(struct gpg_run, gpg_run_done)

static int run_gpg(struct gpg_run *run, struct error **err)
{
	struct process_spec spec = {
		.program = "gpg",
		.argv = strlist_argv(&run->args),
		.fds = &run->fd,
		.fd_count = run->fd.from >= 0 ? 1 : 0,
	};
	struct process_result result = {0};

	buf_init(&run->errors, GPG_WORDS_MAX);
	int rc = process_run(&spec, run->input, run->input_size, run->output, &run->errors, run->timeout_ms, &result,
			     err);
	if (rc == -ENOENT)
		return error_hint(err, "signatures of this kind need gpg; on Debian: apt install gpg");
	if (rc == 0 && result.timed_out)
		return error_set(err, ETIMEDOUT, "gpg gave no answer within %d seconds", GPG_TIMEOUT_MS / 1000);
	run->status = result.status;
	return rc;
}

static void add_args(struct strlist *args, const char *const *words)
{
	while (*words)
		strlist_append(args, *words++);
}

/* ---- signing ---- */

int gpg_sign(const char *key, const struct buf *passphrase, const void *data, size_t size, struct buf *message,
	     struct error **err)
{
	static const char *const words[] = {"gpg", "--batch", "--no-tty", "--quiet", "--output", "-", NULL};
	static const char *const asked[] = {"--pinentry-mode", "loopback", "--passphrase-fd", "3", NULL};
	cleanup_close int secret = -1;
	cleanup(gpg_run_done) struct gpg_run run = {
		.fd = {.from = -1, .to = STATUS_FD}, .input = data, .input_size = size, .output = message};

	add_args(&run.args, words);
	if (passphrase) {
		secret = fd_from_memory("gpg-passphrase", buf_str(passphrase), passphrase->len, err);
		if (secret < 0)
			return secret;
		run.fd.from = secret;
		add_args(&run.args, asked);
	}
	strlist_append(&run.args, "--local-user");
	strlist_append(&run.args, key);
	strlist_append(&run.args, "--sign");
	/* Without a time limit: the agent may be asking the user. */
	int rc = run_gpg(&run, err);
	if (rc < 0)
		return rc;
	if (run.status != 0 || message->len == 0) {
		cleanup_free char *words_of_gpg = last_words(&run.errors);
		return error_set(err, EKEYREJECTED, "sign by '%s': %s", key, words_of_gpg);
	}
	return message->overflow ? error_set(err, EFBIG, "sign by '%s': the signature is too large", key) : 0;
}

/* ---- verifying ---- */

struct gpg_keyring {
	char *home;
};

int gpg_keyring_new(struct gpg_keyring **keyring, struct error **err)
{
	const char *tmp = env_plain("TMPDIR");
	cleanup_free char *home = mem_printf("%s/cooper-keys.XXXXXX", tmp ? tmp : "/tmp");

	if (!mkdtemp(home))
		return error_set_errno(err, "make the directory %s", home);
	*keyring = mem_alloc(sizeof(**keyring));
	(*keyring)->home = take_ptr(&home);
	return 0;
}

void gpg_keyring_free(struct gpg_keyring *keyring)
{
	if (!keyring)
		return;
	tree_remove(AT_FDCWD, keyring->home, NULL); /* what is left would be public keys */
	free(keyring->home);
	free(keyring);
}

/* Nothing of the user's or the system's, nothing fetched, no agent, no judgement about trust but ours. */
static void add_isolation(const struct gpg_keyring *keyring, struct strlist *args)
{
	static const char *const words[] = {"--no-options",
					    "--batch",
					    "--no-tty",
					    "--no-verbose",
					    "--no-autostart",
					    "--disable-dirmngr",
					    "--no-auto-key-retrieve",
					    "--no-auto-key-locate",
					    "--no-auto-check-trustdb",
					    "--no-permission-warning",
					    "--trust-model",
					    "always",
					    NULL};

	strlist_append(args, "gpg");
	strlist_append(args, "--homedir");
	strlist_append(args, keyring->home);
	add_args(args, words);
}

int gpg_keyring_add(struct gpg_keyring *keyring, const void *data, size_t size, const char *what, struct error **err)
{
	cleanup(gpg_run_done) struct gpg_run run = {
		.fd = {.from = -1}, .input = data, .input_size = size, .timeout_ms = GPG_TIMEOUT_MS};

	add_isolation(keyring, &run.args);
	strlist_append(&run.args, "--import");
	int rc = run_gpg(&run, err);
	if (rc < 0)
		return error_prefix(err, "%s", what);
	if (run.status != 0) {
		cleanup_free char *words = last_words(&run.errors);
		return error_set(err, EINVAL, "%s: %s", what, words);
	}
	return 0;
}

/* The status lines of doc/DETAILS that decide. Each signature has one of the verdicts. */
struct verdict {
	unsigned signatures; /* NEWSIG */
	unsigned good;	     /* GOODSIG */
	unsigned valid;	     /* VALIDSIG: which key made it */
	unsigned plaintexts; /* PLAINTEXT: what is signed is all there is */
	char *wrong;	     /* the first line that says no */
};

static bool is_keyword(const char *line, const char *keyword)
{
	size_t len = strlen(keyword);

	return strncmp(line, keyword, len) == 0 && (line[len] == ' ' || line[len] == '\0');
}

static void read_status_line(const char *line, struct verdict *verdict)
{
	static const char prefix[] = "[GNUPG:] ";
	static const char *const bad[] = {"BADSIG",    "ERRSIG",  "EXPSIG",	"EXPKEYSIG", "REVKEYSIG",
					  "NO_PUBKEY", "FAILURE", "UNEXPECTED", "NODATA",    "DECRYPTION_FAILED"};

	if (!text_has_prefix(line, prefix))
		return;
	line += strlen(prefix);
	verdict->signatures += is_keyword(line, "NEWSIG");
	verdict->good += is_keyword(line, "GOODSIG");
	verdict->valid += is_keyword(line, "VALIDSIG");
	verdict->plaintexts += is_keyword(line, "PLAINTEXT");
	for (size_t i = 0; i < ARRAY_COUNT(bad) && !verdict->wrong; i++)
		if (is_keyword(line, bad[i]))
			verdict->wrong = mem_strdup(line);
}

static const char *explain(const char *line)
{
	static const struct {
		const char *keyword;
		const char *meaning;
	} meanings[] = {
		{"BADSIG", "the signature does not fit what is signed"},
		{"ERRSIG", "it was not made by a key that the policy trusts"},
		{"NO_PUBKEY", "it was not made by a key that the policy trusts"},
		{"EXPSIG", "the signature has expired"},
		{"EXPKEYSIG", "the key has expired"},
		{"REVKEYSIG", "the key was revoked"},
	};

	for (size_t i = 0; line && i < ARRAY_COUNT(meanings); i++)
		if (is_keyword(line, meanings[i].keyword))
			return meanings[i].meaning;
	return "not an OpenPGP message with one signature";
}

static int judge(int status_fd, int exit_status, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(GPG_WORDS_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	struct verdict verdict = {0};

	if (lseek(status_fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "read gpg's verdict");
	int rc = fd_read_all(status_fd, &text, err);
	if (rc < 0)
		return rc;
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++)
		read_status_line(lines.items[i], &verdict);
	cleanup_free char *wrong = verdict.wrong;
	if (exit_status == 0 && !wrong && verdict.signatures == 1 && verdict.good == 1 && verdict.valid == 1 &&
	    verdict.plaintexts == 1)
		return 0;
	return error_set(err, EKEYREJECTED, "%s", explain(wrong));
}

int gpg_keyring_verify(struct gpg_keyring *keyring, const struct buf *message, struct buf *content, struct error **err)
{
	/* A message of some kilobytes may say gigabytes: without the limit gpg would go on for as long as it may. */
	cleanup_free char *most = mem_printf("%zu", content->max - content->len);
	const char *const words[] = {"--status-fd", "3", "--max-output", most, "--output", "-", "--decrypt", NULL};
	cleanup_close int status = memfd_create("gpg-status", MFD_CLOEXEC);
	size_t before = content->len;
	cleanup(gpg_run_done) struct gpg_run run = {.fd = {.from = status, .to = STATUS_FD},
						    .input = buf_str(message),
						    .input_size = message->len,
						    .timeout_ms = GPG_TIMEOUT_MS,
						    .output = content};

	if (status < 0)
		return error_set_errno(err, "memfd_create");
	add_isolation(keyring, &run.args);
	add_args(&run.args, words);
	int rc = run_gpg(&run, err);
	if (rc == 0)
		rc = judge(status, run.status, err);
	if (rc == 0 && content->overflow)
		rc = error_set(err, EKEYREJECTED, "what is signed is too large");
	if (rc < 0 && content->data) { /* nobody must see what nobody vouches for */
		content->len = before;
		content->data[before] = '\0';
	}
	return rc;
}

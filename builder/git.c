/*
 * The git program, made harmless. In: an address and an empty directory; out: the directory filled. Each call of git
 * gets the same environment and the same settings in front; what it says goes to the error, or to -v.
 */
#include "builder/git.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/process.h"
#include "base/terminal.h"
#include "base/tree.h"

#define OUTPUT_MAX ((size_t)64 << 10)
#define COMPLAINT_LINES 4 /* of what git and others say, in an error */

struct git {
	const struct git_address *address;
	const char *directory;
	struct strlist environment;
};

static void git_done(struct git *git)
{
	for (size_t i = 0; i < git->environment.count; i++)
		mem_wipe(git->environment.items[i], strlen(git->environment.items[i]));
	strlist_done(&git->environment);
}
CLEANUP_FOR_VALUE(struct git, git_done)

/* Who we are there, by a credential helper that has it from its environment: no file of the repository gets it, of
 * submodules neither, to which relative addresses lead, no list of processes, and no other helper to keep. */
static void answer_for_user(struct git *git)
{
	const struct git_address *address = git->address;
	const char *authority = strstr(address->url, "://");

	if (!address->user)
		return;
	int size = (int)(authority + 3 - address->url) + (int)strcspn(authority + 3, "/");
	strlist_printf(&git->environment, "COOPER_GIT_USER=%s", address->user);
	strlist_printf(&git->environment, "COOPER_GIT_PASSWORD=%s", address->password ? address->password : "");
	strlist_append(&git->environment, "GIT_CONFIG_COUNT=2");
	strlist_printf(&git->environment, "GIT_CONFIG_KEY_0=credential.%.*s.helper", size, address->url);
	strlist_append(&git->environment, "GIT_CONFIG_VALUE_0="); /* forget those of the user's configuration */
	strlist_printf(&git->environment, "GIT_CONFIG_KEY_1=credential.%.*s.helper", size, address->url);
	/* A shell gets it, with the verb behind it. */
	strlist_append(&git->environment,
		       "GIT_CONFIG_VALUE_1=!printf 'username=%s\\npassword=%s\\n' \"$COOPER_GIT_USER\" "
		       "\"$COOPER_GIT_PASSWORD\"; :");
}

/* Our environment without git's own variables, which would lead it to another repository or add settings; how the user
 * reaches servers stays. That is also why the files of user and administrator are read: proxies, authorities and
 * addresses in the place of others stand there, and who may write them needs no git to run something as this user. What
 * would do more to a context than bring it is set in front of every command (`settings`). */
static bool may_pass(const char *variable)
{
	static const char *const passed[] = {
		"GIT_SSH=",  "GIT_SSH_COMMAND=", "GIT_SSH_VARIANT=",   "GIT_ASKPASS=",	     "GIT_SSL_",
		"GIT_HTTP_", "GIT_PROXY_",	 "GIT_CONFIG_GLOBAL=", "GIT_CONFIG_SYSTEM=", "GIT_CONFIG_NOSYSTEM=",
		"GIT_TRACE", "GIT_CURL_VERBOSE="};

	if (text_has_prefix(variable, "LC_") || text_has_prefix(variable, "LANG"))
		return false;
	if (!text_has_prefix(variable, "GIT_"))
		return true;
	for (size_t i = 0; i < ARRAY_COUNT(passed); i++)
		if (text_has_prefix(variable, passed[i]))
			return true;
	return false;
}

/* ssh looks for its files where the account of the uid has them, and not at $HOME: inside the user namespace we are
 * uid 0, and that would be root's. */
static void find_ssh_files(struct git *git)
{
	static const char *const keys[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
	const struct passwd *account = getpwuid(geteuid());
	const char *home = strlist_env_get(&git->environment, "HOME");
	bool is_chosen =
		strlist_env_get(&git->environment, "GIT_SSH_COMMAND") || strlist_env_get(&git->environment, "GIT_SSH");

	/* git gives the command to a shell. */
	if (is_chosen || !home || !account || strcmp(account->pw_dir, home) == 0 ||
	    strpbrk(home, " \t\n'\"\\$`%;&|<>()*?"))
		return;
	cleanup(buf_done) struct buf command = BUF_INIT(OUTPUT_MAX);
	buf_printf(&command, "ssh -o UserKnownHostsFile=%s/.ssh/known_hosts", home);
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
		buf_printf(&command, " -o IdentityFile=%s/.ssh/%s", home, keys[i]);
	strlist_env_set(&git->environment, "GIT_SSH_COMMAND", buf_str(&command));
}

/* Replaces every protocol.* setting (git(1)). Submodules of a repository on the web may lie elsewhere on it. */
static void allow_protocol(struct git *git, const char *protocol)
{
	bool is_plain = strcmp(protocol, "https") == 0 || strcmp(protocol, "ssh") == 0;
	cleanup_free char *allowed = mem_printf("https:ssh%s%s", is_plain ? "" : ":", is_plain ? "" : protocol);

	strlist_env_set(&git->environment, "GIT_ALLOW_PROTOCOL", allowed);
}

static void make_environment(struct git *git)
{
	for (char *const *variable = environ; *variable; variable++)
		if (may_pass(*variable))
			strlist_append(&git->environment, *variable);
	find_ssh_files(git);
	strlist_append(&git->environment, "LC_ALL=C"); /* its words are for our errors */
	strlist_append(&git->environment, "GIT_TERMINAL_PROMPT=0");
	answer_for_user(git);
	allow_protocol(git, git->address->protocol);
}

/* In front of every command: nothing of the repository's is executed, nothing is rewritten on checkout. */
static const char *const settings[] = {
	"core.hooksPath=/dev/null",  "core.fsmonitor=false",	"core.autocrlf=false", "core.fileMode=true",
	"submodule.recurse=false",   "init.defaultBranch=main", "gc.auto=0",	       "maintenance.auto=false",
	"advice.detachedHead=false", "core.protectHFS=true"};

static void begin(const struct git *git, struct strlist *argv)
{
	strlist_append(argv, "git");
	for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
		strlist_append(argv, "-c");
		strlist_append(argv, settings[i]);
	}
	strlist_append(argv, "-C");
	strlist_append(argv, git->directory);
}

/* What is wrong: git's first "fatal: ", behind what others (ssh, the server) have said before it. Its advice after that
 * is not for here. */
static char *complaint(const char *errors)
{
	cleanup(strlist_done) struct strlist lines = {0}, words = {0};

	strlist_split(&lines, errors, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];
		bool is_last = text_has_prefix(line, "fatal: ") || text_has_prefix(line, "error: ");
		if (*line)
			strlist_append(&words, is_last ? line + strlen("fatal: ") : line);
		if (words.count > COMPLAINT_LINES)
			strlist_remove(&words, 0);
		if (is_last)
			break;
	}
	return words.count ? strlist_join(&words, "; ") : mem_strdup("it failed without a word");
}

/* Runs "git … words"; `out` (may be NULL) gets its output without the newline at the end. */
static int call(const struct git *git, const char *const *words, struct buf *out, struct error **err)
{
	cleanup(strlist_done) struct strlist argv = {0};
	cleanup(buf_done) struct buf errors = BUF_INIT(OUTPUT_MAX);
	struct process_result result = {0};

	begin(git, &argv);
	for (size_t i = 0; words[i]; i++)
		strlist_append(&argv, words[i]);
	const struct process_spec spec = {
		.program = "git", .argv = strlist_argv(&argv), .envp = strlist_argv(&git->environment)};
	int rc = process_run(&spec, NULL, 0, out, &errors, /* timeout_ms */ 0, &result, err);
	if (rc == -ENOENT)
		return error_hint(err, "install git: remote build contexts need it");
	if (rc < 0)
		return rc;
	log_debug("git %s ended with status %d", words[0], result.status);
	if (result.status != 0) {
		cleanup_free char *said = complaint(buf_str(&errors));
		terminal_disarm(said, strlen(said)); /* the server may have said anything */
		return error_set(err, EREMOTEIO, "git %s: %s", words[0], said);
	}
	while (out && out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	return 0;
}
#define CALL(git, out, err, ...) call(git, (const char *const[]){__VA_ARGS__, NULL}, out, err)

static bool is_hex(const char *text, size_t least)
{
	size_t size = strspn(text, "0123456789abcdef");

	return !text[size] && size >= least;
}

/* Everything that has a name there: for a commit that the server does not give by its id. */
static int fetch_all(const struct git *git, struct error **err)
{
	return CALL(git, NULL, err, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", git->address->url,
		    "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*");
}

/* Leaves the commit's full id in *commit. */
static int fetch(const struct git *git, struct buf *commit, struct error **err)
{
	const struct git_address *address = git->address;
	const char *ref = address->ref ? address->ref : "HEAD";
	bool may_be_id = is_hex(ref, 7);
	cleanup_error struct error *why = NULL;

	/* A short id cannot be asked for, a full one not of every server. */
	int rc = CALL(git, NULL, &why, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--",
		      git->address->url, ref);
	if (rc == 0)
		return CALL(git, commit, err, "rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}");
	if (!may_be_id || rc == -ENOENT) {
		if (err)
			*err = take_ptr(&why);
		return rc;
	}
	cleanup_free char *id = mem_printf("%s^{commit}", ref);
	rc = fetch_all(git, err);
	if (rc < 0)
		return rc;
	rc = CALL(git, commit, NULL, "rev-parse", "--verify", "--quiet", id);
	return rc < 0 ? error_set(err, ENOENT, "no branch, tag or commit '%s'", ref) : 0;
}

static int verify(const struct git *git, const char *commit, struct error **err)
{
	const char *want = git->address->checksum;

	if (!want || text_has_prefix(commit, want))
		return 0;
	/* An annotated tag has an id of its own. */
	cleanup(buf_done) struct buf tag = BUF_INIT(OUTPUT_MAX);
	if (CALL(git, &tag, NULL, "rev-parse", "--verify", "--quiet", "FETCH_HEAD") == 0 &&
	    text_has_prefix(buf_str(&tag), want))
		return 0;
	return error_set(err, EBADMSG, "commit %s does not have the checksum %s", commit, want);
}

static int update_submodules(struct git *git, int dirfd, struct error **err)
{
	struct stat st;

	if (git->address->no_submodules || fstatat(dirfd, ".gitmodules", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	/* Relative addresses of submodules are relative to this one. */
	int rc = CALL(git, NULL, err, "config", "remote.origin.url", git->address->url);
	if (rc < 0)
		return rc;
	/* The user has named a directory of this machine. The repository that lies there may not name another. */
	bool is_file = strcmp(git->address->protocol, "file") == 0;
	if (is_file)
		allow_protocol(git, "https");
	rc = CALL(git, NULL, err, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1");
	return rc < 0 && is_file
		       ? error_hint(err, "no repository of this machine is taken as a submodule; ?submodules=false "
					 "leaves them out")
		       : rc;
}

/* ---- what the checkout looks like afterwards ---- */

/* The directory of the repository, and the ".git" files of submodules: git lets nobody track such a name. */
static int drop_git(const struct tree_entry *entry, void *context, struct error **err)
{
	if (strcmp(entry->name, ".git") != 0)
		return TREE_GO_ON;
	int rc = tree_remove(entry->dirfd, entry->name, err);
	return rc < 0 ? rc : TREE_SKIP_CHILDREN;
}

static int set_mtime(const struct tree_entry *entry, void *context, struct error **err)
{
	const int64_t *seconds = context;
	const struct timespec times[2] = {{.tv_sec = *seconds}, {.tv_sec = *seconds}};

	if (!*entry->path)
		return TREE_GO_ON;
	if (utimensat(entry->dirfd, entry->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set_errno(err, "set the time of '%s'", entry->path);
	return TREE_GO_ON;
}

static int read_time(const struct git *git, const char *commit, int64_t *seconds, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(OUTPUT_MAX);
	int rc = CALL(git, &text, err, "show", "--no-patch", "--format=%ct", commit);

	return rc < 0 ? rc : parse_i64(buf_str(&text), 0, INT64_MAX, "the commit's time", seconds, err);
}

static int set_mtimes(const struct git *git, int dirfd, const char *commit, struct error **err)
{
	int64_t seconds = 0;
	int rc = read_time(git, commit, &seconds, err);

	return rc == 0 ? tree_walk(dirfd, set_mtime, set_mtime, &seconds, err) : rc;
}

static int finish(const struct git *git, int dirfd, const char *commit, struct error **err)
{
	int rc = git->address->mtime == GIT_MTIME_COMMIT ? set_mtimes(git, dirfd, commit, err) : 0;

	if (rc < 0)
		return rc;
	if (!git->address->keep_git_dir)
		return tree_walk(dirfd, drop_git, /* after */ NULL, NULL, err);
	return CALL(git, NULL, err, "config", "remote.origin.url", git->address->url);
}

static int check_out(struct git *git, int dirfd, struct git_commit *commit, struct error **err)
{
	cleanup(buf_done) struct buf id = BUF_INIT(OUTPUT_MAX);
	int64_t time = 0;
	/* Without a template there are no sample hooks either. */
	int rc = CALL(git, NULL, err, "init", "--quiet", "--template=", ".");

	if (rc == 0)
		rc = fetch(git, &id, err);
	if (rc == 0)
		rc = verify(git, buf_str(&id), err);
	if (rc == 0)
		rc = CALL(git, NULL, err, "checkout", "--quiet", "--force", "--detach", buf_str(&id));
	if (rc == 0)
		rc = update_submodules(git, dirfd, err);
	if (rc == 0 && commit)
		rc = read_time(git, buf_str(&id), &time, err);
	if (rc == 0)
		rc = finish(git, dirfd, buf_str(&id), err);
	if (rc == 0 && commit)
		*commit = (struct git_commit){.id = buf_take(&id), .time = time};
	return rc < 0 ? rc : 0;
}

void git_commit_done(struct git_commit *commit)
{
	mem_replace(&commit->id, NULL);
}

int git_checkout(const struct git_address *address, int dirfd, const char *path, struct git_commit *commit,
		 struct error **err)
{
	cleanup(git_done) struct git git = {.address = address, .directory = path};
	cleanup_free char *shown = git_address_format(address);

	make_environment(&git);
	int rc = check_out(&git, dirfd, commit, err);
	return rc < 0 ? error_prefix(err, "%s", shown) : 0;
}

/*
 * Looking at a step that failed. In: the step's job, still open; out: a shell, or settings of the kept container.
 */
#include "builder/debug_shell.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/mount_root.h"
#include "builder/step.h"

#define FIELD_MAX ((size_t)64 << 10)

/* ---- at once --------------------------------------------------------------------------------------------------------
 */

/* The one that SHELL names, if it is one. */
static const char *choose_shell(const struct plan_step *step)
{
	const struct instruction_run *run = &step->instruction->run;
	bool is_text = !run->command.is_exec && run->script != RUN_SCRIPT_FILE && step->argv.count > 1;

	return is_text && text_has_suffix(step->argv.items[0], "sh") ? step->argv.items[0] : "/bin/sh";
}

void debug_shell_open(const struct run_job *job, const struct stage_run *run)
{
	cleanup(strlist_done) struct strlist argv = {0};
	cleanup_error struct error *error = NULL;
	struct run_result result = {0};
	/* Our own standard input and output may be anything: the shell is for who sits at the terminal. */
	cleanup_close int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);

	if (terminal < 0) {
		log_warn("--debug: there is no terminal to open a shell on (%s), going on without it", strerror(errno));
		return;
	}
	strlist_append(&argv, choose_shell(job->step));
	const struct step_options options = {
		.settings = &job->settings,
		.argv = &argv,
		.terminal = RUN_TERMINAL_YES,
		.stdin_fd = terminal,
		.stdout_fd = terminal,
		.stderr_fd = terminal,
		.mounts = job->mounts,
		.mount_count = job->mount_count,
	};
	log_info("The step failed. %s in it, with its mounts and environment; leave it to end the build",
		 argv.items[0]);
	if (step_run(job->build->w, &run->c, &options, &result, &error) < 0)
		log_warn("--debug: %s; no shell can be opened", error_message(error));
	else if (!result.started)
		log_warn("--debug: %s; no shell can be opened", result.message ? result.message : argv.items[0]);
	free(result.message);
}

/* ---- later: where mounts read from ----------------------------------------------------------------------------------
 */

/* A directory becomes containers/<id>/<name>. */
static int move_in(const struct stage_run *run, int dirfd, const char *from, const char *name, struct error **err)
{
	if (renameat(dirfd, from, run->dir, name) < 0)
		return error_set_errno(err, "keep what it mounts");
	return 0;
}

static char *kept_path(struct run_job *job, const struct stage_run *run, const char *name)
{
	cleanup_free char *inside = mem_printf("%s/%s", run->c.id, name);

	return store_path(workshop_store(job->build->w), STORE_CONTAINERS, inside);
}

/* A copy of what is unpacked in tmp/ and goes with this build. */
static int copy_in(const struct stage_run *run, int from, const char *name, struct error **err)
{
	if (mkdirat(run->dir, name, 0755) < 0)
		return error_set_errno(err, "keep what it mounts");
	cleanup_close int to = fd_open_dir(run->dir, name, err);
	return to < 0 ? to : tree_copy(from, to, err);
}

/* Where the directory of a context lies: the user's own stays there, one of ours is copied. */
static int name_directory(struct run_job *job, const struct stage_run *run, size_t index, char **root,
			  struct error **err)
{
	cleanup_free char *name = mem_printf("mount-%zu", index);
	cleanup_free char *path = mem_alloc(PATH_MAX);
	char link[FD_PROC_PATH_SIZE];
	struct stage_run *aside = &job->asides[index];
	int rc = 0;

	if (aside->dir >= 0) {
		rc = move_in(run, aside->dir, "upper", name, err);
	} else {
		ssize_t size = readlink(fd_proc_path(job->fds[index], link), path, PATH_MAX - 1);
		if (size < 0)
			return error_set_errno(err, "the context's directory");
		path[size] = '\0';
		if (!text_has_prefix(path, store_root(workshop_store(job->build->w)))) {
			*root = mount_root_of_directory(path);
			return 0;
		}
		rc = copy_in(run, job->fds[index], name, err);
	}
	if (rc < 0)
		return rc;
	cleanup_free char *kept = kept_path(job, run, name);
	*root = mount_root_of_directory(kept);
	return 0;
}

static int name_root(struct run_job *job, const struct stage_run *run, size_t index, char **root, struct error **err)
{
	const struct plan_input *input = &job->step->mounts[index];
	const struct digest *diff_ids = NULL;
	size_t count = 0;

	if (input->kind == INPUT_CONTEXT || input->kind == INPUT_NAMED)
		return name_directory(job, run, index, root, err);
	build_input_layers(job->build, input, &diff_ids, &count);
	*root = mount_root_of_layers(diff_ids, count);
	return 0;
}

/* ---- later: texts of --mount ----------------------------------------------------------------------------------------
 */

/* One field of CSV. */
static void add_field(struct buf *text, const char *key, const char *value)
{
	bool is_quoted = strpbrk(value, ",\"\n") != NULL;

	buf_printf(text, "%s%s%s=", text->len ? "," : "", is_quoted ? "\"" : "", key);
	for (const char *c = value; *c; c++) {
		if (*c == '"')
			buf_append_char(text, '"');
		buf_append_char(text, *c);
	}
	if (is_quoted)
		buf_append_char(text, '"');
}

static void add_text(struct buf *text, const char *key, const char *value)
{
	if (value)
		add_field(text, key, value);
}

static void add_number(struct buf *text, const char *key, const char *format, unsigned long long value)
{
	cleanup_free char *number = mem_printf(format, value);

	if (value)
		add_field(text, key, number);
}

static void describe(const struct mount_setting *setting, const char *root, struct buf *text)
{
	static const char *const kinds[] = {[MOUNT_BIND] = "bind",   [MOUNT_OVERLAY] = "bind",	[MOUNT_TMPFS] = "tmpfs",
					    [MOUNT_CACHE] = "cache", [MOUNT_SECRET] = "secret", [MOUNT_SSH] = "ssh"};
	static const char *const sharings[] = {
		[SHARING_SHARED] = "shared", [SHARING_LOCKED] = "locked", [SHARING_PRIVATE] = "private"};

	add_field(text, "type", kinds[setting->kind]);
	add_text(text, "target", setting->target);
	add_text(text, "from", root);
	add_text(text, "source", setting->source);
	add_text(text, "id", setting->id);
	add_text(text, "env", setting->env);
	if (setting->kind == MOUNT_BIND || setting->kind == MOUNT_CACHE)
		add_field(text, "readonly", setting->flags & RUN_MOUNT_READ_ONLY ? "true" : "false");
	if (setting->kind == MOUNT_CACHE)
		add_field(text, "sharing", sharings[setting->sharing]);
	add_number(text, "size", "%llu", setting->size);
	add_number(text, "mode", "%llo", setting->mode);
	add_number(text, "uid", "%llu", setting->uid);
	add_number(text, "gid", "%llu", setting->gid);
}

static int keep_mount(struct run_job *job, struct stage_run *run, const struct mount_setting *setting,
		      struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FIELD_MAX);
	cleanup_free char *root = NULL;

	if (setting->root) {
		int rc = name_root(job, run, (size_t)(setting->root - job->fds), &root, err);
		if (rc < 0)
			return rc;
	}
	describe(setting, root, &text);
	if (text.overflow)
		return error_set(err, E2BIG, "the description of its mount is too long");
	strlist_append(&run->c.settings.mounts, buf_str(&text));
	return 0;
}

/* The file of a here-document that begins with "#!". */
static int keep_script(struct run_job *job, struct stage_run *run, struct error **err)
{
	int tmp = job->script ? store_tmp(workshop_store(job->build->w), err) : 0;
	int rc = job->script && tmp >= 0 ? move_in(run, tmp, job->script, "script", err) : tmp;

	if (rc < 0 || !job->script)
		return rc;
	cleanup_free char *path = kept_path(job, run, "script");
	cleanup_free char *root = mount_root_of_directory(path);
	cleanup(buf_done) struct buf text = BUF_INIT(FIELD_MAX);
	cleanup(mount_setting_done) struct mount_setting setting = {.kind = MOUNT_BIND,
								    .target = mem_strdup("/dev/pipes"),
								    .source = mem_strdup("/"),
								    .flags = RUN_MOUNT_READ_ONLY};
	describe(&setting, root, &text);
	strlist_append(&run->c.settings.mounts, buf_str(&text));
	return 0;
}

/* Not what is in it: who looks at the step gives it again, with --secret and --ssh of `cooper run`. */
static bool keep_shown(const struct run_job *job, struct stage_run *run)
{
	const struct instruction_run *instruction = &job->step->instruction->run;
	bool found = false;

	for (size_t i = 0; i < instruction->mount_count; i++) {
		const struct file_mount *mount = &instruction->mounts[i];
		cleanup(mount_setting_done) struct mount_setting setting = {0};
		cleanup(buf_done) struct buf text = BUF_INIT(FIELD_MAX);
		if (mount->type != FILE_MOUNT_SECRET && mount->type != FILE_MOUNT_SSH)
			continue;
		build_mounts_describe_shown(job, mount, &setting);
		describe(&setting, /* root */ NULL, &text);
		if (!text.overflow)
			strlist_append(&run->c.settings.mounts, buf_str(&text));
		found = true;
	}
	return found;
}

/* What the instruction itself asks for, besides mounts. */
static void keep_rights(const struct run_job *job, struct settings *kept)
{
	cleanup(settings_done) struct settings rights = {0};

	settings_copy(&rights, &job->settings);
	strlist_clear(&rights.env); /* proxies and secrets */
	settings_merge(kept, &rights);
}

bool debug_shell_keep(struct run_job *job, struct stage_run *run)
{
	int rc = 0;

	keep_rights(job, &run->c.settings);
	for (size_t i = 0; i < job->mount_count; i++) {
		cleanup_error struct error *error = NULL;
		const struct mount_setting *setting = &job->mounts[i];
		/* Files in our own memory, and the script. */
		bool is_shown = setting->kind == MOUNT_BIND && !setting->root;
		rc = is_shown ? 0 : keep_mount(job, run, setting, &error);
		if (rc < 0)
			log_warn("%s; what the failed step mounts at '%s' is not kept", error_message(error),
				 setting->target);
	}
	cleanup_error struct error *error = NULL;
	if (keep_script(job, run, &error) < 0)
		log_warn("%s; the failed step's script is not kept", error_message(error));
	return keep_shown(job, run);
}

/*
 * cooper unshare: a program in the user namespace where containers can be mounted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "builder/rootfs.h"
#include "builder/session.h"
#include "builder/session_server.h"
#include "cmd/command.h"

struct unshare_options {
	struct strlist mounts;
};

static const struct option_spec rows[] = {
	{"mount", 'm', OPTION_LIST, offsetof(struct unshare_options, mounts), "[NAME=]CONTAINER",
	 "mount a container and put its path into the variable NAME"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

/* Where a process stands beside the session that we are in (session_server.h), a command of its own does it: under that
 * one's filter nobody sees what is recorded of files. What it prints goes to `out`. */
static int ask_session(struct command_context *context, const char *command, const char *name, struct buf *out,
		       struct error **err)
{
	const char *const argv[] = {
		"cooper",
		"--root",
		store_root(context->store),
		"--runroot",
		store_runroot(context->store),
		command,
		"--",
		name,
		NULL,
	};
	const struct process_spec spec = {.program = "/proc/self/exe", .argv = (char *const *)argv};
	cleanup(buf_done) struct buf said = BUF_INIT(BUF_MAX_DEFAULT);
	struct process_result result = {0};
	int rc = process_run(&spec, NULL, 0, out, &said, /* timeout_ms */ 0, &result, err);

	if (rc < 0)
		return rc;
	if (out)
		fputs(buf_str(&said), stderr);
	return result.status == 0 ? 0 : error_set(err, ECANCELED, "cooper %s has failed", command);
}

static int mount_by_session(struct command_context *context, const char *name, char **path, struct error **err)
{
	cleanup(buf_done) struct buf out = BUF_INIT(BUF_MAX_DEFAULT);
	int rc = ask_session(context, "mount", name, &out, err);

	if (rc == 0)
		*path = mem_strndup(buf_str(&out), strcspn(buf_str(&out), "\n"));
	return rc;
}

static int mount_container(struct command_context *context, const char *name, char **path, struct error **err)
{
	cleanup(container_done) struct container container = {0};

	if (session_is_served())
		return mount_by_session(context, name, path, err);
	cleanup_close int held = container_acquire(context->workshop, name, &container, err);
	return held < 0 ? held : rootfs_mount(context->workshop, &container, path, err);
}

/* The container's name is the variable's when none is given. */
static const char *container_name(const char *mount)
{
	const char *equals = strchr(mount, '=');

	return equals ? equals + 1 : mount;
}

/* Mounts what --mount names. */
static int mount_containers(struct command_context *context, const struct strlist *mounts, struct error **err)
{
	for (size_t i = 0; i < mounts->count; i++) {
		const char *equals = strchr(mounts->items[i], '=');
		cleanup_free char *variable = equals ? mem_strndup(mounts->items[i], equals - mounts->items[i])
						     : mem_strdup(mounts->items[i]);
		cleanup_free char *path = NULL;
		int rc = mount_container(context, container_name(mounts->items[i]), &path, err);
		if (rc < 0)
			return error_prefix(err, "mount '%s'", container_name(mounts->items[i]));
		if (setenv(variable, path, /* overwrite */ 1) < 0)
			return error_set_errno(err, "--mount '%s': set the variable '%s'", mounts->items[i], variable);
	}
	return 0;
}

static int umount_container(struct command_context *context, const char *name, struct error **err)
{
	cleanup(container_done) struct container container = {0};

	if (session_is_served())
		return ask_session(context, "umount", name, /* out */ NULL, err);
	cleanup_close int held = container_acquire(context->workshop, name, &container, err);
	return held < 0 ? held : rootfs_umount(context->workshop, &container, /* all */ false, err);
}

static void umount_containers(struct command_context *context, const struct strlist *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		cleanup_error struct error *err = NULL;
		if (umount_container(context, container_name(mounts->items[i]), &err) < 0)
			log_debug("%s", error_message(err)); /* the command has unmounted or removed it itself */
	}
}

static void export_environment(struct command_context *context)
{
	setenv("CONTAINERS_GRAPHROOT", store_root(context->store), 1);
	setenv("CONTAINERS_RUNROOT", store_runroot(context->store), 1);
	setenv("COOPER_ROOT", store_root(context->store), 1);
	setenv("COOPER_RUNROOT", store_runroot(context->store), 1);
	setenv("BUILDAH_ISOLATION", "rootless", 1);
	/* Whoever chose it, or whatever it was found by: the session's containers are to be used so. */
	if (workshop_is_translated(context->workshop))
		setenv("COOPER_ISOLATION", "translated", 1);
}

/* The terminal sends ^C to the program as well: it decides, we wait for what it does. */
static void ignore_terminal_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
}

/* Without mounts of ours nothing is left to do afterwards: the program takes our place. */
static int become(char *const *argv, struct error **err)
{
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	int code = errno;
	error_set(err, code, "'%s': %s", argv[0], strerror(code));
	fprintf(stderr, "cooper: %s\n", error_message(*err));
	return code == ENOENT ? 127 : 126;
}

static int run_and_wait(char *const *argv, struct error **err)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		return error_set_errno(err, "start '%s'", argv[0]);
	if (pid == 0)
		_exit(become(argv, err));
	ignore_terminal_signals();
	int status = 0;
	int rc = process_wait(pid, &status, err);
	return rc < 0 ? rc : status;
}

static int run_program(struct command_context *context, const struct unshare_options *options, char *const *argv,
		       struct error **err)
{
	cleanup_error struct error *why = NULL;
	struct session_server *server = NULL;
	pid_t pid = -1;
	int status = 0;

	fflush(stdout);
	/* With one id: beside a process of ours, which shows owners as they are recorded. */
	if (session_server_is_needed(context->workshop) &&
	    session_server_start(context->workshop, &server, &pid, &why) < 0)
		log_warn("%s; in this session all files show the one id that there is%s", error_message(why),
			 workshop_is_translated(context->workshop) ? ", and owners and modes given to files of "
								     "containers may not count"
								   : "");
	if (server && pid == 0)
		_exit(become(argv, err));
	if (server) {
		int rc = session_server_serve(server, &status, err);
		return rc < 0 ? rc : status;
	}
	return options->mounts.count == 0 ? become(argv, err) : run_and_wait(argv, err);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct unshare_options *options = values;
	const char *shell = env_plain("SHELL");
	char *default_argv[] = {(char *)(shell ? shell : "/bin/sh"), NULL};
	char *const *argv = args->count ? strlist_argv(args) : default_argv;
	int session = -1;
	int rc = unshare_session_start(context->workshop, &session, err);
	if (rc == 0)
		rc = mount_containers(context, &options->mounts, err);
	if (rc < 0)
		return rc;
	export_environment(context);
	rc = run_program(context, options, argv, err);
	umount_containers(context, &options->mounts);
	return rc;
}

const struct command command_unshare = {
	.name = "unshare",
	.arguments = "[--mount [NAME=]CONTAINER] [--] [COMMAND [ARGUMENT...]]",
	.summary = "run a program where containers can be mounted",
	.description =
		"Starts COMMAND (default: $SHELL) in a user namespace in which the caller is root and its subordinate "
		"ids exist, and in a mount namespace of its own: there 'cooper mount' works, and files of containers "
		"have their true owners. The command's exit status is passed on. Inside of it another unshare changes "
		"nothing.\n\n"
		"Where only one id is mapped, a process beside COMMAND answers its system calls about owners and ids, "
		"with what is recorded. Where there is no user namespace at all (rungs 3 and 4, see 'cooper info') it "
		"does so, too: COMMAND is shown its own files as root's, 'cooper mount' gives a plain directory, and "
		"owners, modes, devices and file capabilities given there are the committed layer's. What the kernel "
		"alone can give fails there as it does for any user: chroot(8), mount(8), reading what is closed to "
		"the "
		"caller outside of containers. Unless the caller has CAP_SYS_ADMIN, COMMAND runs with no_new_privs "
		"then: "
		"set-user-ID programs (sudo, ping) get no rights.\n\n"
		"A script may start with the line: #!/usr/bin/env -S cooper unshare sh",
	.examples = "  cooper unshare sh -c 'cp app $(cooper mount ctr)/usr/bin/'\n  cooper unshare --mount ROOT=ctr "
		    "sh -c 'ls $ROOT'",
	.needs = NEEDS_STORE | NEEDS_WORKER | STAYS_IN_SESSION,
	.order = OPTIONS_UNTIL_COMMAND,
	.command_after = 0,
	.max_args = SIZE_MAX,
	.options = {{&group, 0}},
	.options_size = sizeof(struct unshare_options),
	.run = run,
};

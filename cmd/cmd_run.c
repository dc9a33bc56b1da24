/*
 * cooper run: one command in a working container.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/secret.h"
#include "builder/script_cache.h"
#include "builder/step.h"
#include "cmd/flags.h"

struct run_options {
	const char *user, *workingdir, *tty, *contextdir, *valid_exit_codes;
	bool add_history, cache;
	struct strlist env, mounts, secrets, ssh;
	struct run_flags run;
};

#define RUN(member) offsetof(struct run_options, member)
static const struct option_spec rows[] = {
	{"env", 'e', OPTION_LIST, RUN(env), "KEY[=VALUE]", "set a variable for this command"},
	{"user", 'u', OPTION_TEXT, RUN(user), "USER[:GROUP]", "run as this user of the image"},
	{"workingdir", 0, OPTION_TEXT, RUN(workingdir), "DIR", "run in this directory"},
	{"workdir", 0, OPTION_TEXT, RUN(workingdir), "DIR", NULL},
	{"tty", 't', OPTION_OPTIONAL, RUN(tty), "BOOL", "give the command a terminal (default: when stdin is one)",
	 "true"},
	{"terminal", 0, OPTION_OPTIONAL, RUN(tty), "BOOL", NULL, "true"},
	{"mount", 0, OPTION_LIST, RUN(mounts), "type=TYPE,…",
	 "mount: bind, tmpfs, cache, secret, ssh (as in a Dockerfile's RUN)"},
	{"secret", 0, OPTION_LIST, RUN(secrets), "id=ID[,src=FILE|env=VAR]", "a secret for --mount type=secret,id=ID"},
	{"ssh", 0, OPTION_LIST, RUN(ssh), "default|ID=SOCKET|KEY", "an ssh agent for --mount type=ssh"},
	{"contextdir", 0, OPTION_TEXT, RUN(contextdir), "DIR", "relative sources of mounts are in DIR"},
	{"cache", 0, OPTION_FLAG, RUN(cache), NULL,
	 "take the result from the cache when nothing that counts has changed"},
	{"add-history", 0, OPTION_FLAG, RUN(add_history), NULL, "add the command to the image's history"},
	{"valid-exit-codes", 0, OPTION_TEXT, RUN(valid_exit_codes), "LIST", "statuses besides 0 that count as success"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_terminal(const char *text, enum run_terminal *terminal, struct error **err)
{
	*terminal = RUN_TERMINAL_AUTO;
	if (!text)
		return 0;
	bool on = true;
	int rc = parse_bool(text, "--tty", &on, err);
	*terminal = on ? RUN_TERMINAL_YES : RUN_TERMINAL_NO;
	return rc;
}

static int read_settings(const struct run_options *options, struct settings *settings, struct error **err)
{
	if (options->user)
		mem_replace(&settings->user, options->user);
	if (options->workingdir)
		mem_replace(&settings->workingdir, options->workingdir);
	strlist_append_all(&settings->env, &options->env);
	strlist_append_all(&settings->mounts, &options->mounts);
	return run_flags_read(&options->run, settings, err);
}

/* "1,2,5" */
static int status_is_valid(const char *list, int status, bool *valid, struct error **err)
{
	cleanup(strlist_done) struct strlist codes = {0};
	*valid = status == 0;
	if (!list)
		return 0;
	strlist_split(&codes, list, ',');
	for (size_t i = 0; i < codes.count; i++) {
		uint64_t code = 0;
		int rc = parse_u64(codes.items[i], 255, "--valid-exit-codes", &code, err);
		if (rc < 0)
			return rc;
		if ((int)code == status)
			*valid = true;
	}
	return 0;
}

static int add_history(struct command_context *context, struct container *c, const struct strlist *argv,
		       struct error **err)
{
	struct history *entries = mem_grow(c->pending, c->pending_count + 1, sizeof(*entries));
	c->pending = entries;
	entries[c->pending_count++] = (struct history){
		.created = format_time(context->now, 0), .created_by = script_run_text(argv), .empty_layer = true};
	return container_save(context->workshop, c, err);
}

/* With --cache it is the same command whoever starts it and from where: it reads nothing from us. */
static int run_cached(struct command_context *context, struct container *c, struct step_options *step,
		      struct run_result *result, struct error **err)
{
	bool cached = false;

	if (step->terminal == RUN_TERMINAL_YES)
		return error_set(err, EINVAL, "--cache: a command that has a terminal cannot be cached");
	step->stdin_fd = -1;
	step->terminal = RUN_TERMINAL_NO;
	int rc = script_run(context->workshop, c, step, result, &cached, err);
	if (rc == 0 && cached)
		log_info("cached");
	return rc;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct run_options *options = values;
	if (args->count < 2)
		return error_set(err, EINVAL, "command must be specified");
	cleanup(settings_done) struct settings settings = {0};
	cleanup(container_done) struct container container = {0};
	cleanup(strlist_done) struct strlist argv = {0};
	struct step_options step = {.settings = &settings,
				    .argv = &argv,
				    .contextdir = options->contextdir,
				    .stdin_fd = STDIN_FILENO,
				    .stdout_fd = -1,
				    .stderr_fd = -1};
	cleanup(secret_grants_done) struct secret_grants grants = {.ssh = &options->ssh};
	struct run_result result = {0};
	for (size_t i = 1; i < args->count; i++)
		strlist_append(&argv, args->items[i]);
	int rc = read_settings(options, &settings, err);
	for (size_t i = 0; rc == 0 && i < options->secrets.count; i++)
		rc = secret_grants_add(&grants, options->secrets.items[i], err);
	step.grants = &grants;
	if (rc == 0)
		rc = read_terminal(options->tty, &step.terminal, err);
	bool valid = false;
	if (rc == 0)
		rc = status_is_valid(options->valid_exit_codes, 0, &valid, err);
	/* A result that is taken from the cache may need no user namespace. */
	if (rc >= 0 && !options->cache)
		rc = workshop_enter(context->workshop, err);
	if (rc < 0)
		return rc;
	cleanup_close int held = container_acquire_to_use(context->workshop, args->items[0], &container, err);
	if (held < 0)
		return held;
	rc = options->cache ? run_cached(context, &container, &step, &result, err)
			    : step_run(context->workshop, &container, &step, &result, err);
	cleanup_free char *message = result.message;
	if (rc < 0)
		return rc;
	if (message)
		fprintf(stderr, "cooper: %s\n", message);
	/* A cached step has a layer, and so its entry, in any case. */
	bool history = history_flag_is_on(options->add_history) && !options->cache;
	rc = status_is_valid(options->valid_exit_codes, result.status, &valid, err);
	if (rc == 0 && valid && result.started && history)
		rc = add_history(context, &container, &argv, err);
	if (rc < 0)
		return rc;
	return valid && result.started ? 0 : result.status;
}

const struct command command_run = {
	.name = "run",
	.arguments = "[OPTIONS] CONTAINER [--] COMMAND [ARGUMENT...]",
	.summary = "run a command in a working container",
	.description =
		"The command is executed as it is given, without a shell, with the container's environment, user and "
		"directory. Its exit status is passed on; 127 means that it was not found, 126 that it could not be "
		"executed, 125 an error of cooper's own.\n\n"
		"The command runs in namespaces of its own (user, pid, mount, ipc, uts, cgroup), under a system call "
		"filter, with the eleven default capabilities, and with the network of the host unless --network says "
		"otherwise.\n\n"
		"With --cache the command is a step like one of a Dockerfile. Its key is made of the layers that the "
		"container stands on, the command, its environment (without proxies), user and directory, the options "
		"that it can see, and the contents of what is mounted; of a cache mount only the name. If a command "
		"with this key has succeeded before, what it changed is taken as it was, nothing is run or printed "
		"but the word 'cached' on standard error, and the exit status is 0. Otherwise it is run, and when it "
		"succeeds its changes become a layer of the container and are remembered. Such a command has no "
		"standard input and no terminal, and cannot write to a --volume. What was changed in the container "
		"without --cache becomes a layer of its own first, which is part of the key with the times of its "
		"files.",
	.examples = "  cooper run $ctr -- apt-get install -y nginx\n  cooper run --user www-data $ctr id\n"
		    "  cooper run --mount type=cache,target=/var/cache/apt $ctr -- apt-get update\n"
		    "  cooper run --secret id=token,src=token.txt --mount type=secret,id=token $ctr -- ./fetch",
	.needs = NEEDS_STORE,
	.order = OPTIONS_UNTIL_COMMAND,
	.command_after = 1,
	.min_args = 1,
	.max_args = SIZE_MAX,
	.options = {{&group, 0}, {&run_group, offsetof(struct run_options, run)}},
	.options_size = sizeof(struct run_options),
	.run = run,
};

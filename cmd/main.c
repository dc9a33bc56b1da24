/*
 * The front door: global options, the command's options, what the command needs, and the one place where errors are
 * printed.
 */
#include "cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/refused.h"
#include "builder/session_server.h"
#include "cmd/first_process.h"

struct global_options {
	const char *root, *runroot, *log_level, *isolation, *min_rung, *registries_conf, *signature_policy;
	bool durable, debug, version;
};

#define GLOBAL(member) offsetof(struct global_options, member)
static const struct option_spec global_rows[] = {
	{"root", 0, OPTION_TEXT, GLOBAL(root), "DIR", "where images and containers are kept"},
	{"runroot", 0, OPTION_TEXT, GLOBAL(runroot), "DIR", "where state that ends with the login is kept"},
	{"log-level", 0, OPTION_TEXT, GLOBAL(log_level), "LEVEL", "error, warn, info, debug or trace (default info)"},
	{"debug", 0, OPTION_FLAG, GLOBAL(debug), NULL, "the same as --log-level debug"},
	{"durable", 0, OPTION_FLAG, GLOBAL(durable), NULL, "sync unpacked layers to disk as well as blobs"},
	{"min-isolation", 0, OPTION_TEXT, GLOBAL(min_rung), "RUNG",
	 "refuse to run a step below this rung (1, 2, 1p, 2p, 3, 4)"},
	{"registries-conf", 0, OPTION_TEXT, GLOBAL(registries_conf), "FILE", "read this registries.conf"},
	{"signature-policy", 0, OPTION_TEXT, GLOBAL(signature_policy), "FILE",
	 "which images may be used (default policy.json in ~/.config/containers or /etc/containers)"},
	{"version", 'v', OPTION_FLAG, GLOBAL(version), NULL, "print the version"},
	{"storage-driver", 0, OPTION_UNNEEDED, 0, "NAME", "accepted for scripts; cooper has one store"},
	{"storage-opt", 0, OPTION_UNNEEDED, 0, "OPTION", "accepted for scripts; cooper has one store"},
	{"registries-conf-dir", 0, OPTION_UNNEEDED, 0, "DIR", NULL},
	{"short-name-alias-conf", 0, OPTION_UNNEEDED, 0, "FILE", NULL},
	{"cgroup-manager", 0, OPTION_UNNEEDED, 0, "NAME", NULL},
	{"default-mounts-file", 0, OPTION_UNNEEDED, 0, "FILE", NULL},
};
static const struct option_group global_group = {"Global options", global_rows, ARRAY_COUNT(global_rows)};
const struct option_use global_options[] = {{&global_group, 0}, {NULL, 0}};

static const struct option_spec *find_leading(const struct option_use *uses, const char *word)
{
	const char *name = word + (word[1] == '-' ? 2 : 1);
	cleanup_free char *bare = mem_strndup(name, strcspn(name, "="));
	size_t offset;
	const struct option_spec *row = option_find(global_options, bare, &offset);

	return row || !uses ? row : option_find(uses, bare, &offset);
}

/* How many words an option and its value are. */
static int count_words(const struct option_use *uses, const char *word)
{
	const struct option_spec *row = strchr(word, '=') ? NULL : find_leading(uses, word);

	return row && (row->kind == OPTION_TEXT || row->kind == OPTION_UNNEEDED) ? 2 : 1;
}

/* Where, from argv[at] on, the first word is that is no option of `uses` (may be NULL) or global one, nor its value:
 * the name of a command. */
static int skip_options(int argc, char *const *argv, int at, const struct option_use *uses)
{
	while (at < argc && argv[at][0] == '-' && argv[at][1])
		at += count_words(uses, argv[at]);
	return at < argc ? at : argc;
}

static int set_up_log(const struct global_options *options, struct error **err)
{
	enum log_level level = LOG_INFO;
	const char *text = options->log_level ? options->log_level : env_plain("LOGLEVEL");
	int rc = text ? log_level_parse(text, &level, err) : 0;
	if (rc < 0)
		return error_prefix(err, options->log_level ? "--log-level" : "LOGLEVEL");
	log_set_level(options->debug ? LOG_DEBUG : level);
	return trace_parse(env_plain("COOPER_TRACE"), err);
}

/* An option and the variable of the same meaning are read in one place below: containers-registries.conf(5), and the
 * trust policy, which whoever fetches an image asks. */
static int set_configuration_files(const struct global_options *options, struct error **err)
{
	/* Now: not every command comes to read it, and a name that is wrong should not show only in those that do. */
	if (options->registries_conf && access(options->registries_conf, R_OK) < 0)
		return error_set_errno(err, "--registries-conf %s", options->registries_conf);
	if (options->registries_conf)
		setenv("CONTAINERS_REGISTRIES_CONF", options->registries_conf, /* overwrite */ 1);
	if (options->signature_policy)
		setenv("COOPER_SIGNATURE_POLICY", options->signature_policy, /* overwrite */ 1);
	return 0;
}

static char *default_root(void)
{
	const char *root = env_plain("COOPER_ROOT");
	if (root)
		return mem_strdup(root);
	if (geteuid() == 0 && !env_plain("_COOPER_USERNS"))
		return mem_strdup("/var/lib/cooper");
	cleanup_free char *data = env_data_home();
	return mem_printf("%s/cooper", data);
}

static char *default_runroot(const char *root)
{
	const char *runroot = env_plain("COOPER_RUNROOT");
	if (runroot)
		return mem_strdup(runroot);
	cleanup_free char *runtime = env_runtime_dir();
	return runtime ? mem_printf("%s/cooper", runtime) : mem_printf("%s/run", root);
}

static int absolute_path(const char *path, char **absolute, struct error **err)
{
	/* A script's variable that is not set: the working directory is not what it means. */
	if (path[0] == '\0')
		return error_set(err, EINVAL, "the path is empty");
	if (path[0] == '/') {
		*absolute = mem_strdup(path);
		return 0;
	}
	cleanup_free char *cwd = getcwd(NULL, 0);
	/* Removed, or unreachable from our root (getcwd(3)): then `path` is below nothing. */
	if (!cwd || cwd[0] != '/')
		return error_set(err, ENOENT, "'%s' is relative, and the working directory is gone", path);
	*absolute = mem_printf("%s/%s", cwd, path);
	return 0;
}

static int read_source_date_epoch(int64_t *epoch, struct error **err)
{
	const char *text = env_plain("SOURCE_DATE_EPOCH");
	*epoch = -1;
	return text ? parse_i64(text, 0, INT64_MAX, "SOURCE_DATE_EPOCH", epoch, err) : 0;
}

/* What the command was told, if it has such an option: it decides what the command stands in. */
static const char *isolation_of(const struct command *command, const void *values)
{
	size_t offset = 0;
	const struct option_spec *row = option_find(command->options, "isolation", &offset);
	const char *const *value = row ? (const void *)((const char *)values + offset + row->offset) : NULL;

	return value && *value ? *value : env_get("ISOLATION");
}

static int open_workshop(const struct global_options *options, const char *isolation, struct command_context *context,
			 struct error **err)
{
	cleanup_free char *default_dir = default_root();
	cleanup_free char *root = NULL, *runroot = NULL;
	int rc = absolute_path(options->root ? options->root : default_dir, &root, err);
	if (rc < 0)
		return error_prefix(err, options->root ? "--root" : "store");
	cleanup_free char *default_run = default_runroot(root);
	rc = absolute_path(options->runroot ? options->runroot : default_run, &runroot, err);
	if (rc < 0)
		return error_prefix(err, "--runroot");
	struct workshop_options workshop = {
		.store = {.root = root, .runroot = runroot, .durable = options->durable},
		.isolation = isolation,
		.now = context->now,
	};
	rc = read_source_date_epoch(&workshop.source_date_epoch, err);
	if (rc < 0)
		return rc;
	if (options->min_rung && (rc = rung_parse(options->min_rung, &workshop.min_rung, err)) < 0)
		return error_prefix(err, "--min-isolation");
	rc = workshop_open(&workshop, &context->workshop, err);
	if (rc < 0)
		return rc;
	context->store = workshop_store(context->workshop);
	return 0;
}

static int check_argument_count(const struct command *command, const struct strlist *args, struct error **err)
{
	size_t max = command->max_args > command->min_args ? command->max_args : command->min_args;
	if (args->count >= command->min_args && args->count <= max)
		return 0;
	cleanup_free char *name = command_full_name(command, ' ');
	const char *usage = command->arguments ? command->arguments : "";
	if (args->count > max)
		return error_set(err, EINVAL, "too many arguments: '%s' (usage: cooper %s %s)", args->items[max], name,
				 usage);
	return error_set(err, EINVAL, "missing argument (usage: cooper %s %s)", name, usage);
}

static int run_command(const struct command *command, const struct global_options *globals, void *options,
		       const struct strlist *args, struct error **err)
{
	struct command_context context = {.now = time(NULL)};
	int rc = check_argument_count(command, args, err);
	if (rc == 0 && command->needs & (NEEDS_STORE | NEEDS_WORKER) && !(command->needs & STAYS_IN_SESSION) &&
	    session_is_served())
		return session_ask(err);
	if (rc == 0)
		rc = set_configuration_files(globals, err);
	if (rc == 0 && (command->needs & (NEEDS_STORE | NEEDS_WORKER)))
		rc = open_workshop(globals, isolation_of(command, options), &context, err);
	if (rc == 0 && (command->needs & NEEDS_WORKER))
		rc = workshop_enter(context.workshop, err);
	if (rc == 0)
		rc = command->run(&context, options, args, err);
	if (context.workshop)
		refused_sweep(context.workshop);
	workshop_close(context.workshop);
	return rc;
}

/* What is on stdout is the result: that it could not be written is a failure too. */
static int flush_result(struct error **err)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return error_set_errno(err, "write to standard output");
	return 0;
}

static int parse_and_run(const struct command *command, int argc, char *const *argv, int leading, struct error **err)
{
	struct global_options globals = {0};
	cleanup_free void *options = mem_alloc(command->options_size);
	cleanup(strlist_done) struct strlist args = {0}, none = {0};
	struct option_parser leading_parser = {.uses = global_options, .values = &globals};
	struct option_parser parser = {.uses = command->options,
				       .values = options,
				       .order = command->order,
				       .command_after = command->command_after,
				       .globals = global_options,
				       .global_values = &globals};
	int rc = option_parse(&leading_parser, leading - 1, argv + 1, &none, err);
	if (rc == 0)
		rc = option_parse(&parser, argc - leading - 1, argv + leading + 1, &args, err);
	if (rc == 0)
		rc = set_up_log(&globals, err);
	if (rc == 0 && (parser.wants_help || leading_parser.wants_help || command->commands))
		help_print_command(command);
	else if (rc == 0)
		rc = run_command(command, &globals, options, &args, err);
	option_done(command->options, options);
	return rc;
}

/* What people of other builders type first, and how it is done here. */
static const struct {
	const char *name, *way;
} elsewhere[] = {
	{"save", "see 'cooper push IMAGE docker-archive:FILE'"},
	{"load", "see 'cooper pull docker-archive:FILE'"},
	{"exec", "see 'cooper run'"},
};

/* `group` is NULL for the commands that stand in none. */
static int unknown_command(const struct command *group, const char *name, struct error **err)
{
	for (size_t i = 0; !group && i < ARRAY_COUNT(elsewhere); i++)
		if (strcmp(elsewhere[i].name, name) == 0)
			return error_set(err, EINVAL, "unknown command '%s': %s", name, elsewhere[i].way);
	const struct command *const *list = group ? group->commands : commands;
	const char *nearest = NULL;
	size_t least = 3;
	for (size_t i = 0; list[i]; i++) {
		size_t edits = option_edits(name, list[i]->name);
		if (edits < least && 2 * edits <= strlen(name)) {
			least = edits;
			nearest = list[i]->name;
		}
	}
	cleanup_free char *before = group ? mem_printf("%s ", group->name) : mem_strdup("");
	if (nearest)
		return error_set(err, EINVAL, "unknown command '%s%s' (did you mean '%s%s'?)", before, name, before,
				 nearest);
	return error_set(err, EINVAL, "unknown command '%s%s' (see cooper %s--help)", before, name, before);
}

/* Puts what stands between a group's name and the command's behind the latter, into `moved`, which has room for as many
 * words and a NULL; gives their number. Options of the group that mean nothing to the command are left out: a script
 * may say them once for all. */
static int move_group_options(const struct command *command, int argc, char *const *argv, int group_at, int at,
			      char **moved)
{
	const struct command *group = command_find(argv[group_at]);
	int count = 0;

	for (int i = 0; i <= group_at; i++)
		moved[count++] = argv[i];
	moved[count++] = argv[at];
	for (int i = group_at + 1; i < at;) {
		int end = i + count_words(group->options, argv[i]);
		/* What nobody knows stays, to be told as that. */
		bool is_meant = find_leading(command->options, argv[i]) || !find_leading(group->options, argv[i]);
		for (; i < end && i < at; i++)
			if (is_meant)
				moved[count++] = argv[i];
	}
	for (int i = at + 1; i < argc; i++)
		moved[count++] = argv[i];
	moved[count] = NULL;
	return count;
}

/* argv[at] names a command. *command is set to what runs in the end, for its exit status. */
static int dispatch_command(int argc, char *const *argv, int at, const struct command **command, struct error **err)
{
	const struct command *group = NULL, *found = command_find(argv[at]);
	int group_at = at;
	while (found && found->commands) {
		group = *command = found;
		int next = skip_options(argc, argv, at + 1, group->options);
		/* Without a further word it can only be asked what there is. */
		if (next >= argc)
			return parse_and_run(group, argc, argv, at, err);
		group_at = at;
		at = next;
		found = command_find_in(group, argv[at]);
	}
	if (!found)
		return unknown_command(group, argv[at], err);
	*command = found;
	if (!group || !group->options[0].group)
		return parse_and_run(found, argc, argv, at, err);
	cleanup_free char **moved = mem_alloc(((size_t)argc + 1) * sizeof(*moved));
	argc = move_group_options(found, argc, argv, group_at, at, moved);
	return parse_and_run(found, argc, moved, group_at + 1, err);
}

static int dispatch(int argc, char *const *argv, const struct command **command, struct error **err)
{
	int leading = skip_options(argc, argv, 1, /* uses */ NULL);
	if (leading < argc)
		return dispatch_command(argc, argv, leading, command, err);
	struct global_options globals = {0};
	cleanup(strlist_done) struct strlist none = {0};
	struct option_parser parser = {.uses = global_options, .values = &globals};
	int rc = option_parse(&parser, argc - 1, argv + 1, &none, err);
	if (rc < 0)
		return rc;
	if (globals.version) {
		version_print_line();
		return 0;
	}
	help_print_all();
	return 0;
}

/* A caller may have closed stdin, stdout or stderr. The next file opened would take the place, and be what a step reads
 * as its stdin (a directory of the store: a way out of the container) or what our result is written into. Reading then
 * gives the end; writing to stdout fails as before, because the result is lost; what goes to stderr is nobody's. */
static void fill_standard_descriptors(void)
{
	static const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
			_exit(EXIT_COOPER);
}

/* A pipe without a reader: poll(2), "POLLERR". */
static bool nobody_reads_result(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};
	return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/* Whoever read our result has read enough. Everything is done; what a shell expects of a filter in such a pipe is that
 * it ends by the signal, without a word. The signal is ignored otherwise, because sockets and children break, too. */
static void end_by_sigpipe(void)
{
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

static int failure_status(const struct command *command, int rc)
{
	if (command && rc == -ENOENT && command->missing_status)
		return command->missing_status;
	return command && command->failure_status ? command->failure_status : EXIT_COOPER;
}

/* jansson would open /dev/urandom for it, at its first object. */
static void seed_json(void)
{
	size_t seed = 0;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		json_object_seed(seed);
}

/* Passwords, keys and secrets of builds are in our memory. What we start inherits it, and may raise it again. */
static void leave_no_core(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return;
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &limit);
}

int main(int argc, char **argv)
{
	fill_standard_descriptors();
	leave_no_core();
	signal(SIGPIPE, SIG_IGN);
	first_process_end_by_signals();
	signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would take the statuses of our children */
	umask(0022);
	seed_json();
	cleanup_error struct error *err = NULL;
	const struct command *command = NULL;
	int rc = dispatch(argc, argv, &command, &err);
	if (rc >= 0) {
		int flushed = flush_result(&err);
		if (flushed < 0 && nobody_reads_result())
			end_by_sigpipe();
		if (flushed < 0)
			rc = flushed;
	}
	if (rc >= 0)
		return rc;
	fprintf(stderr, "cooper: %s\n", error_message(err));
	return failure_status(command, rc);
}

/*
 * The options of build, and the checks that need no Dockerfile. Those of one concept have a file of their own; here are
 * the others, and the order in which all are read.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "builder/git.h"

#define ARG_FILE_MAX ((size_t)1 << 20)
#define JOBS_MAX 1024

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec rows[] = {
	{"file", 'f', OPTION_LIST, BUILD(files), "FILE",
	 "the Dockerfile (default: Containerfile or Dockerfile of the context; - is standard input)"},
	{"tag", 't', OPTION_LIST, BUILD(tags), "NAME", "name of the image, or a place it also goes to"},
	{"target", 0, OPTION_TEXT, BUILD(target), "STAGE", "build this stage (default: the last)"},
	{"build-arg", 0, OPTION_LIST, BUILD(build_args), "KEY[=VALUE]", "value of an ARG"},
	{"build-arg-file", 0, OPTION_LIST, BUILD(build_arg_files), "FILE", "values of ARGs, one KEY=VALUE in a line"},
	{"build-context", 0, OPTION_LIST, BUILD(build_contexts), "NAME=WHERE",
	 "a further context: directory, git or http address, docker-image://NAME, oci-layout://DIR"},
	{"secret", 0, OPTION_LIST, BUILD(secrets), "id=ID[,src=FILE|env=VAR]", "a secret for RUN --mount=type=secret"},
	{"ssh", 0, OPTION_LIST, BUILD(ssh), "default|ID=SOCKET|KEY", "an ssh agent for RUN --mount=type=ssh"},
	{"jobs", 0, OPTION_TEXT, BUILD(jobs), "N",
	 "stages at the same time, of all platforms together (default: one for each processor, at least 4)"},
	{"ignorefile", 0, OPTION_TEXT, BUILD(ignorefile), "FILE", "use this instead of .dockerignore"},
	{"context-modes", 0, OPTION_TEXT, BUILD(context_modes), "KIND",
	 "files (default) or git: only the executable bit of a file's mode counts"},
	{"from", 0, OPTION_TEXT, BUILD(from), "IMAGE", "image of the first FROM"},
	{"allow", 0, OPTION_LIST, BUILD(allow), "WHAT", "let steps ask for it: security.insecure, network.host"},
	{"mount", 0, OPTION_LIST, BUILD(mounts), "type=TYPE,…", "a mount for every RUN"},
	{"stdin", 0, OPTION_FLAG, BUILD(pass_stdin), NULL, "give steps our standard input (default: nothing)"},
	{"call", 0, OPTION_TEXT, BUILD(call), "METHOD",
	 "check, outline or targets[,format=json]: say what the Dockerfile holds, build nothing"},
	{"check", 0, OPTION_FLAG, BUILD(check), NULL, "the same as --call=check"},
	{"debug", 0, OPTION_FLAG, BUILD(debug), NULL,
	 "open a shell in a RUN that fails, on the terminal; stages are built one after the other"},
	{"progress", 0, OPTION_TEXT, BUILD(progress), "KIND", "auto, plain, tty, json, quiet"},
	{"quiet", 'q', OPTION_FLAG, BUILD(quiet), NULL, "nothing but the id"},
	{"logfile", 0, OPTION_TEXT, BUILD(logfile), "FILE", "write what the build says to FILE"},
	{"logsplit", 0, OPTION_FLAG, BUILD(logsplit), NULL,
	 "with --logfile, a file for each platform: FILE_linux_amd64"},
	{"cpp-flag", 0, OPTION_LIST, BUILD(cpp_flags), "FLAG", "for cpp, which reads a Dockerfile that ends in .in"},
};
const struct option_group build_group = {NULL, rows, ARRAY_COUNT(rows)};

static void free_places(struct cache_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cache_place_done(&places[i]);
	free(places);
}

void build_request_done(struct build_request *request)
{
	strlist_done(&request->build_args);
	strlist_done(&request->tags);
	strlist_done(&request->names);
	strlist_done(&request->places);
	strlist_done(&request->annotations);
	strlist_done(&request->no_cache_stages);
	for (size_t i = 0; i < request->output_count; i++)
		output_done(&request->outputs[i]);
	free(request->outputs);
	secret_grants_done(&request->grants);
	free_places(request->cache_from, request->cache_from_count);
	free_places(request->cache_to, request->cache_to_count);
	settings_done(&request->settings);
	for (size_t i = 0; i < request->platform_count; i++)
		platform_done(&request->platforms[i]);
	free(request->platforms);
	free(request->manifest);
	free(request->builder_id);
	sign_request_done(&request->sign);
	*request = (struct build_request){0};
}

/* ---- what goes in ---- */

static int read_arg_file(const char *path, struct strlist *args, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(ARG_FILE_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	int rc = fd_read_user_file(path, &text, err);

	if (rc < 0)
		return error_prefix(err, "--build-arg-file");
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		char *line = lines.items[i];
		line += strspn(line, " \t");
		size_t size = strlen(line);
		while (size && strchr(" \t\r", line[size - 1]))
			line[--size] = '\0';
		if (size && *line != '#')
			strlist_append(args, line);
	}
	return 0;
}

bool build_request_switch(const struct build_request *request, const char *name)
{
	const char *value = NULL;
	bool on = false;

	for (size_t i = 0; i < request->build_args.count; i++) {
		const char *text = request->build_args.items[i];
		if (strcmp(text, name) == 0)
			value = getenv(name);
		else if (text_has_prefix(text, name) && text[strlen(name)] == '=')
			value = text + strlen(name) + 1;
	}
	return value && parse_bool(value, name, &on, /* err */ NULL) == 0 && on;
}

static int read_build_args(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < flags->build_arg_files.count; i++)
		rc = read_arg_file(flags->build_arg_files.items[i], &request->build_args, err);
	/* The later of two wins. */
	strlist_append_all(&request->build_args, &flags->build_args);
	for (size_t i = 0; rc == 0 && i < request->build_args.count; i++)
		if (request->build_args.items[i][0] == '=' || !request->build_args.items[i][0])
			return error_set(err, EINVAL, "--build-arg '%s': the name is missing",
					 request->build_args.items[i]);
	return rc;
}

static int read_grants(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < flags->secrets.count; i++)
		rc = secret_grants_add(&request->grants, flags->secrets.items[i], err);
	request->grants.ssh = &flags->ssh;
	request->options.grants = &request->grants;
	return rc;
}

/* "fs.read=…" and the like are about buildx's own client. */
static int check_allowed(const struct strlist *allow, struct error **err)
{
	for (size_t i = 0; i < allow->count; i++) {
		const char *text = allow->items[i];
		/* Devices are the machine's and the user's own: nothing keeps steps from asking for them. */
		bool is_device = strcmp(text, "device") == 0 || text_has_prefix(text, "device=");
		if (strcmp(text, "security.insecure") != 0 && strcmp(text, "network.host") != 0 && !is_device)
			return error_set(err, EINVAL, "--allow '%s': use security.insecure, network.host or device",
					 text);
	}
	return 0;
}

/* Neither an image nor an address. */
static bool looks_like_directory(const char *where)
{
	return !strstr(where, "://") && !git_address_is(where) && strcmp(where, "-") != 0;
}

/* What is misspelt here would be met only by a step that asks for that name, or never. */
static int check_contexts(const struct strlist *contexts, struct error **err)
{
	for (size_t i = 0; i < contexts->count; i++) {
		const char *text = contexts->items[i];
		const char *equals = strchr(text, '=');
		if (!equals || equals == text || !equals[1])
			return error_set(err, EINVAL, "--build-context '%s': not of the form NAME=WHERE", text);
		if (looks_like_directory(equals + 1) && access(equals + 1, F_OK) < 0)
			return error_set_errno(err, "--build-context '%s'", text);
	}
	return 0;
}

static int read_inputs(const struct command_context *context, const struct build_flags *flags,
		       struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = check_allowed(&flags->allow, err);

	if (rc == 0)
		rc = read_build_args(flags, request, err);
	if (rc == 0)
		rc = read_grants(flags, request, err);
	if (rc == 0)
		rc = check_contexts(&flags->build_contexts, err);
	options->git_modes = flags->context_modes && strcmp(flags->context_modes, "git") == 0;
	if (rc == 0 && flags->context_modes && !options->git_modes && strcmp(flags->context_modes, "files") != 0)
		return error_set(err, EINVAL, "--context-modes '%s': use files or git", flags->context_modes);
	options->build_args = &request->build_args;
	options->named_contexts = &flags->build_contexts;
	options->target = flags->target;
	options->allow = &flags->allow;
	options->pass_stdin = flags->pass_stdin;
	return rc;
}

/* ---- how it goes ---- */

static int read_call(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	static const char *const methods[] = {"build", "check", "outline", "targets"};
	size_t method = 0;

	request->call = flags->check ? BUILD_CALL_CHECK : BUILD_CALL_BUILD;
	if (!flags->call)
		return 0;
	strlist_split(&words, flags->call, ',');
	const char *name = words.count ? words.items[0] : "";
	while (method < ARRAY_COUNT(methods) && strcmp(methods[method], name) != 0)
		method++;
	if (strcmp(name, "lint") == 0)
		method = BUILD_CALL_CHECK;
	if (method == ARRAY_COUNT(methods))
		return error_set(err, EINVAL, "--call '%s': use build, check, outline or targets", flags->call);
	request->call = (enum build_call)method;
	for (size_t i = 1; i < words.count; i++) {
		request->call_json = strcmp(words.items[i], "format=json") == 0;
		if (!request->call_json && strcmp(words.items[i], "format=text") != 0)
			return error_set(err, EINVAL, "--call '%s': '%s' is neither format=json nor format=text",
					 flags->call, words.items[i]);
	}
	return 0;
}

static int read_progress(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	static const struct {
		const char *name;
		enum build_progress progress;
	} kinds[] = {
		{"auto", BUILD_PROGRESS_AUTO},	{"plain", BUILD_PROGRESS_PLAIN},  {"tty", BUILD_PROGRESS_TERMINAL},
		{"json", BUILD_PROGRESS_JSON},	{"rawjson", BUILD_PROGRESS_JSON}, {"quiet", BUILD_PROGRESS_QUIET},
		{"none", BUILD_PROGRESS_QUIET},
	};
	const char *text = flags->progress ? flags->progress : env_plain("BUILDKIT_PROGRESS");

	request->progress = BUILD_PROGRESS_AUTO;
	for (size_t i = 0; text && i < ARRAY_COUNT(kinds); i++)
		if (strcmp(kinds[i].name, text) == 0) {
			request->progress = kinds[i].progress;
			text = NULL;
		}
	if (text)
		return error_set(err, EINVAL, "--progress '%s': use auto, plain, tty, json or quiet", text);
	if (flags->quiet)
		request->progress = BUILD_PROGRESS_QUIET;
	if (!flags->debug)
		return 0;
	if (request->progress == BUILD_PROGRESS_JSON || request->progress == BUILD_PROGRESS_QUIET || flags->logfile)
		return error_set(err, EINVAL,
				 "--debug is for somebody at a terminal: it goes with --progress plain only");
	/* What is redrawn would be drawn over the shell. */
	request->progress = BUILD_PROGRESS_PLAIN;
	return 0;
}

static int read_manner(const struct command_context *context, const struct build_flags *flags,
		       struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	uint64_t jobs = 0;
	int rc = read_call(flags, request, err);

	if (rc == 0)
		rc = read_progress(flags, request, err);
	if (rc == 0 && flags->jobs)
		rc = parse_u64(flags->jobs, JOBS_MAX, "--jobs", &jobs, err);
	options->debug = flags->debug;
	/* Others would print into the shell. */
	options->jobs = flags->debug ? 1 : (int)jobs;
	options->quiet = request->progress == BUILD_PROGRESS_QUIET;
	return rc;
}

static int read_rooms_below(const struct command_context *context, const struct build_flags *flags,
			    struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = pull_flags_read(&flags->pull, &options->pull, err);

	if (rc == 0)
		rc = registry_flags_read(&flags->registry, options->quiet, &options->registry, err);
	if (rc == 0)
		rc = compression_flags_read(&flags->compression, &request->export, err);
	strlist_append_all(&request->settings.mounts, &flags->mounts);
	if (rc == 0)
		rc = run_flags_read(&flags->run, &request->settings, err);
	request->export.registry = options->registry;
	push_flags_apply(&flags->pushing, &request->export);
	request->export.check_push = false; /* that is asked before the first step */
	options->settings = &request->settings;
	return rc;
}

/* Before the build, which may take an hour: the passphrase is wrong now or never. */
static int read_signing(const struct command_context *context, const struct build_flags *flags,
			struct build_request *request, struct error **err)
{
	int rc = sign_flags_read(&flags->sign, context->now, &request->sign, err);

	request->export.signing = sign_request_wanted(&request->sign);
	if (rc == 0 && request->export.signing && !build_request_pushes(request))
		return error_set(err, EINVAL, "--sign-by…: signatures go with images that are pushed (see --push)");
	return rc;
}

int build_flags_read(const struct command_context *context, const struct build_flags *flags,
		     struct build_request *request, struct error **err)
{
	/* Each may use what those before it have read; who might ask for a passphrase comes late. */
	static build_flags_reader *const readers[] = {
		build_compat_flags_read,
		read_inputs,
		read_manner,
		build_output_flags_read,
		build_image_flags_read,
		read_rooms_below,
		build_platform_flags_read,
		build_cache_flags_read,
		build_attest_flags_read,
		read_signing,
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(readers); i++)
		rc = readers[i](context, flags, request, err);
	return rc;
}

/*
 * cooper build: a Dockerfile becomes an image.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/process.h"
#include "cmd/build_call.h"
#include "cmd/build_finish.h"
#include "cmd/build_flags.h"
#include "cmd/build_progress.h"
#include "cmd/build_report.h"
#include "dockerfile/dockerfile.h"

/* ---- the Dockerfile -----------------------------------------------------------------------------------------------
 */

/* "Dockerfile.in" goes through the C preprocessor, with the macros of the compiler left out; what it includes lies in
 * the context, else where we are (as Buildah has it). */
static int preprocess(const struct strlist *cpp_flags, int context, struct buf *text, struct error **err)
{
	cleanup_free char *directory =
		context < 0 ? mem_strdup(".") : mem_printf("/proc/%d/fd/%d", (int)getpid(), context);
	const char *const words[] = {"cpp",	"-E", "-P", "-traditional", "-undef", "-iquote", directory,
				     "-iquote", ".",  "-"};
	cleanup(strlist_done) struct strlist argv = {0};
	cleanup(buf_done) struct buf out = BUF_INIT(DOCKERFILE_SIZE_MAX);
	cleanup(buf_done) struct buf errors = BUF_INIT((size_t)64 << 10);
	struct process_result result = {0};

	strlist_append(&argv, words[0]);
	strlist_append_all(&argv, cpp_flags);
	for (size_t i = 1; i < ARRAY_COUNT(words); i++)
		strlist_append(&argv, words[i]);
	const struct process_spec spec = {.program = words[0], .argv = strlist_argv(&argv)};
	int rc = process_run(&spec, text->data, text->len, &out, &errors, /* timeout_ms */ 0, &result, err);
	if (rc < 0)
		return error_prefix(err, "cpp");
	if (result.status != 0)
		return error_set(err, EINVAL, "cpp ended with status %d: %s", result.status, buf_str(&errors));
	if (out.overflow)
		return error_set(err, EFBIG, "the Dockerfile is too large behind cpp");
	buf_clear(text);
	buf_append(text, buf_str(&out), out.len);
	return 0;
}

/* One file of --file; NULL: the context's own. */
static int read_one(const struct build_flags *flags, struct build_context *context, const char *path, struct buf *whole,
		    char **name, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(DOCKERFILE_SIZE_MAX);
	cleanup_free char *called = NULL;
	int rc = build_context_read_dockerfile(context, path, &text, &called, err);

	if (rc == 0 && text_has_suffix(called, ".in"))
		rc = preprocess(&flags->cpp_flags, build_context_fd(context), &text, err);
	if (rc < 0)
		return rc;
	/* Several are read as if they were one (as Buildah has it). */
	if (whole->len && whole->data[whole->len - 1] != '\n')
		buf_append_char(whole, '\n');
	buf_append(whole, buf_str(&text), text.len);
	if (!*name)
		*name = take_ptr(&called);
	return whole->overflow ? error_set(err, EFBIG, "the Dockerfile is too large") : 0;
}

/* "docker/dockerfile:1" and its kin, by whatever registry, name the language that is read here. */
static bool is_dockerfile_frontend(const char *syntax)
{
	const char *slash = strrchr(syntax, '/');
	const char *name = slash ? slash + 1 : syntax;
	size_t size = strcspn(name, ":@");

	return (size == strlen("dockerfile") && strncmp(name, "dockerfile", size) == 0) ||
	       (size == strlen("dockerfile-upstream") && strncmp(name, "dockerfile-upstream", size) == 0);
}

/* The checks want to see a file that is wrong, too. */
static int read_dockerfile(const struct build_flags *flags, enum build_call call, struct build_context *context,
			   struct dockerfile **file, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(DOCKERFILE_SIZE_MAX);
	cleanup_free char *name = NULL;
	int rc = flags->files.count ? 0 : read_one(flags, context, /* path */ NULL, &text, &name, err);

	for (size_t i = 0; rc == 0 && i < flags->files.count; i++)
		rc = read_one(flags, context, flags->files.items[i], &text, &name, err);
	if (rc == 0)
		rc = call == BUILD_CALL_CHECK ? dockerfile_parse_for_checks(buf_str(&text), text.len, name, file, err)
					      : dockerfile_parse(buf_str(&text), text.len, name, file, err);
	if (rc == 0 && (*file)->directives.syntax && !is_dockerfile_frontend((*file)->directives.syntax))
		log_warn("the front-end '%s' is not fetched, reading %s as a Dockerfile instead",
			 (*file)->directives.syntax, name);
	/* The base is the only thing in the file that the command line may replace. */
	if (rc == 0 && flags->from && (*file)->stage_count)
		mem_replace(&(*file)->stages[0].from->from.image, flags->from);
	return rc;
}

/* ---- building -----------------------------------------------------------------------------------------------------
 */

/* Of the request, or NULL for this machine's. */
static const struct platform *platform_at(const struct build_request *request, size_t number)
{
	return request->platform_count ? &request->platforms[number] : NULL;
}

/* Returns rc; of several platforms, the error says which is meant. */
static int name_platform(const struct build_request *request, size_t number, int rc, struct error **err)
{
	if (rc < 0 && request->platform_count > 1) {
		cleanup_free char *platform = platform_format(platform_at(request, number));
		error_prefix(err, "%s", platform);
	}
	return rc;
}

static void say_platform(const struct build_request *request, size_t number, const char *platform)
{
	const struct build_options *options = &request->options;
	cleanup_free char *line = mem_printf("PLATFORM %zu/%zu: %s", number + 1, request->platform_count, platform);
	const struct build_event event = {.kind = BUILD_SAYS, .text = line};

	if (options->event)
		options->event(&event, options->progress_context);
	else if (options->progress)
		options->progress(line, options->progress_context);
}

/* What is left to do for one platform when it is built: names come last, when something was still to be changed. */
static int end_one(struct command_context *context, struct build_request *request, size_t number,
		   const struct strlist *names, struct build_result *result, struct error **err)
{
	bool several = request->platform_count > 1;
	cleanup_free char *platform = several ? platform_format(platform_at(request, number)) : NULL;
	int rc = 0;

	if (!image_changes_are_none(&request->changes))
		rc = image_amend(context->workshop, &request->changes, names, &result->image, err);
	if (rc < 0)
		return rc;
	if (several)
		say_platform(request, number, platform);
	build_report_say(&request->options, platform, result, request->progress == BUILD_PROGRESS_JSON);
	return 0;
}

static int build_one(struct command_context *context, struct build_request *request, size_t number,
		     const struct strlist *names, struct build_result *result, struct error **err)
{
	static const struct strlist none = {0};
	struct build_options *options = &request->options;

	options->names = image_changes_are_none(&request->changes) ? names : &none;
	options->platform = platform_at(request, number);
	int rc = build_run(context->workshop, options, result, err);
	return rc < 0 ? rc : end_one(context, request, number, names, result, err);
}

/* What follows is about all platforms, and said to the user. */
static int end_split_log(struct build_request *request, struct build_progress_state *progress, struct error **err)
{
	build_progress_end(progress);
	return build_progress_begin(progress, request->progress, /* logfile */ NULL, &request->options, err);
}

/* --logsplit: "FILE_linux_amd64", as Buildah names it. */
static int begin_split_log(const struct build_flags *flags, struct build_request *request, size_t number,
			   struct build_progress_state *progress, struct error **err)
{
	cleanup(platform_done) struct platform platform = {0};

	if (request->platform_count)
		platform_copy(&platform, &request->platforms[number]);
	else
		platform_host(&platform);
	cleanup_free char *file = mem_printf("%s_%s_%s", flags->logfile, platform.os, platform.architecture);
	build_progress_end(progress);
	return build_progress_begin(progress, request->progress, file, &request->options, err);
}

/* A log for each: so they are built one after the other. */
static int build_split(struct command_context *context, const struct build_flags *flags, struct build_request *request,
		       struct build_progress_state *progress, struct build_outcome *outcome, struct error **err)
{
	static const struct strlist none = {0};
	bool several = request->platform_count > 1;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < outcome->count; i++) {
		rc = begin_split_log(flags, request, i, progress, err);
		if (rc < 0)
			return rc;
		rc = build_one(context, request, i, several ? &none : &request->names, &outcome->results[i], err);
		outcome->status = outcome->results[i].status;
		if (rc < 0)
			return name_platform(request, i, rc, err);
	}
	return end_split_log(request, progress, err);
}

/* The names are those of the list. */
static int build_together(struct command_context *context, struct build_request *request, struct build_outcome *outcome,
			  struct error **err)
{
	static const struct strlist none = {0};

	request->options.names = &none;
	int rc = build_run_platforms(context->workshop, &request->options, request->platforms, request->platform_count,
				     outcome->results, err);
	for (size_t i = 0; i < outcome->count && !outcome->status; i++)
		outcome->status = outcome->results[i].status;
	for (size_t i = 0; rc == 0 && i < outcome->count; i++)
		rc = name_platform(request, i, end_one(context, request, i, &none, &outcome->results[i], err), err);
	return rc;
}

static int build_each(struct command_context *context, const struct build_flags *flags, struct build_request *request,
		      struct build_progress_state *progress, struct build_outcome *outcome, struct error **err)
{
	if (flags->logsplit)
		return build_split(context, flags, request, progress, outcome, err);
	if (request->platform_count > 1)
		return build_together(context, request, outcome, err);
	int rc = build_one(context, request, /* number */ 0, &request->names, &outcome->results[0], err);
	outcome->status = outcome->results[0].status;
	return rc;
}

static int build(struct command_context *context, const struct build_flags *flags, struct build_request *request,
		 struct build_progress_state *progress, struct build_outcome *outcome, struct error **err)
{
	struct build_options *options = &request->options;
	size_t findings = 0;
	int rc = build_lint(context->workshop, request, options->file, options->context, &findings, err);

	if (rc == 0 && !flags->logsplit)
		rc = build_progress_begin(progress, request->progress, flags->logfile, options, err);
	if (rc == 0)
		rc = build_each(context, flags, request, progress, outcome, err);
	if (rc == 0)
		rc = build_outcome_list(context->workshop, request, outcome, err);
	if (rc == 0 && findings && !options->quiet)
		log_warn("the checks found %zu %s in the Dockerfile, building all the same (see --check)", findings,
			 findings == 1 ? "thing" : "things");
	return rc;
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

static int build_and_finish(struct command_context *context, const struct build_flags *flags,
			    struct build_request *request, struct error **err)
{
	cleanup(build_outcome_done) struct build_outcome outcome = {0};
	cleanup(registry_client_free) struct registry_client *client = NULL; /* one for all names */
	cleanup_close int hold = store_hold(context->store, err);
	request->export.client = &client;
	build_outcome_init(&outcome, request);
	/* Until all is pushed: the bars are part of it. */
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	int rc = hold < 0 ? hold : 0;

	if (rc == 0 && flags->pushing.check_push)
		rc = build_check_push(request, err);
	if (rc == 0)
		rc = build(context, flags, request, &progress, &outcome, err);
	if (rc < 0)
		build_progress_end(&progress);
	if (rc == -ECANCELED && outcome.status) {
		/* The status is the failed command's own; the error is said here, since main would say 125. */
		fprintf(stderr, "cooper: %s\n", error_message(*err));
		error_clear(err);
		return outcome.status;
	}
	if (rc < 0)
		return rc;
	request->export.registry.transfer = request->options.registry.transfer;
	request->export.registry.transfer_context = request->options.registry.transfer_context;
	return build_finish(context, flags, request, &progress, &outcome, err);
}

/* Also behind a build that failed: its steps have filled the cache. */
static void keep_cache_limits(struct command_context *context, const struct build_request *request)
{
	cleanup_error struct error *error = NULL;

	if (cache_limits_keep(context->workshop, &request->cache_limits, &error) < 0)
		log_warn("%s; the build cache is as large as it is", error_message(error));
}

static int check_terminal(const struct build_request *request, struct error **err)
{
	for (size_t i = 0; i < request->output_count; i++)
		if (output_is_stdout(&request->outputs[i]) && isatty(STDOUT_FILENO))
			return error_set(err, EINVAL, "--output: an archive is not written to a terminal");
	return 0;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct build_flags *flags = values;
	cleanup(build_request_done) struct build_request request = {.sign = SIGN_REQUEST_INIT};
	cleanup(build_context_close) struct build_context *sources = NULL;
	cleanup(dockerfile_free) struct dockerfile *file = NULL;
	int rc = build_flags_read(context, flags, &request, err);
	if (rc == 0)
		rc = check_terminal(&request, err);
	if (rc < 0)
		return rc;
	bool keep_git_dir = build_request_switch(&request, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
	const struct context_options options = {.ignorefile = flags->ignorefile,
						.keep_git_dir = keep_git_dir,
						.dockerfile = flags->files.count ? flags->files.items[0] : NULL,
						.stdin_fd = STDIN_FILENO,
						.registry = &request.options.registry};
	/* Here, outside of the user namespace, where the user's keys and credential helpers are. */
	rc = build_context_open(context->workshop, args->count ? args->items[0] : ".", &options, &sources, err);
	if (rc == 0)
		rc = read_dockerfile(flags, request.call, sources, &file, err);
	if (rc < 0)
		return rc;
	request.options.context = sources;
	request.options.file = file;
	rc = build_request_take_platforms(&request, flags, context->workshop, err);
	if (rc < 0)
		return rc;
	if (request.call != BUILD_CALL_BUILD)
		return build_call(context->workshop, &request, file, sources, err);
	rc = build_and_finish(context, flags, &request, err);
	keep_cache_limits(context, &request);
	return rc;
}

const struct command command_build = {
	.name = "build",
	.aliases = {"bud", "build-using-dockerfile"},
	.arguments = "[OPTIONS] [CONTEXT]",
	.summary = "build an image from a Dockerfile",
	.description =
		"Prints the image's id; what happens meanwhile, and what steps print, is on standard error. CONTEXT "
		"is a directory (default: the current one), - for a tar archive or a Dockerfile on standard input, "
		"the address of a git repository (https://HOST/REPO.git#REF:SUBDIR) or of a tar archive or "
		"Dockerfile.\n\n"
		"The language is BuildKit's. Steps whose inputs have not changed are taken from the cache; stages "
		"that do not depend on each other are built at the same time; stages that the target does not need "
		"are not built.\n\n"
		"--output also writes the result elsewhere, and may be repeated: type=local,dest=DIR (files of the "
		"caller's own; DIR alone is the same), type=tar,dest=FILE (owners kept; - is standard output), "
		"type=oci,dest=FILE (tar=false: a directory), type=docker,dest=FILE, type=image,name=NAME,push=true, "
		"type=registry. Images take compression=, compression-level= and annotation.KEY=VALUE.\n\n"
		"Several platforms are built at the same time, through one cache, so that a stage FROM "
		"--platform=$BUILDPLATFORM that declares no TARGET… argument is built once; lines then begin with the "
		"platform, and --jobs counts for all of them. The result is a list of the images: its id is printed, "
		"--tag and --push mean it with all its images, type=oci writes it, type=local makes a directory for "
		"each platform. Steps for another architecture are run by qemu's user mode emulation (package "
		"qemu-user-static), which cooper registers in its own user namespace: nothing has to be set up on the "
		"machine, from Linux 6.7 on. Below that the machine's own registration in binfmt_misc is used.\n\n"
		"--provenance and --sbom add statements about the image, unsigned, in in-toto's form (SLSA provenance "
		"v1, SPDX 2.3 of the package databases of dpkg and apk only; of rpm's packages it is said that they "
		"are missing). They are OCI referrers of the pushed image, whose digest stays what it is, or with "
		"--attest-storage=index entries of an index, as BuildKit has them. What level of SLSA they support "
		"depends on who runs the build (see docs/attestations.md).\n\n"
		"--cache-to writes what the steps gave to where --cache-from of another machine finds it, and may be "
		"repeated: type=registry,ref=NAME:TAG (an image manifest of its own, with mode=max of all stages, "
		"else of the image's layers only), type=local,dest=DIR (read with src=DIR), type=inline (in the image "
		"itself, read with type=registry,ref=IMAGE). NAME alone is type=registry, with the tag buildcache "
		"when it has none. A layer is fetched when its step is reached; what is missing or broken is a "
		"warning. --cache-to fails the build's status unless ignore-error=true. Trust a cache as you trust an "
		"image in FROM: what it says that a step gives is used instead of running the step. With "
		"--cache-mounts the contents of RUN --mount=type=cache go with it, and where a cache mount is not "
		"there yet it is restored from --cache-from before the first step.\n\n"
		"On a terminal --progress=auto shows what runs, with times; into a pipe it is plain lines. "
		"--progress=json writes one object per line to standard error: {\"event\":…,\"text\":…,\"time\":…}, "
		"where event is started, done or cached (then with stage, stages, step and steps; the last two with "
		"elapsed_ms and, where there is a layer, its size), says for a line of cooper's, output for one of a "
		"step's. The last, summary, has the whole in elapsed_ms, steps and cached, in report each step with "
		"its layer, and in isolation the weakest rung that a RUN has had ('cooper info'); --metadata-file has "
		"the same under io.github.cooper.build. Otherwise a table says it behind the build.\n\n"
		"--explain says of each step that could be cached why it was or was not: which file of the context "
		"(content, mode, owner, come or gone), variable (by its name alone), option or layer is other than "
		"when its stage was built last on this machine. In JSON this is an event why with cached and "
		"changes.\n\n"
		"A RUN that fails leaves its container, and the error names the command that opens a shell in it, "
		"with its mounts, environment and user (secrets are to be given again). With --debug that shell opens "
		"at once, on the terminal.\n\n"
		"The exit status is that of a RUN that failed, 120 when everything was built and only a push or a "
		"--cache-to failed, 1 when --check found something, and 125 for other errors.",
	.examples = "  cooper build -t app .\n  cooper build --target test --build-arg VERSION=3 .\n"
		    "  cooper build -t registry.example.org/team/app --push https://example.org/team/app.git#v1.2\n"
		    "  cooper build --output type=local,dest=out .\n  cooper build --check .",
	.needs = NEEDS_STORE,
	.order = OPTIONS_ANYWHERE,
	.min_args = 0,
	.max_args = 1,
	.options = {{&build_group, 0},
		    {&build_output_group, 0},
		    {&push_group, offsetof(struct build_flags, pushing)},
		    {&build_image_group, 0},
		    {&pull_group, offsetof(struct build_flags, pull)},
		    {&compression_group, offsetof(struct build_flags, compression)},
		    {&build_platform_group, 0},
		    {&build_cache_group, 0},
		    {&build_attest_group, 0},
		    {&sign_group, offsetof(struct build_flags, sign)},
		    {&registry_group, offsetof(struct build_flags, registry)},
		    {&run_group, offsetof(struct build_flags, run)},
		    {&build_compat_group, 0}},
	.options_size = sizeof(struct build_flags),
	.run = run,
};

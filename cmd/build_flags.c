/*
 * The options of build: their table, and the checks that need no Dockerfile.
 */
#include "cmd/build_flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/build_platforms.h"
#include "imagefmt/reference.h"

#define ARG_FILE_MAX ((size_t)1 << 20)
#define JOBS_MAX 1024
#define NANOSECONDS 1000000000

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec build_rows[] = {
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
	{"output", 'o', OPTION_LIST, BUILD(outputs), "type=TYPE,…",
	 "also write the result: local, tar, oci, docker, image, registry; DIR or - alone"},
	{"push", 0, OPTION_FLAG, BUILD(push), NULL, "push the image to the registries of its names"},
	{"push-by-digest", 0, OPTION_FLAG, BUILD(push_by_digest), NULL,
	 "push without a tag: other machines' images join it in a list by the digest that --metadata-file has"},
	{"load", 0, OPTION_FLAG, BUILD(load), NULL, "keep the image in the store, which is done in any case"},
	{"no-cache", 0, OPTION_FLAG, BUILD(no_cache), NULL, "take no step from the cache"},
	{"no-cache-filter", 0, OPTION_LIST, BUILD(no_cache_filter), "STAGE,…", "take no step of these stages from it"},
	{"explain", 0, OPTION_FLAG, BUILD(explain), NULL,
	 "say of each step why it was or was not taken from the cache"},
	{"layers", 0, OPTION_OPTIONAL, BUILD(layers), "BOOL",
	 "one layer for each step (default true); false: one for the stage", "true"},
	{"squash", 0, OPTION_FLAG, BUILD(squash), NULL, "one layer in all"},
	{"squash-all", 0, OPTION_FLAG, BUILD(squash_all), NULL, NULL},
	{"jobs", 0, OPTION_TEXT, BUILD(jobs), "N", "stages at the same time (default: one for each processor)"},
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
	{"iidfile", 0, OPTION_TEXT, BUILD(iidfile), "FILE", "write sha256:ID to FILE"},
	{"iidfile-raw", 0, OPTION_TEXT, BUILD(iidfile_raw), "FILE", "write the ID to FILE"},
	{"metadata-file", 0, OPTION_TEXT, BUILD(metadata_file), "FILE", "write names and digests as JSON to FILE"},
	{"cpp-flag", 0, OPTION_LIST, BUILD(cpp_flags), "FLAG", "for cpp, which reads a Dockerfile that ends in .in"},
	{"cache-from", 0, OPTION_LIST, BUILD(cache_from), "type=TYPE,…",
	 "also take steps from the cache of another machine: registry or local; NAME alone"},
	{"cache-to", 0, OPTION_LIST, BUILD(cache_to), "type=TYPE,…",
	 "write the cache of this build for others: registry, local or inline; NAME alone"},
	{"cache-ttl", 0, OPTION_LIST, BUILD(cache_ttl), "TIME", "take no step that was made longer ago (24h, 30m)"},
	{"cache-mounts", 0, OPTION_OPTIONAL, BUILD(cache_mounts), "ID,…",
	 "with --cache-to and --cache-from also the contents of RUN --mount=type=cache (of these ids only)", "all"},
	{"cache-max-used-space", 0, OPTION_TEXT, BUILD(cache_max_used), "SIZE",
	 "behind the build, take away from the cache until it holds no more (see prune)"},
	{"manifest", 0, OPTION_TEXT, BUILD(manifest), "LIST",
	 "put what is built into this list of images, which is made when there is none"},
	{"provenance", 0, OPTION_OPTIONAL, BUILD(provenance), "MODE",
	 "state how the image was made: min, or max with the values of build arguments", "min"},
	{"sbom", 0, OPTION_OPTIONAL, BUILD(sbom), "BOOL", "state what the image's package databases list", "true"},
	{"attest", 0, OPTION_LIST, BUILD(attest), "type=TYPE,…", "the same: type=provenance,mode=MODE or type=sbom"},
	{"attest-storage", 0, OPTION_TEXT, BUILD(attest_storage), "WHERE",
	 "where statements go: referrers (default; with --push) or index"},
	{"builder-id", 0, OPTION_TEXT, BUILD(builder_id), "URI", "who builds, for the provenance"},
	{"save-stages", 0, OPTION_OPTIONAL, BUILD(save_stages), "BOOL", NULL, "true"},
	{"stage-labels", 0, OPTION_OPTIONAL, BUILD(stage_labels), "BOOL", NULL, "true"},
	{"source-policy-file", 0, OPTION_TEXT, BUILD(source_policy_file), "FILE", NULL},
	{"userns-uid-map", 0, OPTION_TEXT, BUILD(userns_uid_map), "MAP", NULL},
	{"userns-gid-map", 0, OPTION_TEXT, BUILD(userns_gid_map), "MAP", NULL},
	{"userns-uid-map-user", 0, OPTION_TEXT, BUILD(userns_uid_map_user), "USER", NULL},
	{"userns-gid-map-group", 0, OPTION_TEXT, BUILD(userns_gid_map_group), "GROUP", NULL},
	{"layer-label", 0, OPTION_UNNEEDED, 0, "K=V", NULL},
	{"logsplit", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"skip-unused-stages", 0, OPTION_OPTIONAL, BUILD(skip_unused_stages), "BOOL", NULL, "true"},
	{"compat-volumes", 0, OPTION_OPTIONAL, BUILD(compat_volumes), "BOOL", NULL, "true"},
	{"rm", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"force-rm", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"compress", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"disable-content-trust", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"log-rusage", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"builder", 0, OPTION_UNNEEDED, 0, "NAME", NULL},
	{"loglevel", 0, OPTION_UNNEEDED, 0, "N", NULL},
};
const struct option_group build_group = {NULL, build_rows, ARRAY_COUNT(build_rows)};

static const struct option_spec image_rows[] = {
	{"format", 0, OPTION_TEXT, BUILD(format), "FORMAT", "oci (default) or docker"},
	{"label", 0, OPTION_LIST, BUILD(labels), "K=V", "label of the image"},
	{"annotation", 0, OPTION_LIST, BUILD(annotations), "K=V", "annotation of the manifest"},
	{"env", 0, OPTION_LIST, BUILD(env), "K[=V]", "variable of the image, after the last instruction"},
	{"unsetenv", 0, OPTION_LIST, BUILD(unset_env), "K", "leave a variable out of the image"},
	{"unsetlabel", 0, OPTION_LIST, BUILD(unset_labels), "K", "leave a label out"},
	{"unsetannotation", 0, OPTION_LIST, BUILD(unset_annotations), "K", "leave an annotation out"},
	{"inherit-labels", 0, OPTION_OPTIONAL, BUILD(inherit_labels), "BOOL", NULL, "true"},
	{"inherit-annotations", 0, OPTION_OPTIONAL, BUILD(inherit_annotations), "BOOL", NULL, "true"},
	{"created-annotation", 0, OPTION_OPTIONAL, BUILD(created_annotation), "BOOL",
	 "write org.opencontainers.image.created (default true)", "true"},
	{"identity-label", 0, OPTION_OPTIONAL, BUILD(identity_label), "BOOL", "write a label with cooper's version",
	 "true"},
	{"omit-history", 0, OPTION_OPTIONAL, BUILD(omit_history), "BOOL", "write no history", "true"},
	{"timestamp", 0, OPTION_TEXT, BUILD(timestamp), "SECONDS", "time of creation, and of every file of new layers"},
	{"source-date-epoch", 0, OPTION_TEXT, BUILD(source_date_epoch), "SECONDS",
	 "time of creation (default $SOURCE_DATE_EPOCH)"},
	{"rewrite-timestamp", 0, OPTION_OPTIONAL, BUILD(rewrite_timestamp), "BOOL",
	 "with it, no file of a new layer is younger (default true)", "true"},
};
const struct option_group build_image_group = {"Image options", image_rows, ARRAY_COUNT(image_rows)};

static const struct option_spec platform_rows[] = {
	{"platform", 0, OPTION_LIST, BUILD(platforms), "OS/ARCH[/VARIANT],…",
	 "build for these; of several comes one image each and a list of them"},
	{"all-platforms", 0, OPTION_FLAG, BUILD(all_platforms), NULL,
	 "build for all platforms that there are all base images for"},
	{"arch", 0, OPTION_TEXT, BUILD(platform.arch), "ARCH", "build for this architecture"},
	{"os", 0, OPTION_TEXT, BUILD(platform.os), "OS", "build for this operating system"},
	{"variant", 0, OPTION_TEXT, BUILD(platform.variant), "VARIANT", "build for this variant of the architecture"},
};
const struct option_group build_platform_group = {"Platform options", platform_rows, ARRAY_COUNT(platform_rows)};

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

static int read_bool(const char *text, const char *what, bool *value, struct error **err)
{
	return text ? parse_bool(text, what, value, err) : 0;
}

/* ---- what cannot be done ------------------------------------------------------------------------------------------
 */

/* A script that asks for it would get another result than it expects. */
static int refuse(const struct build_flags *flags, struct error **err)
{
	if (flags->source_policy_file)
		return error_set(
			err, EINVAL,
			"--source-policy-file: source policies are not applied (name images by digest, and use "
			"the trust policy of policy.json)");
	if (flags->userns_uid_map || flags->userns_gid_map || flags->userns_uid_map_user || flags->userns_gid_map_group)
		return error_set(err, EINVAL,
				 "--userns-uid-map and its kin: steps run under the id map of this user, which is made "
				 "of /etc/subuid and /etc/subgid (leave the option out)");
	return 0;
}

/* Options that can have only one value here. */
static int check_constants(const struct build_flags *flags, struct error **err)
{
	const struct {
		const char *name, *text;
		bool value;
		const char *why;
	} constants[] = {
		{"--save-stages", flags->save_stages, false,
		 "stages do not become images of their own (build each with --target and --tag)"},
		{"--stage-labels", flags->stage_labels, false, "stages do not become images of their own"},
		{"--skip-unused-stages", flags->skip_unused_stages, true, "only what the target needs is built"},
		{"--compat-volumes", flags->compat_volumes, false, "what RUN writes below a VOLUME is kept"},
		{"--inherit-labels", flags->inherit_labels, true,
		 "an image has the labels of its base (see --unsetlabel)"},
		{"--inherit-annotations", flags->inherit_annotations, false,
		 "an image does not have the annotations of its base"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(constants); i++) {
		bool on = constants[i].value;
		int rc = read_bool(constants[i].text, constants[i].name, &on, err);
		if (rc < 0)
			return rc;
		if (on != constants[i].value)
			return error_set(err, EINVAL, "%s=%s: %s", constants[i].name, constants[i].text,
					 constants[i].why);
	}
	return 0;
}

/* ---- arguments, secrets, names ------------------------------------------------------------------------------------
 */

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

static int add_name(struct build_request *request, const char *text, const char *option, struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = reference_local_name(text, &name, err);

	if (rc < 0)
		return error_prefix(err, "%s '%s'", option, text);
	if (!strlist_contains(&request->names, name))
		strlist_append(&request->names, name);
	return 0;
}

static int read_tags(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < flags->tags.count; i++) {
		const char *tag = flags->tags.items[i];
		if (location_has_transport(tag)) {
			cleanup(location_done) struct location location = {0};
			rc = location_parse(tag, &location, err);
			if (rc == 0)
				strlist_append(&request->places, tag);
			continue;
		}
		strlist_append(&request->tags, tag);
		rc = add_name(request, tag, "--tag", err);
	}
	return rc;
}

static int read_outputs(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	size_t most = flags->outputs.count + 1;

	request->outputs = mem_alloc(most * sizeof(*request->outputs));
	for (size_t i = 0; i < flags->outputs.count; i++) {
		struct output *output = &request->outputs[i];
		int rc = output_parse(flags->outputs.items[i], output, err);
		if (rc < 0)
			return rc;
		request->output_count++;
		for (size_t k = 0; rc == 0 && k < output->names.count; k++)
			rc = add_name(request, output->names.items[k], "--output name", err);
		if (rc < 0)
			return rc;
		strlist_append_all(&request->annotations, &output->annotations);
		request->options.rewrite_timestamp |= output->rewrite_timestamp;
	}
	if (flags->push || flags->push_by_digest)
		request->outputs[request->output_count++] =
			(struct output){.type = OUTPUT_REGISTRY, .level = -1, .by_digest = flags->push_by_digest};
	return 0;
}

/* ---- values -------------------------------------------------------------------------------------------------------
 */

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

static int read_times(const struct command_context *context, const struct build_flags *flags,
		      struct build_options *options, struct error **err)
{
	options->timestamp = -1;
	options->source_date_epoch = workshop_options(context->workshop)->source_date_epoch;
	options->rewrite_timestamp = true;
	if (flags->timestamp && flags->source_date_epoch)
		return error_set(err, EINVAL, "--timestamp and --source-date-epoch cannot both be given");
	int rc = 0;
	if (flags->timestamp)
		rc = parse_i64(flags->timestamp, 0, INT64_MAX, "--timestamp", &options->timestamp, err);
	if (rc == 0 && flags->source_date_epoch)
		rc = parse_i64(flags->source_date_epoch, 0, INT64_MAX, "--source-date-epoch",
			       &options->source_date_epoch, err);
	return rc == 0 ? read_bool(flags->rewrite_timestamp, "--rewrite-timestamp", &options->rewrite_timestamp, err)
		       : rc;
}

static int read_cache(const struct build_flags *flags, struct build_options *options, struct error **err)
{
	const char *text = flags->layers ? flags->layers : env_get("LAYERS");
	bool layers = true;
	uint64_t jobs = 0;
	int rc = read_bool(text, flags->layers ? "--layers" : "COOPER_LAYERS", &layers, err);

	if (rc == 0 && flags->jobs)
		rc = parse_u64(flags->jobs, JOBS_MAX, "--jobs", &jobs, err);
	if (rc < 0)
		return rc;
	options->single_layer = !layers;
	options->squash = flags->squash || flags->squash_all;
	options->debug = flags->debug;
	/* Others would print into the shell. */
	options->jobs = flags->debug ? 1 : (int)jobs;
	options->git_modes = flags->context_modes && strcmp(flags->context_modes, "git") == 0;
	if (flags->context_modes && !options->git_modes && strcmp(flags->context_modes, "files") != 0)
		return error_set(err, EINVAL, "--context-modes '%s': use files or git", flags->context_modes);
	return 0;
}

static int read_places(const struct strlist *texts, enum cache_direction direction, struct cache_place **places,
		       size_t *count, struct error **err)
{
	int rc = 0;

	*places = mem_alloc((texts->count + 1) * sizeof(**places));
	for (size_t i = 0; rc == 0 && i < texts->count; i++) {
		rc = cache_place_parse(texts->items[i], direction, &(*places)[i], err);
		*count += rc == 0;
	}
	return rc;
}

static int check_inline(const struct build_options *options, struct error **err)
{
	if (options->squash)
		return error_set(err, EINVAL, "--cache-to type=inline: a squashed image has no layers of steps");
	if (options->format == FORMAT_DOCKER)
		return error_set(err, EINVAL,
				 "--cache-to type=inline: Docker's image format has no place for it (use --format oci, "
				 "or type=registry)");
	return 0;
}

static int check_cache_mounts(const struct build_request *request, const char *mounts, struct error **err)
{
	bool has_place = request->cache_from_count > 0;

	for (size_t i = 0; i < request->cache_to_count; i++)
		has_place |= request->cache_to[i].kind != CACHE_INLINE;
	if (mounts && !has_place)
		return error_set(err, EINVAL,
				 "--cache-mounts goes with --cache-from, or with --cache-to of type registry or local");
	return 0;
}

static int read_cache_places(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = read_places(&flags->cache_from, CACHE_FROM, &request->cache_from, &request->cache_from_count, err);

	if (rc == 0)
		rc = read_places(&flags->cache_to, CACHE_TO, &request->cache_to, &request->cache_to_count, err);
	if (rc < 0)
		return rc;
	if (request->cache_to_count && options->single_layer)
		return error_set(err, EINVAL,
				 "--cache-to and --layers=false: without layers of steps there is no cache");
	bool mounts = false;
	/* "--cache-mounts=false" as any switch has it. */
	if (flags->cache_mounts && parse_bool(flags->cache_mounts, "--cache-mounts", &mounts, NULL) == 0)
		options->cache_mounts = mounts ? "all" : NULL;
	else
		options->cache_mounts = flags->cache_mounts;
	rc = check_cache_mounts(request, options->cache_mounts, err);
	if (rc < 0)
		return rc;
	options->cache_from = request->cache_from;
	options->cache_from_count = request->cache_from_count;
	for (size_t i = 0; i < request->cache_to_count; i++)
		options->has_inline_cache |= request->cache_to[i].kind == CACHE_INLINE;
	options->has_cache_to = request->cache_to_count > 0;
	return options->has_inline_cache ? check_inline(options, err) : 0;
}

/* Given several times the last one counts. 0 is Buildah's way to say --no-cache. */
static int read_cache_ttl(const struct command_context *context, const struct build_flags *flags,
			  struct build_options *options, struct error **err)
{
	const struct strlist *list = &flags->cache_ttl;
	int64_t nanoseconds = 0;

	if (list->count == 0)
		return 0;
	/* Then every step says that it was made at that time. */
	if (options->timestamp >= 0 || options->source_date_epoch >= 0)
		return error_set(err, EINVAL,
				 "--cache-ttl cannot be combined with --timestamp, --source-date-epoch or "
				 "SOURCE_DATE_EPOCH: steps have no age of their own");
	int rc = parse_duration(list->items[list->count - 1], "--cache-ttl", &nanoseconds, err);
	if (rc < 0)
		return rc;
	if (nanoseconds < 0)
		return error_set(err, EINVAL, "--cache-ttl '%s': it is negative", list->items[list->count - 1]);
	options->no_cache |= nanoseconds == 0;
	options->cache_oldest = workshop_options(context->workshop)->now - nanoseconds / NANOSECONDS;
	return 0;
}

static int read_changes(const struct build_flags *flags, struct image_changes *changes, struct error **err)
{
	*changes = (struct image_changes){.env = &flags->env,
					  .unset_env = &flags->unset_env,
					  .unset_labels = &flags->unset_labels,
					  .unset_annotations = &flags->unset_annotations};
	int rc = read_bool(flags->created_annotation, "--created-annotation", &changes->created_annotation, err);
	if (rc == 0)
		rc = read_bool(flags->identity_label, "--identity-label", &changes->identity_label, err);
	if (rc == 0)
		rc = read_bool(flags->omit_history, "--omit-history", &changes->omit_history, err);
	return rc;
}

/* ---- platforms ----------------------------------------------------------------------------------------------------
 */

/* What every list of images must be able to take. */
static int check_several(const struct build_request *request, const struct build_flags *flags, struct error **err)
{
	if (request->platform_count < 2)
		return 0;
	if (flags->debug)
		return error_set(err, EINVAL, "--debug goes with one platform");
	for (size_t i = 0; i < request->output_count; i++) {
		int rc = output_check_list(&request->outputs[i], err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < request->places.count; i++)
		if (text_has_prefix(request->places.items[i], "docker-archive:"))
			return error_set(err, EINVAL,
					 "--tag %s: an archive of Docker's holds one image, not a list of them",
					 request->places.items[i]);
	return 0;
}

static void add_platform(struct build_request *request, struct platform *platform)
{
	cleanup_free char *text = platform_format(platform);

	for (size_t i = 0; i < request->platform_count; i++) {
		cleanup_free char *have = platform_format(&request->platforms[i]);
		if (strcmp(have, text) == 0)
			return;
	}
	request->platforms = mem_grow(request->platforms, request->platform_count + 1, sizeof(*request->platforms));
	request->platforms[request->platform_count] = (struct platform){0};
	platform_copy(&request->platforms[request->platform_count++], platform);
}

static int read_platforms(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist texts = {0};
	int rc = 0;

	for (size_t i = 0; i < flags->platforms.count; i++)
		strlist_split(&texts, flags->platforms.items[i], ',');
	if (texts.count > 1 && (flags->platform.arch || flags->platform.os || flags->platform.variant))
		return error_set(err, EINVAL, "--arch, --os and --variant go with one --platform");
	/* Without any, --arch and its like may still say something. */
	for (size_t i = 0; rc == 0 && i < (texts.count ? texts.count : 1); i++) {
		cleanup(platform_done) struct platform platform = {0};
		struct platform_flags one = flags->platform;
		bool asked = false;
		one.platform = texts.count ? texts.items[i] : NULL;
		rc = platform_flags_read(&one, &platform, &asked, err);
		if (rc == 0 && asked)
			add_platform(request, &platform);
	}
	if (rc == 0 && flags->all_platforms && request->platform_count)
		return error_set(err, EINVAL, "--all-platforms and --platform cannot both be given");
	if (rc == 0 && flags->manifest)
		rc = reference_local_name(flags->manifest, &request->manifest, err);
	request->options.platform = request->platform_count ? &request->platforms[0] : NULL;
	return rc < 0 ? rc : check_several(request, flags, err);
}

int build_request_take_platforms(struct build_request *request, const struct build_flags *flags, struct workshop *w,
				 struct error **err)
{
	struct platform *platforms = NULL;
	size_t count = 0;

	if (!flags->all_platforms)
		return 0;
	int rc = build_platforms_find(w, &request->options, &platforms, &count, err);
	if (rc < 0)
		return error_prefix(err, "--all-platforms");
	for (size_t i = 0; i < count; i++) {
		add_platform(request, &platforms[i]);
		platform_done(&platforms[i]);
	}
	free(platforms);
	request->options.platform = &request->platforms[0];
	return check_several(request, flags, err);
}

/* ---- attestations -------------------------------------------------------------------------------------------------
 */

static int take_mode(const char *mode, const char *option, struct build_request *request, struct error **err)
{
	request->attest.is_max = strcmp(mode, "max") == 0;
	request->attest.provenance = true;
	if (!request->attest.is_max && strcmp(mode, "min") != 0)
		return error_set(err, EINVAL, "%s: the mode '%s' is neither min nor max", option, mode);
	return 0;
}

/* "min", "max", a truth value, or buildx's "mode=max,builder-id=URI". */
static int read_provenance(const char *text, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	bool on = false;

	if (parse_bool(text, "--provenance", &on, NULL) == 0) {
		request->attest.provenance = on;
		return 0;
	}
	int rc = parse_csv(text, "--provenance", &fields, err);
	for (size_t i = 0; rc == 0 && i < fields.count; i++) {
		const char *field = fields.items[i];
		if (text_has_prefix(field, "builder-id="))
			mem_replace(&request->builder_id, field + strlen("builder-id="));
		else if (text_has_prefix(field, "mode="))
			rc = take_mode(field + strlen("mode="), "--provenance", request, err);
		else
			rc = take_mode(field, "--provenance", request, err);
	}
	return rc;
}

static int read_attest_field(const char *field, struct build_request *request, bool *on, struct error **err)
{
	static const char *const prefixes[] = {"type=", "mode=", "builder-id=", "disabled="};
	size_t kind = 0;
	bool disabled = false;

	while (kind < ARRAY_COUNT(prefixes) && !text_has_prefix(field, prefixes[kind]))
		kind++;
	const char *value = kind < ARRAY_COUNT(prefixes) ? field + strlen(prefixes[kind]) : "";
	int rc = 0;
	switch (kind) {
	case 0:
		return 0;
	case 1:
		return take_mode(value, "--attest", request, err);
	case 2:
		mem_replace(&request->builder_id, value);
		return 0;
	case 3:
		rc = parse_bool(value, "--attest disabled", &disabled, err);
		*on = !disabled;
		return rc;
	default:
		return error_set(err, EINVAL, "--attest: '%s' is not known (type, mode, builder-id and disabled are)",
				 field);
	}
}

static int read_attest(const char *text, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	const char *type = NULL;
	bool on = true;
	int rc = parse_csv(text, "--attest", &fields, err);

	for (size_t i = 0; rc == 0 && i < fields.count; i++) {
		rc = read_attest_field(fields.items[i], request, &on, err);
		if (text_has_prefix(fields.items[i], "type="))
			type = fields.items[i] + strlen("type=");
	}
	if (rc < 0)
		return rc;
	if (type && strcmp(type, "provenance") == 0)
		request->attest.provenance = on;
	else if (type && strcmp(type, "sbom") == 0)
		request->attest.sbom = on;
	else
		return error_set(err, EINVAL, "--attest '%s': use type=provenance or type=sbom", text);
	return 0;
}

static bool pushes(const struct build_request *request)
{
	for (size_t i = 0; i < request->output_count; i++)
		if (request->outputs[i].type == OUTPUT_REGISTRY)
			return true;
	for (size_t i = 0; i < request->places.count; i++)
		if (text_has_prefix(request->places.items[i], "docker://"))
			return true;
	return false;
}

/* What statements are about must be what arrives, and they must have a place. */
static int check_attestations(const struct build_request *request, struct error **err)
{
	for (size_t i = 0; i < request->output_count; i++) {
		const struct output *output = &request->outputs[i];
		int rc = request->attest.storage == ATTEST_IN_INDEX ? output_check_list(output, err) : 0;
		if (rc < 0)
			return rc;
		if (output->has_codec || output->docker_media_types)
			return error_set(
				err, EINVAL,
				"attestations speak of one manifest: an --output with a compression or media types "
				"of its own would make another (use --compression-format)");
	}
	if (request->options.format == FORMAT_DOCKER)
		return error_set(err, EINVAL, "attestations go with OCI's format (leave --format docker out)");
	if (request->attest.storage == ATTEST_IN_INDEX && request->manifest)
		return error_set(
			err, EINVAL,
			"--attest-storage=index makes a list of its own; with --manifest attestations are referrers");
	if (request->attest.storage == ATTEST_AS_REFERRERS && !pushes(request))
		return error_set(
			err, EINVAL,
			"attestations as referrers go with images that are pushed (see --push; or put them into the "
			"image's index with --attest-storage=index)");
	return 0;
}

static void make_invocation_id(char id[37])
{
	unsigned char bytes[16] = {0};
	char hex[2 * sizeof(bytes) + 1];

	(void)!getrandom(bytes, sizeof(bytes), 0);
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	format_hex(bytes, sizeof(bytes), hex);
	snprintf(id, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static int read_attestations(const struct command_context *context, const struct build_flags *flags,
			     struct build_request *request, struct error **err)
{
	struct attest_options *attest = &request->attest;
	int rc = flags->provenance ? read_provenance(flags->provenance, request, err) : 0;

	if (rc == 0)
		rc = read_bool(flags->sbom, "--sbom", &attest->sbom, err);
	for (size_t i = 0; rc == 0 && i < flags->attest.count; i++)
		rc = read_attest(flags->attest.items[i], request, err);
	if (rc < 0)
		return rc;
	if (flags->attest_storage && strcmp(flags->attest_storage, "index") == 0)
		attest->storage = ATTEST_IN_INDEX;
	else if (flags->attest_storage && strcmp(flags->attest_storage, "referrers") != 0)
		return error_set(err, EINVAL, "--attest-storage '%s': use referrers or index", flags->attest_storage);
	if (flags->builder_id)
		mem_replace(&request->builder_id, flags->builder_id);
	if (!attest_is_wanted(attest)) {
		if (flags->attest_storage || request->builder_id)
			return error_set(err, EINVAL,
					 "--attest-storage and --builder-id go with --provenance or --sbom");
		return 0;
	}
	make_invocation_id(request->invocation_id);
	attest->builder_id = request->builder_id;
	attest->invocation_id = request->invocation_id;
	attest->started = context->now;
	return check_attestations(request, err);
}

static int read_rooms_below(const struct build_flags *flags, struct build_request *request, bool quiet,
			    struct error **err)
{
	struct build_options *options = &request->options;
	int rc = pull_flags_read(&flags->pull, &options->pull, err);

	if (rc == 0)
		rc = registry_flags_read(&flags->registry, quiet, &options->registry, err);
	if (rc == 0)
		rc = read_platforms(flags, request, err);
	if (rc == 0)
		rc = compression_flags_read(&flags->compression, &request->export, err);
	if (rc == 0)
		rc = format_flag_default(flags->format, &options->format, err);
	strlist_append_all(&request->settings.mounts, &flags->mounts);
	if (rc == 0)
		rc = run_flags_read(&flags->run, &request->settings, err);
	request->export.registry = options->registry;
	options->settings = &request->settings;
	return rc;
}

/* Before the build, which may take an hour: the passphrase is wrong now or never. */
static int read_signing(const struct command_context *context, const struct build_flags *flags,
			struct build_request *request, struct error **err)
{
	int rc = sign_flags_read(&flags->sign, context->now, &request->sign, err);

	request->export.signing = sign_request_wanted(&request->sign);
	if (rc == 0 && request->export.signing && !pushes(request))
		return error_set(err, EINVAL, "--sign-by…: signatures go with images that are pushed (see --push)");
	return rc;
}

int build_flags_read(const struct command_context *context, const struct build_flags *flags,
		     struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = refuse(flags, err);

	if (rc == 0)
		rc = check_constants(flags, err);
	if (rc == 0)
		rc = check_allowed(&flags->allow, err);
	if (rc == 0)
		rc = read_call(flags, request, err);
	if (rc == 0)
		rc = read_progress(flags, request, err);
	if (rc == 0)
		rc = read_times(context, flags, options, err);
	if (rc == 0)
		rc = read_cache(flags, options, err);
	if (rc == 0)
		rc = read_build_args(flags, request, err);
	if (rc == 0)
		rc = read_grants(flags, request, err);
	if (rc == 0)
		rc = read_tags(flags, request, err);
	if (rc == 0)
		rc = read_outputs(flags, request, err);
	if (rc == 0)
		rc = read_changes(flags, &request->changes, err);
	if (rc == 0)
		rc = read_rooms_below(flags, request, request->progress == BUILD_PROGRESS_QUIET, err);
	if (rc == 0)
		rc = read_signing(context, flags, request, err);
	if (rc == 0)
		rc = read_attestations(context, flags, request, err);
	if (rc < 0)
		return rc;
	options->no_cache = flags->no_cache;
	options->explain = flags->explain;
	rc = cache_limits_load(&request->cache_limits, err);
	if (rc == 0 && flags->cache_max_used)
		rc = parse_size(flags->cache_max_used, "--cache-max-used-space", &request->cache_limits.max_used, err);
	if (rc == 0)
		rc = read_cache_places(flags, request, err);
	if (rc == 0)
		rc = read_cache_ttl(context, flags, options, err);
	if (rc < 0)
		return rc;
	strlist_append_all(&request->annotations, &flags->annotations);
	options->named_contexts = &flags->build_contexts;
	options->target = flags->target;
	options->build_args = &request->build_args;
	options->labels = &flags->labels;
	options->annotations = &request->annotations;
	options->names = &request->names;
	options->allow = &flags->allow;
	options->pass_stdin = flags->pass_stdin;
	for (size_t i = 0; i < flags->no_cache_filter.count; i++)
		strlist_split(&request->no_cache_stages, flags->no_cache_filter.items[i], ',');
	options->no_cache_stages = &request->no_cache_stages;
	options->quiet = request->progress == BUILD_PROGRESS_QUIET;
	return 0;
}

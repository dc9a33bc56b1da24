/*
 * cooper commit: a working container becomes an image.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/commit.h"
#include "builder/copy.h"
#include "builder/edit.h"
#include "builder/manifest_list.h"
#include "cmd/flags.h"
#include "cmd/push_flags.h"
#include "cmd/sign_flags.h"
#include "cmd/transfer_progress.h"
#include "imagefmt/reference.h"

struct commit_flags {
	const char *format, *iidfile, *timestamp, *reference_time, *source_date_epoch, *rewrite_timestamp,
		*identity_label, *config, *metadata_file, *created_annotation, *omit_history, *manifest;
	bool quiet, squash, rm, omit_timestamp;
	struct strlist unset_env, changes, add_files, annotations, unset_annotations;
	struct push_flags push;
	struct compression_flags compression;
	struct registry_flags registry;
	struct sign_flags sign;
};

#define COMMIT(member) offsetof(struct commit_flags, member)
static const struct option_spec rows[] = {
	{"format", 'f', OPTION_TEXT, COMMIT(format), "FORMAT", "oci or docker (default: as said to from)"},
	{"squash", 0, OPTION_FLAG, COMMIT(squash), NULL, "one layer in all"},
	{"rm", 0, OPTION_FLAG, COMMIT(rm), NULL, "remove the container afterwards"},
	{"manifest", 0, OPTION_TEXT, COMMIT(manifest), "LIST", "put the image into this list, made if there is none"},
	{"iidfile", 0, OPTION_TEXT, COMMIT(iidfile), "FILE", "write sha256:ID to FILE"},
	{"metadata-file", 0, OPTION_TEXT, COMMIT(metadata_file), "FILE", "write names and digests as JSON to FILE"},
	{"timestamp", 0, OPTION_TEXT, COMMIT(timestamp), "SECONDS",
	 "time of creation, and of every file of the new layer"},
	{"source-date-epoch", 0, OPTION_TEXT, COMMIT(source_date_epoch), "SECONDS",
	 "time of creation (default $SOURCE_DATE_EPOCH)"},
	{"rewrite-timestamp", 0, OPTION_OPTIONAL, COMMIT(rewrite_timestamp), "BOOL",
	 "with it, no file of the new layer is younger (default true)", "true"},
	{"reference-time", 0, OPTION_TEXT, COMMIT(reference_time), "FILE", NULL},
	{"omit-timestamp", 0, OPTION_FLAG, COMMIT(omit_timestamp), NULL, NULL},
	{"annotation", 0, OPTION_LIST, COMMIT(annotations), "K=V", "annotation of the manifest"},
	{"unsetannotation", 0, OPTION_LIST, COMMIT(unset_annotations), "K", "leave an annotation out"},
	{"created-annotation", 0, OPTION_OPTIONAL, COMMIT(created_annotation), "BOOL",
	 "write org.opencontainers.image.created (default false)", "true"},
	{"change", 'c', OPTION_LIST, COMMIT(changes), "INSTRUCTION",
	 "apply a Dockerfile instruction to the configuration"},
	{"config", 0, OPTION_TEXT, COMMIT(config), "FILE", "take over settings of a JSON configuration"},
	{"add-file", 0, OPTION_LIST, COMMIT(add_files), "SRC[:DST]", "add a file first"},
	{"unsetenv", 0, OPTION_LIST, COMMIT(unset_env), "K", "leave a variable out"},
	{"identity-label", 0, OPTION_OPTIONAL, COMMIT(identity_label), "BOOL", "write a label with cooper's version",
	 "true"},
	{"omit-history", 0, OPTION_OPTIONAL, COMMIT(omit_history), "BOOL", "write no history", "true"},
	{"quiet", 'q', OPTION_FLAG, COMMIT(quiet), NULL, "no progress on standard error"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_times(struct command_context *context, const struct commit_flags *flags, struct commit_options *options,
		      struct error **err)
{
	options->timestamp = flags->omit_timestamp ? 0 : -1;
	options->source_date_epoch = workshop_options(context->workshop)->source_date_epoch;
	options->rewrite_timestamp = true;
	if (flags->timestamp && flags->source_date_epoch)
		return error_set(err, EINVAL, "--timestamp and --source-date-epoch cannot both be given");
	int rc = 0;
	/* The old way to say it: the time of a file. */
	struct stat st;
	if (flags->reference_time && stat(flags->reference_time, &st) < 0)
		return error_set_errno(err, "--reference-time '%s'", flags->reference_time);
	if (flags->reference_time)
		options->timestamp = st.st_mtim.tv_sec;
	if (flags->timestamp)
		rc = parse_i64(flags->timestamp, 0, INT64_MAX, "--timestamp", &options->timestamp, err);
	if (rc == 0 && flags->source_date_epoch)
		rc = parse_i64(flags->source_date_epoch, 0, INT64_MAX, "--source-date-epoch",
			       &options->source_date_epoch, err);
	if (rc == 0)
		rc = bool_flag_read(flags->rewrite_timestamp, "--rewrite-timestamp", &options->rewrite_timestamp, err);
	return rc;
}

static int read_flags(struct command_context *context, const struct commit_flags *flags, struct commit_options *options,
		      struct error **err)
{
	*options = (struct commit_options){
		.squash = flags->squash,
		.unset_env = &flags->unset_env,
		.annotations = &flags->annotations,
		.unset_annotations = &flags->unset_annotations,
	};
	/* Neither said: the container's own. */
	const char *format = flags->format ? flags->format : env_get("FORMAT");
	int rc = format_flag_read(format, &options->format, &options->has_format, err);
	if (rc < 0)
		return error_prefix(err, flags->format ? "--format" : "COOPER_FORMAT");
	rc = read_times(context, flags, options, err);
	if (rc == 0)
		rc = bool_flag_read(flags->identity_label, "--identity-label", &options->identity_label, err);
	if (rc == 0)
		rc = bool_flag_read(flags->omit_history, "--omit-history", &options->omit_history, err);
	if (rc == 0)
		rc = bool_flag_read(flags->created_annotation, "--created-annotation", &options->created_annotation,
				    err);
	return rc;
}

static int add_file(struct command_context *context, const struct container *c, const char *text, struct error **err)
{
	const char *colon = strchr(text, ':');
	cleanup_free char *source = colon ? mem_strndup(text, colon - text) : mem_strdup(text);
	cleanup(strlist_done) struct strlist sources = {0};
	struct copy_options copy = {.mtime = -1, .keep_archive = true};
	struct copy_result copied;
	strlist_append(&sources, source);
	int rc = copy_into_container(context->workshop, c, &sources, colon ? colon + 1 : source, &copy, &copied, err);
	return rc < 0 ? error_prefix(err, "--add-file") : 0;
}

static int prepare(struct command_context *context, const struct commit_flags *flags, struct container *c,
		   struct error **err)
{
	int rc = flags->config ? edit_from_file(&c->config, flags->config, err) : 0;
	if (rc < 0)
		return error_prefix(err, "--config");
	for (size_t i = 0; rc == 0 && i < flags->changes.count; i++)
		rc = edit_instruction(&c->config, flags->changes.items[i], err);
	for (size_t i = 0; rc == 0 && i < flags->add_files.count; i++)
		rc = add_file(context, c, flags->add_files.items[i], err);
	return rc;
}

/* It is listed when it has arrived: what could not be sent leaves nothing behind. */
static int send(struct command_context *context, struct export_options *export, const struct image *image,
		const char *destination, bool quiet, struct error **err)
{
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	struct digest digest;
	int rc = transfer_progress_begin(&progress, quiet, &export->registry, /* other */ NULL, err);
	if (rc == 0)
		rc = export_image(context->workshop, image, destination, export, &digest, err);
	if (rc < 0)
		return error_prefix(err, "commit to %s", destination);
	return images_add(context->store, &image->entry.manifest, &image->entry.id, image->entry.created,
			  /* name */ NULL, err);
}

static int add_to_list(struct command_context *context, const char *text, const struct image *image, struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = reference_local_name(text, &name, err);
	if (rc == 0)
		rc = manifest_list_add_image(context->workshop, name, image, /* changes */ NULL, /* entry */ NULL, err);
	return rc < 0 ? error_prefix(err, "--manifest") : 0;
}

static int write_results(const struct commit_flags *flags, const struct image *image, const char *name,
			 struct error **err)
{
	char id[DIGEST_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
	digest_format(&image->entry.id, id);
	int rc = flags->iidfile ? result_file_write(flags->iidfile, id, err) : 0;
	if (rc < 0 || !flags->metadata_file)
		return rc;
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_set_string(root, "containerimage.config.digest", id);
	json_set_string(root, "containerimage.digest", digest_format(&image->entry.manifest.digest, digest));
	json_set_string_opt(root, "image.name", name);
	json_format_pretty(root, 4, &text);
	return result_file_write(flags->metadata_file, buf_str(&text), err);
}

/* What is said of sending to `place`, which is NULL for the store: a mistake in it is one even then. */
static int read_sending(const struct command_context *context, const struct commit_flags *flags, const char *place,
			struct export_options *export, struct sign_request *sign, struct error **err)
{
	int rc = compression_flags_read(&flags->compression, export, err);

	if (rc == 0)
		rc = registry_flags_read(&flags->registry, flags->quiet, &export->registry, err);
	if (rc == 0)
		rc = sign_flags_read(&flags->sign, context->now, sign, err);
	export->signing = sign_request_wanted(sign);
	push_flags_apply(&flags->push, export);
	if (rc == 0)
		rc = push_flags_check(&flags->push, place && text_has_prefix(place, "docker://"),
				      "a docker:// destination", err);
	return rc == 0 && export->signing && !place ? signing_refuse_store(err) : rc;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct commit_flags *flags = values;
	const char *destination = args->count > 1 ? args->items[1] : NULL;
	bool is_place = destination && location_has_transport(destination);
	cleanup(container_done) struct container container = {0};
	cleanup(image_done) struct image image = {0};
	cleanup_free char *name = NULL;
	struct commit_options options;
	cleanup(sign_request_done) struct sign_request sign = SIGN_REQUEST_INIT;
	struct export_options export = {0};
	int rc = read_flags(context, flags, &options, err);
	if (rc == 0)
		rc = read_sending(context, flags, is_place ? destination : NULL, &export, &sign, err);
	if (rc == 0 && destination && !is_place)
		rc = reference_local_name(destination, &name, err);
	if (rc < 0)
		return rc;
	struct codec_recipe recipe;
	bool at_once = false;
	rc = is_place ? export_recipe(destination, &export, &recipe, &at_once, err) : 0;
	if (rc == 0 && export.check_push)
		rc = export_check_push(destination, &export, err);
	export.check_push = false; /* it has been asked */
	if (rc < 0)
		return error_prefix(err, "commit to %s", destination);
	options.name = name;
	options.unlisted = is_place;
	options.recipe = at_once ? &recipe : NULL;
	cleanup_close int held = container_acquire_to_use(context->workshop, args->items[0], &container, err);
	if (held < 0)
		return held;
	cleanup_close int hold = store_hold(context->store, err);
	if (hold < 0)
		return hold;
	rc = prepare(context, flags, &container, err);
	if (rc == 0)
		rc = commit_container(context->workshop, &container, &options, &image, err);
	if (rc == 0 && is_place) {
		rc = send(context, &export, &image, destination, flags->quiet, err);
		if (rc < 0)
			rc = push_status(rc, destination, err);
	}
	if (rc == 0 && flags->manifest)
		rc = add_to_list(context, flags->manifest, &image, err);
	if (rc == 0)
		rc = write_results(flags, &image, name, err);
	if (rc == 0 && flags->rm)
		rc = container_remove(context->workshop, &container, err);
	if (rc != 0)
		return rc;
	char hex[DIGEST_HEX_SIZE];
	printf("%s\n", digest_hex(&image.entry.id, hex));
	return 0;
}

const struct command command_commit = {
	.name = "commit",
	.arguments = "[OPTIONS] CONTAINER [IMAGE|PLACE]",
	.summary = "make an image of a working container",
	.description =
		"Prints the image's id. The container stays and goes on from the image. IMAGE is a name (localhost/ "
		"and :latest are added where it has no registry or tag); a place (docker://NAME, oci:DIR[:TAG], "
		"oci-archive:FILE, docker-archive:FILE, dir:DIR) gets the image as well. Without either the image has "
		"no name.\n\n"
		"The container's changes become one new layer; they are moved, not copied, and compressed only when "
		"the image is pushed or saved. Committed again without changes, the container gets no further layer: "
		"with the same configuration it is the same image, else one with the layers of the last commit. An "
		"image that cannot be sent to its place is not kept, and the same commit can be repeated. Access lists "
		"(acl(5)) are no part of an image: they are lost, with a warning, and the modes stay.",
	.examples = "  cooper commit $ctr my-image:1.0\n  cooper commit --rm --squash $ctr oci:./out:latest",
	.needs = NEEDS_STORE | NEEDS_WORKER,
	.order = OPTIONS_FIRST,
	.min_args = 1,
	.max_args = 2,
	.options = {{&group, 0},
		    {&push_group, offsetof(struct commit_flags, push)},
		    {&compression_group, offsetof(struct commit_flags, compression)},
		    {&sign_group, offsetof(struct commit_flags, sign)},
		    {&registry_group, offsetof(struct commit_flags, registry)}},
	.options_size = sizeof(struct commit_flags),
	.run = run,
};

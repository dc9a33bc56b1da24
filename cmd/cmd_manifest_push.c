/*
 * cooper manifest push: a list and its images to a registry, or another place.
 */
#include <errno.h>

#include "base/parse.h"
#include "cmd/manifest_flags.h"
#include "cmd/push_flags.h"
#include "cmd/sign_flags.h"
#include "cmd/transfer_progress.h"

struct push_options {
	const char *all, *format, *digestfile;
	bool quiet, rm;
	struct push_flags push;
	struct strlist add_compression;
	struct compression_flags compression;
	struct registry_flags registry;
	struct sign_flags sign;
};

#define PUSH(member) offsetof(struct push_options, member)
static const struct option_spec rows[] = {
	{"all", 0, OPTION_OPTIONAL, PUSH(all), "BOOL", "the images as well as the list (default true)", "true"},
	{"format", 'f', OPTION_TEXT, PUSH(format), "FORMAT", "oci or v2s2; default: as they are"},
	{"digestfile", 0, OPTION_TEXT, PUSH(digestfile), "FILE", "write the digest of the pushed list to FILE"},
	{"rm", 0, OPTION_FLAG, PUSH(rm), NULL, "remove the list from the store afterwards"},
	{"add-compression", 0, OPTION_LIST, PUSH(add_compression), "FORMAT",
	 "put each image into the list once more with layers in this format (gzip, zstd)"},
	{"purge", 'p', OPTION_FLAG, PUSH(rm), NULL, NULL},
	{"quiet", 'q', OPTION_FLAG, PUSH(quiet), NULL, "no progress on standard error"},
	{"insecure", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_additions(const struct strlist *texts, unsigned *codecs, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	for (size_t i = 0; i < texts->count; i++)
		strlist_split(&names, texts->items[i], ',');
	for (size_t i = 0; i < names.count; i++) {
		enum codec codec;
		int rc = codec_parse(names.items[i], &codec, err);
		if (rc < 0)
			return error_prefix(err, "--add-compression");
		*codecs |= 1U << codec;
	}
	return 0;
}

static int read_flags(const struct push_options *options, struct list_push_options *push, struct error **err)
{
	bool all = true;
	int rc = options->all ? parse_bool(options->all, "--all", &all, err) : 0;

	push->index_only = !all;
	if (rc == 0)
		rc = read_additions(&options->add_compression, &push->add_codecs, err);
	if (rc == 0 && push->add_codecs && push->index_only)
		rc = error_set(err, EINVAL, "--add-compression needs the images, which --all=false leaves out");
	if (rc == 0)
		rc = format_flag_read(options->format, &push->export.format, &push->export.has_format, err);
	if (rc == 0)
		rc = compression_flags_read(&options->compression, &push->export, err);
	if (rc == 0)
		rc = registry_flags_read(&options->registry, options->quiet, &push->export.registry, err);
	push_flags_apply(&options->push, &push->export);
	return rc;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct push_options *options = values;
	cleanup(image_entry_done) struct image_entry list = {0};
	cleanup(sign_request_done) struct sign_request sign = SIGN_REQUEST_INIT;
	struct list_push_options push = {0};
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	struct digest digest;
	int rc = read_flags(options, &push, err);

	if (rc == 0)
		rc = sign_flags_read(&options->sign, context->now, &sign, err);
	push.export.signing = sign_request_wanted(&sign);
	if (rc == 0)
		rc = manifest_list_find(context->workshop, args->items[0], &list, err);
	if (rc < 0)
		return rc;
	const char *own_name = images_name_meant(&list, args->items[0]);
	const char *destination = args->count > 1 ? args->items[1] : own_name;
	if (!destination)
		return error_set(err, EINVAL, "list '%s' is not called by a name: say where to push it",
				 args->items[0]);
	rc = transfer_progress_begin(&progress, options->quiet, &push.export.registry, /* other */ NULL, err);
	if (rc < 0)
		return rc;
	rc = manifest_list_push(context->workshop, &list, destination, &push, &digest, err);
	build_progress_end(&progress);
	const struct push_end end = {.destination = destination,
				     .digest = &digest,
				     .digestfile = options->digestfile,
				     .quiet = options->quiet,
				     .rm = options->rm ? &list.id : NULL};
	return push_end(context->store, rc, &end, err);
}

const struct command command_manifest_push = {
	.name = "push",
	.group = "manifest",
	.arguments = "[OPTIONS] LIST [DESTINATION]",
	.summary = "send a list and its images to a registry or another place",
	.description =
		"DESTINATION is a name in a registry or a place (docker://NAME, oci:DIR[:TAG], oci-archive:FILE, "
		"dir:DIR); without it the list's own name is meant. Images that were built here are compressed now, "
		"which changes their digests, and so the list's. Images that were added from a registry go from there "
		"to DESTINATION: mounted when it is the same registry, else a few layers at a time through this "
		"machine.",
	.examples = "  cooper manifest push --all app:1 docker://quay.io/me/app:1",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.max_args = 2,
	.options = {{&group, 0},
		    {&push_group, offsetof(struct push_options, push)},
		    {&compression_group, offsetof(struct push_options, compression)},
		    {&sign_group, offsetof(struct push_options, sign)},
		    {&registry_group, offsetof(struct push_options, registry)}},
	.options_size = sizeof(struct push_options),
	.run = run,
};

/*
 * cooper image copy: an image, or a list with its images, from one place to others.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "cmd/image_flags.h"
#include "cmd/push_flags.h"
#include "cmd/sign_flags.h"
#include "cmd/transfer_progress.h"
#include "imagefmt/pack.h"

struct copy_options {
	bool all, preserve_digests, quiet, remove_signatures, accept_uncompressed;
	bool dest_compress, dest_decompress, dest_force_format;
	const char *multi_arch, *format, *digestfile, *parallel, *dest_format, *dest_level;
	const char *src_shared, *dest_shared, *tmpdir, *check_layers;
	struct strlist additional_tags;
	struct push_flags push;
	struct skopeo_flags skopeo;
	struct trust_flags trust;
	struct platform_flags platform;
	struct compression_flags compression;
	struct end_flags source, destination;
	struct registry_flags registry;
	struct sign_flags sign;
};

#define COPY(member) offsetof(struct copy_options, member)
static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, COPY(all), NULL, "a list with all its images"},
	{"multi-arch", 0, OPTION_TEXT, COPY(multi_arch), "WHAT",
	 "of a list: system (one image, default), all, or index-only"},
	{"format", 'f', OPTION_TEXT, COPY(format), "FORMAT", "oci or v2s2 (Docker's); default: as it is"},
	{"preserve-digests", 0, OPTION_FLAG, COPY(preserve_digests), NULL, "fail when a manifest would have to change"},
	{"check-layers", 0, OPTION_OPTIONAL, COPY(check_layers), "BOOL", CHECK_LAYERS_TEXT, "true"},
	{"digestfile", 0, OPTION_TEXT, COPY(digestfile), "FILE", "write the digest of what was written to FILE"},
	{"additional-tag", 0, OPTION_LIST, COPY(additional_tags), "NAME", "a further name in a docker-archive:"},
	{"image-parallel-copies", 0, OPTION_TEXT, COPY(parallel), "N", "blobs under way at once (default 4)"},
	{"dest-compress", 0, OPTION_FLAG, COPY(dest_compress), NULL, "compress layers that are not compressed"},
	{"dest-compress-format", 0, OPTION_TEXT, COPY(dest_format), "FORMAT", "as --compression-format"},
	{"dest-compress-level", 0, OPTION_TEXT, COPY(dest_level), "N", "as --compression-level"},
	{"dest-force-compress-format", 0, OPTION_FLAG, COPY(dest_force_format), NULL, "as --force-compression"},
	{"dest-decompress", 0, OPTION_FLAG, COPY(dest_decompress), NULL, "leave layers uncompressed"},
	{"dest-oci-accept-uncompressed-layers", 0, OPTION_FLAG, COPY(accept_uncompressed), NULL,
	 "in an OCI layout, leave layers uncompressed that are"},
	{"src-shared-blob-dir", 0, OPTION_TEXT, COPY(src_shared), "DIR", "where the blobs of an oci: source are"},
	{"dest-shared-blob-dir", 0, OPTION_TEXT, COPY(dest_shared), "DIR", "where those of oci: destinations go"},
	{"tmpdir", 0, OPTION_TEXT, COPY(tmpdir), "DIR", "where blobs lie on their way (default: in the store)"},
	{"remove-signatures", 0, OPTION_FLAG, COPY(remove_signatures), NULL, "leave the image's signatures behind"},
	{"quiet", 'q', OPTION_FLAG, COPY(quiet), NULL, "no progress on standard error"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_extent(const struct copy_options *options, enum copy_extent *extent, struct error **err)
{
	const char *text = options->multi_arch;

	if (options->all && text)
		return error_set(err, EINVAL, "--all and --multi-arch cannot both be given");
	*extent = options->all ? COPY_ALL : COPY_ONE_PLATFORM;
	if (!text || strcmp(text, "system") == 0)
		return 0;
	if (strcmp(text, "all") != 0 && strcmp(text, "index-only") != 0)
		return error_set(err, EINVAL, "--multi-arch '%s': use system, all or index-only", text);
	*extent = strcmp(text, "all") == 0 ? COPY_ALL : COPY_INDEX_ONLY;
	return 0;
}

/* skopeo has words of its own for what the group says. */
static int read_compression(const struct copy_options *options, struct export_options *export, struct error **err)
{
	struct compression_flags flags = options->compression;

	if (options->dest_compress && options->dest_decompress)
		return error_set(err, EINVAL, "--dest-compress and --dest-decompress exclude each other");
	if (!flags.format)
		flags.format = options->dest_format;
	if (!flags.level)
		flags.level = options->dest_level;
	flags.force |= options->dest_force_format;
	int rc = compression_flags_read(&flags, export, err);
	if (rc == 0 && options->dest_compress && !export->has_codec) {
		export->has_codec = true;
		export->codec = CODEC_GZIP;
	}
	if (options->dest_decompress) {
		export->has_codec = export->force_compression = true;
		export->codec = CODEC_NONE;
	}
	return rc;
}

static int read_format(const struct copy_options *options, struct export_options *export, struct error **err)
{
	if (options->format && strcmp(options->format, "v2s1") == 0)
		return error_set(err, EINVAL, "--format v2s1: Docker's schema 1 is no longer written, use v2s2 or oci");
	return format_flag_read(options->format, &export->format, &export->has_format, err);
}

static int read_flags(const struct copy_options *options, struct image_copy_options *copy, struct error **err)
{
	uint64_t parallel = 0;
	int rc = read_extent(options, &copy->extent, err);

	if (rc == 0)
		rc = read_format(options, &copy->export, err);
	if (rc == 0)
		rc = read_compression(options, &copy->export, err);
	if (rc == 0)
		rc = check_layers_read(options->check_layers, &copy->check, err);
	if (rc == 0 && options->parallel)
		rc = parse_u64(options->parallel, 100, "--image-parallel-copies", &parallel, err);
	if (rc == 0)
		rc = end_flags_read(&options->source, &options->registry, options->quiet, &copy->source_registry, err);
	if (rc == 0)
		rc = end_flags_read(&options->destination, &options->registry, options->quiet, &copy->export.registry,
				    err);
	copy->parallel = parallel;
	push_flags_apply(&options->push, &copy->export);
	copy->source_registry.parallel = copy->export.registry.parallel = (int)parallel;
	copy->preserve_digests = options->preserve_digests;
	copy->tmpdir = options->tmpdir;
	copy->remove_signatures = options->remove_signatures;
	copy->accept_uncompressed = options->accept_uncompressed;
	copy->source_blob_folder = options->src_shared;
	copy->destination_blob_folder = options->dest_shared;
	copy->additional_tags = &options->additional_tags;
	return rc;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	struct copy_options *options = values;
	cleanup(platform_done) struct platform platform = {0};
	cleanup(strlist_done) struct strlist destinations = {0};
	cleanup(sign_request_done) struct sign_request sign = SIGN_REQUEST_INIT;
	cleanup(registry_client_free) struct registry_client *client = NULL; /* of all destinations */
	struct image_copy_options copy = {.export = {.client = &client}};
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];
	bool asked = false;

	int rc = skopeo_flags_apply(&options->skopeo, &options->platform, &options->registry, err);
	if (rc == 0)
		rc = trust_flags_read(&options->trust, &copy.insecure_policy, err);
	if (rc == 0)
		rc = read_flags(options, &copy, err);
	if (rc == 0)
		rc = sign_flags_read(&options->sign, context->now, &sign, err);
	copy.export.signing = sign_request_wanted(&sign);
	if (rc == 0)
		rc = platform_flags_read(&options->platform, &platform, &asked, err);
	if (rc == 0 && asked && copy.extent != COPY_ONE_PLATFORM)
		rc = error_set(err, EINVAL, "a platform can only be chosen when one image of a list is copied");
	if (rc < 0)
		return rc;
	copy.platform = asked ? &platform : NULL;
	for (size_t i = 1; i < args->count; i++)
		strlist_append(&destinations, args->items[i]);
	rc = transfer_progress_begin(&progress, options->quiet, &copy.source_registry, &copy.export.registry, err);
	if (rc == 0)
		rc = image_copy(context->workshop, args->items[0], &destinations, &copy, &digest, err);
	build_progress_end(&progress);
	if (rc < 0)
		return rc;
	digest_format(&digest, text);
	if (!options->quiet)
		log_info("copied %s, %s", args->items[0], text);
	return options->digestfile ? result_file_write(options->digestfile, text, err) : 0;
}

const struct command command_image_copy = {
	.name = "copy",
	.group = "image",
	.arguments = "[OPTIONS] SOURCE DESTINATION...",
	.summary = "copy an image from one place to others",
	.description =
		"Layers that need not change are copied as they are, those that the destination has are not, and "
		"between repositories of one registry they are mounted; on their way they lie in the store's tmp/, a "
		"few at a time, unless they are files that can be sent from where they are. Uncompressed layers are "
		"compressed for registries and layouts. Of a list the image for this machine (or --platform) is "
		"copied, with --all the list with all of them.\n\n"
		"With several destinations the source is read once.",
	.examples = "  cooper image copy docker://debian:12 oci:./layout:12\n"
		    "  cooper image copy --all docker://quay.io/me/app:1 docker://registry.example.org/app:1\n"
		    "  cooper image copy my-image docker-archive:my-image.tar:my-image:1",
	.needs = NEEDS_STORE,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.options = {{&group, 0},
		    {&push_group, offsetof(struct copy_options, push)},
		    {&skopeo_group, offsetof(struct copy_options, skopeo)},
		    {&trust_group, offsetof(struct copy_options, trust)},
		    {&platform_group, offsetof(struct copy_options, platform)},
		    {&compression_group, offsetof(struct copy_options, compression)},
		    {&source_end_group, offsetof(struct copy_options, source)},
		    {&destination_end_group, offsetof(struct copy_options, destination)},
		    {&sign_group, offsetof(struct copy_options, sign)},
		    {&registry_group, offsetof(struct copy_options, registry)}},
	.options_size = sizeof(struct copy_options),
	.failure_status = IMAGE_FAILURE_STATUS,
	.missing_status = IMAGE_MISSING_STATUS,
	.run = run,
};

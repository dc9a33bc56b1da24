/*
 * cooper image sync: many images from one place to another.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "builder/image_sync.h"
#include "cmd/image_flags.h"
#include "cmd/push_flags.h"
#include "cmd/sign_flags.h"
#include "cmd/transfer_progress.h"
#include "imagefmt/pack.h"

struct sync_options {
	const char *from, *to, *format, *append_suffix, *tmpdir, *check_layers;
	bool all, scoped, keep_going, dry_run, preserve_digests, quiet, remove_signatures;
	struct skopeo_flags skopeo;
	struct push_flags push;
	struct trust_flags trust;
	struct sign_flags sign;
	struct platform_flags platform;
	struct end_flags source, destination;
	struct registry_flags registry;
};

#define SYNC(member) offsetof(struct sync_options, member)
static const struct option_spec rows[] = {
	{"src", 's', OPTION_TEXT, SYNC(from), "KIND", "what SOURCE is: docker, dir or yaml"},
	{"dest", 'd', OPTION_TEXT, SYNC(to), "KIND", "what DESTINATION is: docker or dir"},
	{"all", 'a', OPTION_FLAG, SYNC(all), NULL, "lists with all their images"},
	{"scoped", 0, OPTION_FLAG, SYNC(scoped), NULL, "the source's whole name below DESTINATION"},
	{"append-suffix", 0, OPTION_TEXT, SYNC(append_suffix), "TEXT", "put TEXT behind every tag"},
	{"keep-going", 0, OPTION_FLAG, SYNC(keep_going), NULL, "go on when an image cannot be copied"},
	{"dry-run", 0, OPTION_FLAG, SYNC(dry_run), NULL, "only tell what would be copied"},
	{"format", 'f', OPTION_TEXT, SYNC(format), "FORMAT", "oci or v2s2; default: as they are"},
	{"check-layers", 0, OPTION_OPTIONAL, SYNC(check_layers), "BOOL", CHECK_LAYERS_TEXT, "true"},
	{"preserve-digests", 0, OPTION_FLAG, SYNC(preserve_digests), NULL, "fail when a manifest would have to change"},
	{"tmpdir", 0, OPTION_TEXT, SYNC(tmpdir), "DIR", "where blobs lie on their way (default: in the store)"},
	{"remove-signatures", 0, OPTION_FLAG, SYNC(remove_signatures), NULL, "leave the images' signatures behind"},
	{"quiet", 'q', OPTION_FLAG, SYNC(quiet), NULL, "no progress of blobs"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_kind(const char *option, const char *text, enum sync_kind *kind, struct error **err)
{
	static const char *const names[] = {[SYNC_DOCKER] = "docker", [SYNC_DIR] = "dir", [SYNC_YAML] = "yaml"};

	if (!text)
		return error_set(err, EINVAL, "%s is missing: docker, dir%s", option,
				 strcmp(option, "--src") == 0 ? " or yaml" : "");
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (strcmp(names[i], text) == 0) {
			*kind = (enum sync_kind)i;
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s '%s': use docker, dir%s", option, text,
			 strcmp(option, "--src") == 0 ? " or yaml" : "");
}

static int read_kinds(const struct sync_options *options, struct image_sync_options *sync, struct error **err)
{
	int rc = read_kind("--src", options->from, &sync->from, err);

	if (rc == 0)
		rc = read_kind("--dest", options->to, &sync->to, err);
	if (rc == 0 && sync->to == SYNC_YAML)
		return error_set(err, EINVAL, "--dest yaml: a YAML file lists sources, use docker or dir");
	if (rc == 0 && sync->from == SYNC_DIR && sync->to == SYNC_DIR)
		return error_set(err, EINVAL, "from directories to directories cp and rsync do better");
	return rc;
}

static int read_flags(const struct sync_options *options, struct image_sync_options *sync, struct error **err)
{
	struct image_copy_options *copy = &sync->copy;
	int rc = read_kinds(options, sync, err);

	copy->extent = options->all ? COPY_ALL : COPY_ONE_PLATFORM;
	copy->tmpdir = options->tmpdir;
	copy->remove_signatures = options->remove_signatures;
	copy->preserve_digests = options->preserve_digests;
	copy->export.level = PACK_LEVEL_DEFAULT;
	sync->scoped = options->scoped;
	sync->keep_going = options->keep_going;
	sync->dry_run = options->dry_run;
	sync->append_suffix = options->append_suffix;
	if (rc == 0)
		rc = check_layers_read(options->check_layers, &copy->check, err);
	if (rc == 0)
		rc = format_flag_read(options->format, &copy->export.format, &copy->export.has_format, err);
	if (rc == 0)
		rc = end_flags_read(&options->source, &options->registry, options->quiet, &copy->source_registry, err);
	if (rc == 0)
		rc = end_flags_read(&options->destination, &options->registry, options->quiet, &copy->export.registry,
				    err);
	push_flags_apply(&options->push, &copy->export);
	return rc < 0 ? rc : push_flags_check(&options->push, sync->to == SYNC_DOCKER, "--dest docker", err);
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	struct sync_options *options = values;
	cleanup(platform_done) struct platform platform = {0};
	cleanup(sign_request_done) struct sign_request sign = SIGN_REQUEST_INIT;
	cleanup(registry_client_free) struct registry_client *client = NULL; /* of all destinations */
	struct image_sync_options sync = {.copy = {.export = {.client = &client}}};
	cleanup(build_progress_end) struct build_progress_state progress = {.stderr_before = -1};
	size_t copied = 0;
	bool asked = false;

	int rc = skopeo_flags_apply(&options->skopeo, &options->platform, &options->registry, err);
	if (rc == 0)
		rc = trust_flags_read(&options->trust, &sync.copy.insecure_policy, err);
	if (rc == 0)
		rc = read_flags(options, &sync, err);
	if (rc == 0)
		rc = sign_flags_read(&options->sign, context->now, &sign, err);
	sync.copy.export.signing = sign_request_wanted(&sign);
	if (rc == 0)
		rc = platform_flags_read(&options->platform, &platform, &asked, err);
	if (rc == 0 && asked && options->all)
		rc = error_set(err, EINVAL, "--all takes all platforms of a list, and a platform is given");
	if (rc < 0)
		return rc;
	sync.copy.platform = asked ? &platform : NULL;
	rc = transfer_progress_begin(&progress, options->quiet, &sync.copy.source_registry, &sync.copy.export.registry,
				     err);
	if (rc < 0)
		return rc;
	rc = image_sync(context->workshop, args->items[0], args->items[1], &sync, &copied, err);
	build_progress_end(&progress);
	log_info("%s %zu image%s", options->dry_run ? "would have copied" : "copied", copied, copied == 1 ? "" : "s");
	return rc;
}

const struct command command_image_sync = {
	.name = "sync",
	.group = "image",
	.arguments = "--src KIND --dest KIND [OPTIONS] SOURCE DESTINATION",
	.summary = "copy many images: a repository, a tree of directories, or a list",
	.description =
		"SOURCE is with --src docker a name (without a tag or digest all tags of the repository), with dir a "
		"directory into which sync has written, with yaml a file that lists images. DESTINATION is with "
		"--dest docker a registry and a path in it, with dir a directory.\n\n"
		"A YAML file has for each registry the keys images (a list of tags or digests for each image, an "
		"empty one for all), images-by-tag-regex (POSIX extended), images-by-semver (a range such as \">= "
		"1.2, < 2\"), credentials (username, password), tls-verify and cert-dir.",
	.examples = "  cooper image sync --src docker --dest dir --scoped quay.io/me/app /media/usb\n"
		    "  cooper image sync --src dir --dest docker /media/usb registry.example.org/mirror\n"
		    "  cooper image sync --src yaml --dest docker --all mirror.yml registry.example.org",
	.needs = NEEDS_STORE,
	.min_args = 2,
	.options = {{&group, 0},
		    {&push_group, offsetof(struct sync_options, push)},
		    {&skopeo_group, offsetof(struct sync_options, skopeo)},
		    {&trust_group, offsetof(struct sync_options, trust)},
		    {&platform_group, offsetof(struct sync_options, platform)},
		    {&source_end_group, offsetof(struct sync_options, source)},
		    {&destination_end_group, offsetof(struct sync_options, destination)},
		    {&sign_group, offsetof(struct sync_options, sign)},
		    {&registry_group, offsetof(struct sync_options, registry)}},
	.options_size = sizeof(struct sync_options),
	.failure_status = IMAGE_FAILURE_STATUS,
	.missing_status = IMAGE_MISSING_STATUS,
	.run = run,
};

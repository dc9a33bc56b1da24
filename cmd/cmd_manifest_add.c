/*
 * cooper manifest add, annotate: what comes into a list, and what is said of it there.
 */
#include <errno.h>
#include <string.h>

#include "cmd/manifest_flags.h"

#define ENTRY(member) offsetof(struct entry_flags, member)
static const struct option_spec entry_rows[] = {
	{"os", 0, OPTION_TEXT, ENTRY(os), "OS", "the operating system that the image is for"},
	{"arch", 0, OPTION_TEXT, ENTRY(arch), "ARCH", "the architecture"},
	{"variant", 0, OPTION_TEXT, ENTRY(variant), "VARIANT", "the variant of the architecture"},
	{"os-version", 0, OPTION_TEXT, ENTRY(os_version), "VERSION", "the least version of the operating system"},
	{"os-features", 0, OPTION_LIST, ENTRY(os_features), "LIST", "what the operating system must have"},
	{"features", 0, OPTION_LIST, ENTRY(features), "LIST", "what the processor must have"},
	{"annotation", 0, OPTION_LIST, ENTRY(annotations), "K=V", "annotation of the entry"},
};
const struct option_group entry_group = {NULL, entry_rows, ARRAY_COUNT(entry_rows)};

static void split_all(const struct strlist *texts, struct strlist *words)
{
	for (size_t i = 0; i < texts->count; i++)
		strlist_split(words, texts->items[i], ',');
}

/* The lists (split at commas) are borrowed by `changes`; both are the caller's to free with strlist_done(). */
static void read_entry_flags(const struct entry_flags *flags, struct strlist *os_features, struct strlist *features,
			     struct list_entry_changes *changes)
{
	split_all(&flags->os_features, os_features);
	split_all(&flags->features, features);
	*changes = (struct list_entry_changes){
		.os = flags->os,
		.architecture = flags->arch,
		.variant = flags->variant,
		.os_version = flags->os_version,
		.os_features = os_features,
		.features = features,
		.annotations = &flags->annotations,
	};
}

int annotation_flags_check(const char *option, const struct strlist *annotations, struct error **err)
{
	for (size_t i = 0; i < annotations->count; i++) {
		const char *equals = strchr(annotations->items[i], '=');
		if (!equals || equals == annotations->items[i])
			return error_set(err, EINVAL, "%s '%s': use KEY=VALUE", option, annotations->items[i]);
	}
	return 0;
}

/* ---- add ---- */

struct add_options {
	bool all;
	struct entry_flags entry;
	struct registry_flags registry;
	struct artifact_flags {
		bool wanted, exclude_titles;
		const char *type, *layer_type, *config, *config_type, *subject;
		struct strlist annotations;
	} artifact;
};

#define ADD(member) offsetof(struct add_options, member)
static const struct option_spec add_rows[] = {
	{"all", 0, OPTION_FLAG, ADD(all), NULL, "of an IMAGE that is a list, add all its images"},
};
static const struct option_group add_group = {NULL, add_rows, ARRAY_COUNT(add_rows)};

#define ARTIFACT(member) offsetof(struct artifact_flags, member)
static const struct option_spec artifact_rows[] = {
	{"artifact", 0, OPTION_FLAG, ARTIFACT(wanted), NULL, "add an artifact made of files, instead of an image"},
	{"artifact-type", 0, OPTION_TEXT, ARTIFACT(type), "TYPE", "what it is, as a media type"},
	{"artifact-layer-type", 0, OPTION_TEXT, ARTIFACT(layer_type), "TYPE",
	 "media type of the files (default: guessed)"},
	{"artifact-config", 0, OPTION_TEXT, ARTIFACT(config), "FILE", "its configuration (default: an empty one)"},
	{"artifact-config-type", 0, OPTION_TEXT, ARTIFACT(config_type), "TYPE", "media type of the configuration"},
	{"artifact-subject", 0, OPTION_TEXT, ARTIFACT(subject), "IMAGE", "it refers to this image, as that is now"},
	{"artifact-annotation", 0, OPTION_LIST, ARTIFACT(annotations), "K=V", "annotation of its manifest"},
	{"artifact-exclude-titles", 0, OPTION_FLAG, ARTIFACT(exclude_titles), NULL,
	 "do not write down the files' names"},
};
static const struct option_group artifact_group = {"Artifact options", artifact_rows, ARRAY_COUNT(artifact_rows)};

/* What would have no effect was not meant so. */
static int check_add(const struct add_options *options, const struct strlist *args, struct error **err)
{
	const struct artifact_flags *flags = &options->artifact;
	bool any = flags->exclude_titles || flags->type || flags->layer_type || flags->config || flags->config_type ||
		   flags->subject || flags->annotations.count;

	if (!flags->wanted && any)
		return error_set(err, EINVAL, "--artifact-… options need --artifact");
	if (!flags->wanted && args->count > 2)
		return error_set(err, EINVAL, "one IMAGE at a time (several FILEs go with --artifact)");
	if (flags->wanted && options->all)
		return error_set(err, EINVAL, "--all is about lists of images, and --artifact about files");
	int rc = annotation_flags_check("--annotation", &options->entry.annotations, err);
	return rc < 0 ? rc : annotation_flags_check("--artifact-annotation", &flags->annotations, err);
}

static int add_artifact(struct command_context *context, const struct add_options *options, const char *name,
			const struct strlist *files, const struct list_add_options *add, struct image_entry *list,
			struct digest *added, struct error **err)
{
	const struct artifact_flags *flags = &options->artifact;
	cleanup(descriptor_done) struct descriptor subject = {0};
	const struct artifact_spec spec = {
		.files = files,
		.type = flags->type,
		.layer_type = flags->layer_type,
		.config_file = flags->config,
		.config_type = flags->config_type,
		.annotations = &flags->annotations,
		.subject = flags->subject ? &subject : NULL,
		.exclude_titles = flags->exclude_titles,
	};
	int rc = 0;

	if (flags->subject)
		rc = manifest_list_describe(context->workshop, flags->subject, &add->registry, &subject, err);
	if (rc < 0)
		return error_prefix(err, "--artifact-subject");
	return manifest_list_add_artifact(context->workshop, name, &spec, &add->changes, list, added, err);
}

static int run_add(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct add_options *options = values;
	const struct entry_flags *flags = &options->entry;
	cleanup(image_entry_done) struct image_entry list = {0};
	cleanup(strlist_done) struct strlist os_features = {0}, features = {0}, files = {0};
	cleanup(platform_done) struct platform platform = {
		.os = mem_strdup(flags->os),
		.architecture = mem_strdup(flags->arch),
		.variant = mem_strdup(flags->variant),
	};
	struct list_add_options add = {.all = options->all, .platform = &platform};
	struct digest added;

	int rc = check_add(options, args, err);
	if (rc == 0)
		rc = registry_flags_read(&options->registry, /* quiet */ true, &add.registry, err);
	if (rc < 0)
		return rc;
	read_entry_flags(flags, &os_features, &features, &add.changes);
	for (size_t i = 1; i < args->count; i++)
		strlist_append(&files, args->items[i]);
	const char *name = args->items[0];
	rc = options->artifact.wanted
		     ? add_artifact(context, options, name, &files, &add, &list, &added, err)
		     : manifest_list_add(context->workshop, name, files.items[0], &add, &list, &added, err);
	if (rc < 0)
		return error_prefix(err, "add %s", options->artifact.wanted ? "artifact" : files.items[0]);
	list_change_print(&list, &added);
	return 0;
}

const struct command command_manifest_add = {
	.name = "add",
	.group = "manifest",
	.arguments = "[OPTIONS] LIST IMAGE|FILE...",
	.summary = "add an image, or an artifact made of files, to a list",
	.description =
		"IMAGE is an image of the store, a name in a registry, or a place (docker://NAME, oci:DIR[:TAG], …). "
		"It takes the place of an image for the same platform. Of a registry's image the layers stay where "
		"they are until the list is pushed. When IMAGE is a list itself, its image for this machine, or for "
		"--os, --arch and --variant, is added; with --all every one, with its attestations.\n\n"
		"With --artifact the FILEs become an OCI artifact in the store, one layer each, and that is added.\n\n"
		"Prints \"LISTID: DIGEST\".",
	.examples = "  cooper manifest add app:1 app-amd64\n  cooper manifest add --arch arm64 --variant v8 app:1 "
		    "docker://quay.io/me/app-arm64\n"
		    "  cooper manifest add --artifact --artifact-type application/vnd.example.notes app:1 notes.md",
	.needs = NEEDS_STORE,
	.min_args = 2,
	.max_args = SIZE_MAX,
	.options = {{&add_group, 0},
		    {&entry_group, offsetof(struct add_options, entry)},
		    {&artifact_group, offsetof(struct add_options, artifact)},
		    {&registry_group, offsetof(struct add_options, registry)}},
	.options_size = sizeof(struct add_options),
	.run = run_add,
};

/* ---- annotate ---- */

struct annotate_options {
	bool index;
	const char *subject;
	struct entry_flags entry;
	struct registry_flags registry;
};

#define ANNOTATE(member) offsetof(struct annotate_options, member)
static const struct option_spec annotate_rows[] = {
	{"index", 0, OPTION_FLAG, ANNOTATE(index), NULL, "--annotation is about the list itself"},
	{"subject", 0, OPTION_TEXT, ANNOTATE(subject), "IMAGE", "the list refers to this image"},
};
static const struct option_group annotate_group = {NULL, annotate_rows, ARRAY_COUNT(annotate_rows)};

static int annotate_list(struct command_context *context, const struct annotate_options *options, const char *name,
			 struct image_entry *list, struct error **err)
{
	cleanup(descriptor_done) struct descriptor subject = {0};
	struct registry_options registry;
	int rc = registry_flags_read(&options->registry, /* quiet */ true, &registry, err);

	if (rc == 0 && options->subject)
		rc = manifest_list_describe(context->workshop, options->subject, &registry, &subject, err);
	if (rc < 0)
		return rc;
	return manifest_list_annotate_index(context->workshop, name,
					    options->index ? &options->entry.annotations : NULL,
					    options->subject ? &subject : NULL, list, err);
}

static int annotate_image(struct command_context *context, const struct annotate_options *options, const char *name,
			  const struct digest *instance, struct image_entry *list, struct error **err)
{
	cleanup(strlist_done) struct strlist os_features = {0}, features = {0};
	struct list_entry_changes changes;

	read_entry_flags(&options->entry, &os_features, &features, &changes);
	if (options->index)
		changes.annotations = NULL;
	return manifest_list_annotate(context->workshop, name, instance, &changes, list, err);
}

static int run_annotate(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct annotate_options *options = values;
	cleanup(image_entry_done) struct image_entry list = {0};
	struct digest instance;
	bool of_list = options->index || options->subject;
	int rc = annotation_flags_check("--annotation", &options->entry.annotations, err);

	if (rc == 0 && args->count == 1 && !of_list)
		rc = error_set(err, EINVAL, "name the image in the list by its digest, or say --index");
	if (rc == 0 && args->count == 2)
		rc = manifest_list_instance(context->workshop, args->items[1], &instance, err);
	if (rc == 0 && of_list)
		rc = annotate_list(context, options, args->items[0], &list, err);
	if (rc == 0 && args->count == 2)
		rc = annotate_image(context, options, args->items[0], &instance, &list, err);
	if (rc < 0)
		return rc;
	list_change_print(&list, args->count == 2 ? &instance : &list.id);
	return 0;
}

const struct command command_manifest_annotate = {
	.name = "annotate",
	.group = "manifest",
	.arguments = "[OPTIONS] LIST [DIGEST]",
	.summary = "change what a list says of an image, or of itself",
	.description = "DIGEST names the image in the list. Prints \"LISTID: DIGEST\".",
	.examples = "  cooper manifest annotate --variant v7 app:1 sha256:…\n"
		    "  cooper manifest annotate --index --annotation org.opencontainers.image.version=1 app:1",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.max_args = 2,
	.options = {{&annotate_group, 0},
		    {&entry_group, offsetof(struct annotate_options, entry)},
		    {&registry_group, offsetof(struct annotate_options, registry)}},
	.options_size = sizeof(struct annotate_options),
	.run = run_annotate,
};

/*
 * The exporters: what `--output` says, and which door each kind goes through.
 */
#include "builder/output_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "builder/manifest_list.h"
#include "imagefmt/pack.h"
#include "imagefmt/reference.h"

void output_done(struct output *output)
{
	free(output->dest);
	strlist_done(&output->names);
	strlist_done(&output->annotations);
	*output = (struct output){0};
}

bool output_is_stdout(const struct output *output)
{
	struct stat st;

	if (!output->dest)
		return false;
	return strcmp(output->dest, "-") == 0 || (stat(output->dest, &st) == 0 && fd_own_output(&st) == STDOUT_FILENO);
}

/* ---- parsing ---- */

struct parsing {
	struct output *output;
	bool has_type, push, is_image;
};

static int take_type(struct parsing *p, const char *value, struct error **err)
{
	static const struct {
		const char *name;
		enum output_type type;
	} types[] = {
		{"local", OUTPUT_LOCAL},   {"tar", OUTPUT_TAR},	    {"oci", OUTPUT_OCI},
		{"docker", OUTPUT_DOCKER}, {"image", OUTPUT_STORE}, {"registry", OUTPUT_REGISTRY},
	};

	for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
		if (strcmp(types[i].name, value) != 0)
			continue;
		p->output->type = types[i].type;
		p->is_image = types[i].type == OUTPUT_STORE;
		p->has_type = true;
		return 0;
	}
	return error_set(err, EINVAL, "type '%s': use local, tar, oci, docker, image or registry", value);
}

static int take_compression(struct output *output, const char *value, struct error **err)
{
	output->has_codec = true;
	return codec_parse(strcmp(value, "uncompressed") == 0 ? "none" : value, &output->codec, err);
}

static int take_level(struct output *output, const char *value, struct error **err)
{
	int64_t level = 0;
	int rc = parse_i64(value, 0, 22, "compression-level", &level, err);

	output->level = (int)level;
	return rc;
}

static int take_mode(struct output *output, const char *value, struct error **err)
{
	output->delete_others = strcmp(value, "delete") == 0;
	if (!output->delete_others && strcmp(value, "copy") != 0)
		return error_set(err, EINVAL, "mode '%s': use copy or delete", value);
	return 0;
}

/* Keys with a truth value. */
static int take_flag(struct parsing *p, const char *key, const char *value, struct error **err)
{
	struct output *output = p->output;
	const struct {
		const char *name;
		bool *member;
		bool inverted;
	} flags[] = {
		{"tar", &output->is_directory, true},
		{"push", &p->push, false},
		{"platform-split", &output->split, false},
		{"rewrite-timestamp", &output->rewrite_timestamp, false},
		{"oci-mediatypes", &output->docker_media_types, true},
		{"push-by-digest", &output->by_digest, false},
		{"registry.insecure", &output->insecure, false},
		{"force-compression", &output->force_compression, false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		bool on = true;
		if (strcmp(flags[i].name, key) != 0)
			continue;
		int rc = parse_bool(value, key, &on, err);
		*flags[i].member = on != flags[i].inverted;
		return rc;
	}
	return error_set(err, EINVAL, "unknown key '%s'", key);
}

/* What is so in any case, whatever a script says; anything else is refused. */
static int take_constant(const char *key, const char *value, bool *known, struct error **err)
{
	static const struct {
		const char *name;
		bool always;
	} constants[] = {
		{"store", true},
		{"unpack", false},
		{"name-canonical", true},
		{"oci-artifact", true},
		{"prefer-nondist-layers", false},
		{"buildinfo", false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(constants); i++) {
		bool on = true;
		if (strcmp(constants[i].name, key) != 0)
			continue;
		*known = true;
		int rc = parse_bool(value, key, &on, err);
		/* Every image is unpacked here as soon as that is needed, and found by NAME@DIGEST whether or not
		 * somebody asks for that. */
		bool any = strcmp(key, "unpack") == 0 || strcmp(key, "name-canonical") == 0;
		if (rc < 0 || on == constants[i].always || any)
			return rc;
		return error_set(err, EINVAL, "%s=%s cannot be done", key, value);
	}
	return 0;
}

static int take_annotation(struct output *output, const char *key, const char *value, struct error **err)
{
	const char *dot = strchr(key, '.');
	size_t kind = (size_t)(dot - key);

	/* "annotation-manifest[linux/amd64].KEY" is for builds of several platforms. */
	if (kind != strlen("annotation") &&
	    (kind != strlen("annotation-manifest") || !text_has_prefix(key, "annotation-manifest")))
		return error_set(err, EINVAL,
				 "'%s': only annotations of the manifest can be set (annotation.KEY=VALUE)", key);
	strlist_env_set(&output->annotations, dot + 1, value);
	return 0;
}

static int take_field(struct parsing *p, const char *field, struct error **err)
{
	struct output *output = p->output;
	size_t size = strcspn(field, "=");
	cleanup_free char *key = mem_strndup(field, size);
	const char *value = field[size] ? field + size + 1 : "true";
	bool known = false;

	if (strcmp(key, "type") == 0)
		return take_type(p, value, err);
	if (strcmp(key, "dest") == 0) {
		mem_replace(&output->dest, value);
		return 0;
	}
	if (strcmp(key, "name") == 0) {
		strlist_split(&output->names, value, ',');
		return 0;
	}
	if (strcmp(key, "compression") == 0)
		return take_compression(output, value, err);
	if (strcmp(key, "compression-level") == 0)
		return take_level(output, value, err);
	if (strcmp(key, "mode") == 0)
		return take_mode(output, value, err);
	if (text_has_prefix(key, "annotation") && strchr(key, '.'))
		return take_annotation(output, key, value, err);
	int rc = take_constant(key, value, &known, err);
	return rc < 0 || known ? rc : take_flag(p, key, value, err);
}

static int check(struct parsing *p, struct error **err)
{
	struct output *output = p->output;
	bool is_root = output->type == OUTPUT_LOCAL || output->type == OUTPUT_TAR;

	if (!p->has_type)
		return error_set(err, EINVAL, "type= is missing");
	if (p->push && !p->is_image && output->type != OUTPUT_REGISTRY)
		return error_set(err, EINVAL, "push=true goes with type=image");
	if (p->push)
		output->type = OUTPUT_REGISTRY;
	if (output->type == OUTPUT_DOCKER && !output->dest)
		output->type = OUTPUT_STORE;
	bool wants_dest = is_root || output->type == OUTPUT_OCI || output->type == OUTPUT_DOCKER;
	if (wants_dest && (!output->dest || !*output->dest))
		return error_set(err, EINVAL, "dest= is missing");
	/* export_image() takes "transport:path:name". */
	if (wants_dest && !is_root && strchr(output->dest, ':'))
		return error_set(err, EINVAL, "dest '%s': there must be no ':' in it", output->dest);
	if (!wants_dest && output->dest)
		return error_set(err, EINVAL, "this type has no dest=");
	if (output->by_digest && output->type != OUTPUT_REGISTRY)
		return error_set(err, EINVAL, "push-by-digest=true goes with push=true");
	if (output->is_directory && output->type != OUTPUT_OCI)
		return error_set(err, EINVAL, "tar=false goes with type=oci");
	if (output_is_stdout(output) && (output->type == OUTPUT_LOCAL || output->is_directory))
		return error_set(err, EINVAL, "a directory cannot be written to standard output");
	if ((output->split || output->delete_others) && output->type != OUTPUT_LOCAL)
		return error_set(err, EINVAL, "platform-split and mode=delete go with type=local");
	if (output->docker_media_types && output->type == OUTPUT_OCI)
		return error_set(err, EINVAL, "oci-mediatypes=false: an OCI layout holds the OCI format only");
	return 0;
}

int output_parse(const char *text, struct output *output, struct error **err)
{
	cleanup(output_done) struct output parsed = {.level = PACK_LEVEL_DEFAULT};
	cleanup(strlist_done) struct strlist fields = {0};
	struct parsing p = {.output = &parsed};
	/* "DIR" and "-" alone. */
	bool is_short = !strchr(text, '=') && !strchr(text, ',');
	int rc = is_short ? 0 : parse_csv(text, "--output", &fields, err);

	if (is_short) {
		p.has_type = true;
		parsed.type = strcmp(text, "-") == 0 ? OUTPUT_TAR : OUTPUT_LOCAL;
		parsed.dest = mem_strdup(text);
	}
	for (size_t i = 0; rc == 0 && i < fields.count; i++)
		rc = take_field(&p, fields.items[i], err);
	if (rc == 0)
		rc = check(&p, err);
	if (rc < 0)
		return error_prefix(err, "--output '%s'", text);
	*output = parsed;
	parsed = (struct output){0};
	return 0;
}

/* ---- root file systems ---- */

/* The user's own path, made like mkdir -p, absolute. */
static int make_directory(const char *dest, char **path, struct error **err)
{
	cleanup_free char *cwd = getcwd(NULL, 0);

	if (!cwd)
		return error_set_errno(err, "find the working directory");
	cleanup_free char *absolute = *dest == '/' ? mem_strdup(dest) : mem_printf("%s/%s", cwd, dest);
	cleanup_close int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int made = rootpath_mkdirs(slash, absolute, /* dir */ NULL, err);
	if (made < 0)
		return made;
	*path = take_ptr(&absolute);
	return 0;
}

static int write_local(struct workshop *w, const struct output *output, const struct image *image, bool split,
		       struct error **err)
{
	const struct image_config *config = &image->config;
	const char *variant = config->platform.variant;
	cleanup_free char *below =
		split ? mem_printf("%s/%s_%s%s%s", output->dest, config->platform.os, config->platform.architecture,
				   variant ? "_" : "", variant ? variant : "")
		      : mem_strdup(output->dest);
	cleanup_free char *path = NULL;
	int rc = make_directory(below, &path, err);

	return rc < 0 ? rc : output_tree_copy(w, image, path, output->delete_others, err);
}

static int write_tar(struct workshop *w, const struct output *output, const struct image *image, struct error **err)
{
	struct stat st;

	if (output_is_stdout(output))
		return output_tree_tar(w, image, STDOUT_FILENO, err);
	bool is_there = stat(output->dest, &st) == 0;
	/* A FIFO or /dev/null cannot be replaced by a new file, nor /dev/stderr. */
	if (is_there && fd_own_output(&st) == STDERR_FILENO)
		return output_tree_tar(w, image, STDERR_FILENO, err);
	if (is_there && !S_ISREG(st.st_mode)) {
		cleanup_close int fd = open(output->dest, O_WRONLY | O_CLOEXEC);
		return fd < 0 ? error_set_errno(err, "open") : output_tree_tar(w, image, fd, err);
	}
	cleanup(atomic_file_free) struct atomic_file *file = NULL;
	int rc = atomic_file_open(AT_FDCWD, output->dest, 0644, &file, err);
	if (rc == 0)
		rc = output_tree_tar(w, image, atomic_file_fd(file), err);
	return rc < 0 ? rc : atomic_file_commit(file, /* flags */ 0, err);
}

/* ---- images ---- */

static int archive_place(const struct output *output, const char *path, const char *name, char **place,
			 struct error **err)
{
	cleanup(reference_done) struct reference ref = {0};
	const char *transport = output->type == OUTPUT_DOCKER ? "docker-archive"
				: output->is_directory	      ? "oci"
							      : "oci-archive";

	if (name) {
		int rc = reference_parse(name, &ref, err);
		if (rc < 0)
			return rc;
		reference_add_default_tag(&ref);
	}
	/* In a layout, as BuildKit has it, the tag is the image's name. */
	const char *tag = ref.tag ? ref.tag : "latest";
	const char *shown = output->type == OUTPUT_DOCKER ? name : name ? tag : NULL;
	*place = mem_printf("%s:%s%s%s", transport, path, shown ? ":" : "", shown ? shown : "");
	return 0;
}

static const struct strlist *names_of(const struct output *output, const struct output_options *options)
{
	return output->names.count ? &output->names : options->names;
}

static void adjust(const struct output *output, struct export_options *export)
{
	if (output->has_codec) {
		export->has_codec = true;
		export->codec = output->codec;
	}
	if (output->level != PACK_LEVEL_DEFAULT)
		export->level = output->level;
	export->force_compression |= output->force_compression;
	if (output->docker_media_types) {
		export->has_format = true;
		export->format = FORMAT_DOCKER;
	}
	/* The format of an archive follows from its kind, whatever the image's own is. */
	if (output->type == OUTPUT_OCI || output->type == OUTPUT_DOCKER)
		export->has_format = false;
	if (output->insecure) {
		export->registry.tls_verify = TLS_VERIFY_NO;
		export->client = NULL; /* that of the others has other settings */
	}
}

static int copy_to_stdout(const char *path, struct error **err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "read '%s'", path);
	return fd_copy(fd, STDOUT_FILENO, /* copied */ NULL, err);
}

int output_send(struct workshop *w, const struct output_product *product, const char *place,
		const struct export_options *options, struct digest *digest, struct error **err)
{
	const struct list_push_options push = {.export = *options};

	return product->list ? manifest_list_push(w, product->list, place, &push, digest, err)
			     : export_image(w, product->images[0], place, options, digest, err);
}

static int write_archive(struct workshop *w, const struct output *output, const struct output_product *product,
			 const struct output_options *options, struct digest *digest, struct error **err)
{
	const struct strlist *names = names_of(output, options);
	const char *name = names->count ? names->items[0] : NULL;
	struct export_options export = *options->export;
	cleanup_free char *place = NULL;
	cleanup_free char *spool = NULL;
	int rc;

	if (names->count > 1)
		log_warn("an archive holds one name, writing only '%s' into '%s'", name, output->dest);
	if (output_is_stdout(output)) {
		if ((rc = store_tmp(workshop_store(w), err)) < 0)
			return rc;
		cleanup_free char *temporary = store_tmp_name(workshop_store(w), "output");
		spool = store_tmp_path(workshop_store(w), temporary);
	}
	adjust(output, &export);
	rc = archive_place(output, spool ? spool : output->dest, name, &place, err);
	if (rc == 0)
		rc = output_send(w, product, place, &export, digest, err);
	return rc == 0 && spool ? copy_to_stdout(spool, err) : rc;
}

static int push(struct workshop *w, const struct output *output, const struct output_product *product,
		const struct output_options *options, struct digest *digest, struct error **err)
{
	const struct strlist *names = names_of(output, options);
	struct export_options export = *options->export;

	if (names->count == 0)
		return error_set(err, EINVAL, "the image has no name to push it to: give it one with --tag");
	adjust(output, &export);
	export.by_digest |= output->by_digest;
	for (size_t i = 0; i < names->count; i++) {
		cleanup_free char *place = mem_printf("docker://%s", names->items[i]);
		int rc = output_send(w, product, place, &export, digest, err);
		if (rc < 0)
			return error_prefix(err, "push %s", names->items[i]);
	}
	return 0;
}

int output_check_push(const struct output *output, const struct output_options *options, struct error **err)
{
	const struct strlist *names = names_of(output, options);
	struct export_options export = *options->export;
	int rc = 0;

	adjust(output, &export);
	for (size_t i = 0; rc == 0 && i < names->count; i++) {
		cleanup_free char *place = mem_printf("docker://%s", names->items[i]);
		rc = export_check_push(place, &export, err);
	}
	return rc;
}

int output_check_list(const struct output *output, struct error **err)
{
	if (output->type == OUTPUT_TAR)
		return error_set(
			err, EINVAL,
			"--output type=tar holds the root of one platform (type=local makes a directory of each, "
			"type=oci an archive of all images)");
	if (output->type == OUTPUT_DOCKER)
		return error_set(
			err, EINVAL,
			"--output type=docker: an archive of Docker's holds one image, not a list of them (use "
			"type=oci)");
	return 0;
}

int output_write(struct workshop *w, const struct output *output, const struct output_product *product,
		 const struct output_options *options, struct digest *digest, struct error **err)
{
	int rc = product->list ? output_check_list(output, err) : 0;

	*digest = (struct digest){0};
	if (rc < 0)
		return rc;
	switch (output->type) {
	case OUTPUT_STORE: /* where it is already */
		return 0;
	case OUTPUT_REGISTRY:
		return push(w, output, product, options, digest, err);
	case OUTPUT_LOCAL:
		for (size_t i = 0; rc == 0 && i < product->count; i++)
			rc = write_local(w, output, product->images[i], output->split || product->list, err);
		break;
	case OUTPUT_TAR:
		rc = write_tar(w, output, product->images[0], err);
		break;
	case OUTPUT_OCI:
	case OUTPUT_DOCKER:
		rc = write_archive(w, output, product, options, digest, err);
		break;
	}
	return rc < 0 ? error_prefix(err, "write the result to '%s'", output->dest) : 0;
}

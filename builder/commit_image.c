/*
 * What a commit writes: the container's next state, and the image's configuration and manifest.
 */
#include "builder/commit_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "builder/container_base.h"
#include "builder/container_state.h"
#include "imagefmt/blob.h"
#include "imagefmt/image_note.h"

#define IDENTITY_LABEL "io.cooper.version"
#define CREATED_ANNOTATION "org.opencontainers.image.created"
#define DOCKER_LAYERS_MAX 127 /* more than that dockerd refuses to register ("max depth exceeded") */

void new_image_done(struct new_image *image)
{
	descriptor_done(&image->manifest);
}

int container_copy(const struct container *from, struct container *to, struct error **err)
{
	cleanup(container_done) struct container copy = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CONTAINER_BASE_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	cleanup_free char *base = NULL;
	int rc = container_state_format(from, /* base */ "", &root, err);

	if (rc == 0)
		rc = container_state_parse(root, "container", &copy, &base, err);
	container_base_format(from, &text);
	if (rc == 0)
		rc = container_base_parse(&text, "container", &copy, err);
	if (rc < 0)
		return rc;
	container_base_copy(from->base, copy.base);
	*to = copy;
	copy = (struct container){0};
	return 0;
}

/* ---- the container's next state ---- */

/* What made the layer: what the user said, else the shell, as Buildah has it. */
static char *made_by(const struct container *c, const struct commit_options *options)
{
	if (options->created_by)
		return mem_strdup(options->created_by);
	if (c->created_by && *c->created_by)
		return mem_strdup(c->created_by);
	return c->config.shell.count ? strlist_join(&c->config.shell, " ") : mem_strdup("/bin/sh");
}

bool commit_has_pending_layers(const struct container *c)
{
	for (size_t i = 0; i < c->pending_count; i++)
		if (!c->pending[i].empty_layer)
			return true;
	return false;
}

/* Of the last commit, which is made again. Gives whether it stood for a layer. */
static bool drop_last_history(struct image_config *config)
{
	if (config->history_count == 0)
		return true;
	struct history *last = &config->history[--config->history_count];
	bool has_layer = !last->empty_layer;
	history_done(last);
	return has_layer;
}

static void add_history(struct container *next, const struct container *c, const struct commit_options *options,
			bool has_layer, const char *created)
{
	bool fixed_time = options->timestamp >= 0 || options->source_date_epoch >= 0;

	for (size_t i = 0; i < c->pending_count; i++) {
		struct history entry = c->pending[i];
		if (fixed_time)
			entry.created = (char *)created;
		/* The layers of all that came before are one now. */
		if (options->squash)
			entry.empty_layer = true;
		image_config_add_history(&next->config, &entry);
	}
	cleanup_free char *created_by = made_by(c, options);
	const char *comment = options->comment ? options->comment : c->history_comment;
	struct history entry = {
		.created = (char *)created,
		.created_by = created_by,
		.author = c->config.author,
		.comment = (char *)comment,
		.empty_layer = !has_layer,
	};
	image_config_add_history(&next->config, &entry);
}

static void drop_layers(struct container *next)
{
	struct image_config *config = &next->config;

	config->diff_id_count = 0;
	strlist_clear(&next->layer_types);
}

static void drop_history(struct image_config *config)
{
	for (size_t i = 0; i < config->history_count; i++)
		history_done(&config->history[i]);
	config->history_count = 0;
}

int commit_next_state(const struct container *c, const struct commit_options *options, const struct pack_result *layer,
		      const char *created, struct container *next, struct error **err)
{
	cleanup(container_done) struct container made = {0};
	char digest[DIGEST_TEXT_SIZE];
	enum image_format format = options->has_format ? options->format : c->format;
	int rc = container_copy(c, &made, err);

	if (rc < 0)
		return rc;
	if (options->squash) {
		drop_layers(&made);
		drop_history(&made.config);
	}
	if (layer && made.config.diff_id_count >= MANIFEST_LAYERS_MAX)
		return error_set(err, E2BIG, "an image cannot have more than %d layers (use --squash)",
				 MANIFEST_LAYERS_MAX);
	if (layer) {
		image_config_add_diff_id(&made.config, &layer->diff_id);
		strlist_printf(&made.layer_types, "%s %s %llu", layer_media_type(format, CODEC_NONE),
			       digest_format(&layer->diff_id, digest), (unsigned long long)layer->size);
	}
	bool has_layer = layer || (!commit_has_pending_layers(c) && drop_last_history(&made.config));
	add_history(&made, c, options, has_layer, created);
	for (size_t i = 0; i < made.pending_count; i++)
		history_done(&made.pending[i]);
	made.pending_count = 0;
	*next = made;
	made = (struct container){0};
	return 0;
}

/* ---- the image ---- */

static int image_config(const struct container *next, const struct commit_options *options, enum image_format format,
			const char *created, struct image_config *config, struct error **err)
{
	char parent[DIGEST_TEXT_SIZE];
	int rc = image_config_copy(config, &next->config, err);

	if (rc < 0)
		return rc;
	mem_replace(&config->created, created);
	mem_replace(&config->parent, format == FORMAT_DOCKER && !digest_is_null(&next->image_id) && !options->squash
					     ? digest_format(&next->image_id, parent)
					     : NULL);
	for (size_t i = 0; options->unset_env && i < options->unset_env->count; i++)
		strlist_env_unset(&config->env, options->unset_env->items[i]);
	if (options->identity_label)
		strlist_env_set(&config->labels, IDENTITY_LABEL, COOPER_VERSION);
	if (options->omit_history)
		drop_history(config);
	return 0;
}

/* "type digest size" of the container's state. */
static int parse_layer(const char *text, enum image_format format, struct descriptor *layer, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	enum codec codec;

	strlist_split(&words, text, ' ');
	if (words.count != 3)
		return error_set(err, EINVAL, "layer '%s': not a type, a digest and a size", text);
	int rc = layer_codec(words.items[0], &codec, err);
	if (rc >= 0)
		rc = digest_parse(words.items[1], &layer->digest, err);
	if (rc >= 0)
		rc = parse_u64(words.items[2], INT64_MAX, "a layer's size", &layer->size, err);
	if (rc >= 0)
		layer->media_type = mem_strdup(layer_media_type(format, codec));
	return rc;
}

static void set_annotations(struct manifest *m, const struct container *next, const struct commit_options *options,
			    const char *created)
{
	strlist_copy(&m->annotations, &next->annotations);
	for (size_t i = 0; options->annotations && i < options->annotations->count; i++) {
		const char *text = options->annotations->items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		strlist_env_set(&m->annotations, key, text[strlen(key)] ? text + strlen(key) + 1 : "");
	}
	for (size_t i = 0; options->unset_annotations && i < options->unset_annotations->count; i++)
		strlist_env_unset(&m->annotations, options->unset_annotations->items[i]);
	if (options->created_annotation)
		strlist_env_set(&m->annotations, CREATED_ANNOTATION, created);
	strlist_sort(&m->annotations);
}

static int format_config(const struct image_config *config, enum image_format format, struct buf *text,
			 struct error **err)
{
	image_config_format(config, format, text);
	return text->overflow ? error_set(err, EFBIG, "the image's configuration is too large") : 0;
}

static int write_config(struct workshop *w, const struct image_config *config, enum image_format format,
			struct descriptor *descriptor, uint64_t *sum, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = format_config(config, format, &text, err);

	if (rc < 0)
		return rc;
	*sum = blob_sum(text.data, text.len);
	descriptor->media_type = mem_strdup(config_media_type(format));
	descriptor->size = text.len;
	return blob_put(workshop_store(w), text.data, text.len, &descriptor->digest, err);
}

int commit_image_id(const struct container *next, const struct commit_options *options, int64_t created,
		    struct digest *id, struct error **err)
{
	enum image_format format = options->has_format ? options->format : next->format;
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	cleanup_free char *time = format_time(created, 0);
	int rc = image_config(next, options, format, time, &config, err);

	if (rc >= 0)
		rc = format_config(&config, format, &text, err);
	return rc < 0 ? rc : digest_of(text.data, text.len, id, err);
}

/* Others, and we, go on with more. */
static void warn_of_many_layers(size_t count)
{
	if (count > DOCKER_LAYERS_MAX)
		log_warn("the image has %zu layers, and Docker takes none with more than %d; writing it all the same "
			 "(--squash makes one layer of all, build --layers=false one of each stage)",
			 count, DOCKER_LAYERS_MAX);
}

int commit_write_image(struct workshop *w, const struct container *next, const struct commit_options *options,
		       int64_t created, struct new_image *image, struct error **err)
{
	enum image_format format = options->has_format ? options->format : next->format;
	cleanup(image_config_done) struct image_config config = {0};
	cleanup(manifest_done) struct manifest m = {.format = format};
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup_free char *time = format_time(created, 0);
	struct image_sums sums = {0};

	int rc = image_config(next, options, format, time, &config, err);
	if (rc >= 0)
		rc = write_config(w, &config, format, &m.config, &sums.config, err);
	if (rc < 0)
		return rc;
	m.layers = mem_alloc((next->layer_types.count + 1) * sizeof(*m.layers));
	for (size_t i = 0; i < next->layer_types.count; i++) {
		m.layer_count++;
		rc = parse_layer(next->layer_types.items[i], format, &m.layers[i], err);
		if (rc < 0)
			return rc;
	}
	if (format == FORMAT_OCI)
		set_annotations(&m, next, options, time);
	else if ((options->annotations && options->annotations->count > 0) || options->created_annotation)
		log_warn("Docker's manifests have no annotations: the image is written without them");
	manifest_format(&m, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the image's manifest is too large");
	image->manifest.media_type = mem_strdup(manifest_media_type(&m));
	image->manifest.size = text.len;
	image->id = m.config.digest;
	image->created = created;
	image->name = options->name;
	image->unlisted = options->unlisted;
	rc = blob_put(workshop_store(w), text.data, text.len, &image->manifest.digest, err);
	/* The next who asks are we ourselves. */
	if (rc >= 0) {
		sums.manifest = blob_sum(text.data, text.len);
		image_note_write(workshop_store(w), &image->manifest.digest, &m, &config, format, &sums);
		warn_of_many_layers(m.layer_count);
	}
	return rc;
}

int commit_list_image(struct workshop *w, const struct new_image *image, struct error **err)
{
	if (image->unlisted)
		return 0;
	return images_add(workshop_store(w), &image->manifest, &image->id, image->created, image->name, err);
}

/*
 * A container's state on disk. The configuration is kept in Docker's format, which can say everything that ours holds.
 */
#include "builder/container_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/container_base.h"
#include "imagefmt/jsondigest.h"

void container_done(struct container *c)
{
	free(c->name);
	free(c->image_name);
	free(c->image_manifest);
	image_config_done(&c->config);
	strlist_done(&c->annotations);
	strlist_done(&c->layer_types);
	free(c->created_by);
	free(c->history_comment);
	for (size_t i = 0; i < c->pending_count; i++)
		history_done(&c->pending[i]);
	free(c->pending);
	settings_done(&c->settings);
	container_base_free(c->base);
	*c = (struct container){0};
}

/* ---- writing ---- */

static void set_digest(json_t *object, const char *key, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];

	if (!digest_is_null(digest))
		json_set_string(object, key, digest_format(digest, text));
}

/* Comments and the like may hold any bytes of the user's. */
static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_set_take(object, key, json_from_bytes(text));
}

static json_t *format_pending(const struct container *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->pending_count; i++) {
		const struct history *entry = &c->pending[i];
		json_t *object = json_object();
		set_text(object, "created", entry->created);
		set_text(object, "created_by", entry->created_by);
		set_text(object, "author", entry->author);
		set_text(object, "comment", entry->comment);
		if (entry->empty_layer)
			json_set_bool(object, "empty_layer", true);
		json_array_append_new(list, object);
	}
	return list;
}

int container_state_format(const struct container *c, const char *base, json_t **root, struct error **err)
{
	cleanup_json json_t *object = json_object();
	cleanup(buf_done) struct buf config = BUF_INIT(CONFIG_SIZE_MAX);
	struct image_config small = c->config; /* borrows */
	json_t *value = NULL;

	small.diff_id_count = small.history_count = 0;
	image_config_format(&small, FORMAT_DOCKER, &config);
	int rc = json_parse(buf_str(&config), config.len, "configuration", &value, err);
	if (rc < 0)
		return error_prefix(err, "container '%s'", c->name);
	/* Not "config": earlier versions would take it for a container without layers. */
	json_set_take(object, "configuration", value);
	json_set_string(object, "id", c->id);
	set_text(object, "name", c->name);
	json_set_i64(object, "created", c->created);
	json_set_i64(object, "createdNanoseconds", c->created_ns);
	set_text(object, "imageName", c->image_name);
	set_digest(object, "imageID", &c->image_id);
	set_digest(object, "imageDigest", &c->image_digest);
	json_set_string(object, "base", base);
	json_set_string(object, "format", c->format == FORMAT_DOCKER ? "docker" : "oci");
	json_set_strlist_opt(object, "annotations", &c->annotations);
	set_text(object, "createdBy", c->created_by);
	set_text(object, "historyComment", c->history_comment);
	if (c->pending_count)
		json_set_take(object, "pendingHistory", format_pending(c));
	set_digest(object, "lastCommit", &c->last_commit);
	json_set_take(object, "settings", settings_to_json(&c->settings));
	*root = take_ptr(&object);
	return 0;
}

/* ---- reading ---- */

static int parse_pending(const struct json_place *at, struct container *c, struct error **err)
{
	ssize_t count = json_get_count(*at, err);

	if (count <= 0)
		return (int)count;
	c->pending = mem_alloc((size_t)count * sizeof(*c->pending));
	for (size_t i = 0; i < (size_t)count; i++) {
		struct json_place entry = json_element(at, i);
		struct history *history = &c->pending[i];
		c->pending_count++;
		int rc = json_get_string(json_field(&entry, "created"), &history->created, err);
		if (rc >= 0)
			rc = json_get_string(json_field(&entry, "created_by"), &history->created_by, err);
		if (rc >= 0)
			rc = json_get_string(json_field(&entry, "author"), &history->author, err);
		if (rc >= 0)
			rc = json_get_string(json_field(&entry, "comment"), &history->comment, err);
		if (rc >= 0)
			rc = json_get_bool(json_field(&entry, "empty_layer"), &history->empty_layer, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_config(const struct json_place *at, const char *what, struct container *c, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONFIG_SIZE_MAX);
	int rc = json_require(at, err);

	if (rc < 0)
		return rc;
	json_format(at->value, &text);
	return image_config_parse(buf_str(&text), text.len, what, &c->config, err);
}

static int parse_names(const struct json_place *root, struct container *c, struct error **err)
{
	cleanup_free char *id = NULL, *format = NULL;
	int rc = json_get_string(json_field(root, "id"), &id, err);

	if (rc < 0)
		return rc;
	if (!id || strlen(id) != CONTAINER_ID_SIZE - 1)
		return json_error(root, err, "no container's id");
	memcpy(c->id, id, CONTAINER_ID_SIZE);
	struct json_place name = json_field(root, "name");
	rc = json_require(&name, err);
	if (rc >= 0)
		rc = json_get_string(name, &c->name, err);
	if (rc >= 0)
		rc = json_get_string(json_field(root, "imageName"), &c->image_name, err);
	if (rc >= 0)
		rc = json_get_string(json_field(root, "imageManifest"), &c->image_manifest, err);
	if (rc >= 0)
		rc = json_get_string(json_field(root, "format"), &format, err);
	if (rc >= 0 && format)
		c->format = strcmp(format, "docker") == 0 ? FORMAT_DOCKER : FORMAT_OCI;
	if (rc >= 0)
		rc = json_get_digest(json_field(root, "imageID"), &c->image_id, err);
	if (rc >= 0)
		rc = json_get_digest(json_field(root, "imageDigest"), &c->image_digest, err);
	return rc;
}

int container_state_parse(const json_t *root, const char *what, struct container *c, char **base, struct error **err)
{
	cleanup(container_done) struct container read = {0};
	cleanup_free char *base_name = NULL;
	struct json_place at = json_root(what, root);
	struct json_place config = json_field(&at, "configuration");
	struct json_place pending = json_field(&at, "pendingHistory");
	struct json_place settings = json_field(&at, "settings");

	if (!json_is_present(&config))
		config = json_field(&at, "config");
	int rc = parse_names(&at, &read, err);
	if (rc >= 0)
		rc = json_get_i64(json_field(&at, "created"), &read.created, err);
	if (rc >= 0)
		rc = json_get_i64(json_field(&at, "createdNanoseconds"), &read.created_ns, err);
	if (rc >= 0)
		rc = parse_config(&config, what, &read, err);
	if (rc >= 0)
		rc = json_get_strlist(json_field(&at, "annotations"), &read.annotations, err);
	if (rc >= 0)
		rc = json_get_strlist(json_field(&at, "layerTypes"), &read.layer_types, err);
	if (rc >= 0)
		rc = json_get_string(json_field(&at, "createdBy"), &read.created_by, err);
	if (rc >= 0)
		rc = json_get_string(json_field(&at, "historyComment"), &read.history_comment, err);
	if (rc >= 0)
		rc = parse_pending(&pending, &read, err);
	if (rc >= 0)
		rc = json_get_digest(json_field(&at, "lastCommit"), &read.last_commit, err);
	if (rc >= 0)
		rc = settings_from_json(&settings, &read.settings, err);
	if (rc >= 0)
		rc = json_get_string(json_field(&at, "base"), &base_name, err);
	if (rc < 0)
		return rc;
	*base = take_ptr(&base_name);
	if (!read.image_name)
		read.image_name = mem_strdup("");
	if (!read.image_manifest)
		read.image_manifest = mem_strdup("");
	read.base = mem_alloc(sizeof(*read.base));
	*c = read;
	read = (struct container){0};
	return 0;
}

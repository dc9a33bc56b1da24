/*
 * What inspect tells, built from the structs field by field, so that a template finds every field even where it is
 * empty, as it would in Go.
 */
#include "cmd/inspection.h"

#include <string.h>

#include "builder/build_gotext.h"
#include "run/capability.h"

/* A field's name in both spellings. */
struct field {
	const char *json, *go;
};

static void put(json_t *object, enum spelling spelling, struct field name, json_t *value)
{
	json_set_take(object, spelling == SPELLING_GO ? name.go : name.json, value);
}

static json_t *text_value(const char *text)
{
	return json_from_bytes(text ? text : "");
}

static json_t *list_value(const struct strlist *list)
{
	json_t *array = json_array();
	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, text_value(list->items[i]));
	return array;
}

static json_t *map_value(const struct strlist *map)
{
	json_t *object = json_object();
	for (size_t i = 0; i < map->count; i++) {
		const char *equals = strchr(map->items[i], '=');
		cleanup_free char *key =
			equals ? mem_strndup(map->items[i], equals - map->items[i]) : mem_strdup(map->items[i]);
		json_set_take(object, key, text_value(equals ? equals + 1 : ""));
	}
	return object;
}

static json_t *set_value(const struct strlist *set)
{
	json_t *object = json_object();
	for (size_t i = 0; i < set->count; i++)
		json_set_take(object, set->items[i], json_object());
	return object;
}

/* Nanoseconds as Go's time.Duration prints them: "1h0m5s", "1.5s", "100ms". */
static json_t *duration_value(int64_t nanoseconds, enum spelling spelling)
{
	if (spelling != SPELLING_GO)
		return json_integer(nanoseconds);
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	gotext_duration(nanoseconds, &text);
	return text_value(buf_str(&text));
}

static json_t *healthcheck_value(const struct healthcheck *check, enum spelling spelling)
{
	json_t *object = json_object();
	json_set_take(object, "Test", list_value(&check->test));
	json_set_take(object, "Interval", duration_value(check->interval, spelling));
	json_set_take(object, "Timeout", duration_value(check->timeout, spelling));
	json_set_take(object, "StartPeriod", duration_value(check->start_period, spelling));
	json_set_take(object, "StartInterval", duration_value(check->start_interval, spelling));
	json_set_i64(object, "Retries", check->retries);
	return object;
}

/* `config` of both formats: its names are Go's in JSON too. */
static json_t *config_value(const struct image_config *config, enum image_format format, enum spelling spelling)
{
	json_t *object = json_object();
	json_set_take(object, "User", text_value(config->user));
	json_set_take(object, "ExposedPorts", set_value(&config->exposed_ports));
	json_set_take(object, "Env", list_value(&config->env));
	json_set_take(object, "Entrypoint", list_value(&config->entrypoint));
	json_set_take(object, "Cmd", list_value(&config->cmd));
	json_set_take(object, "Volumes", set_value(&config->volumes));
	json_set_take(object, "WorkingDir", text_value(config->working_dir));
	json_set_take(object, "Labels", map_value(&config->labels));
	json_set_take(object, "StopSignal", text_value(config->stop_signal));
	if (format == FORMAT_OCI && !config->healthcheck.is_set && !config->onbuild.count && !config->shell.count)
		return object;
	json_set_take(object, "Healthcheck",
		      config->healthcheck.is_set ? healthcheck_value(&config->healthcheck, spelling) : json_null());
	json_set_take(object, "OnBuild", list_value(&config->onbuild));
	json_set_take(object, "Shell", list_value(&config->shell));
	json_set_take(object, "Hostname", text_value(config->hostname));
	json_set_take(object, "Domainname", text_value(config->domainname));
	return object;
}

static json_t *history_value(const struct image_config *config, enum spelling spelling)
{
	json_t *array = json_array();
	for (size_t i = 0; i < config->history_count; i++) {
		const struct history *entry = &config->history[i];
		json_t *object = json_object();
		put(object, spelling, (struct field){"created", "Created"}, text_value(entry->created));
		put(object, spelling, (struct field){"created_by", "CreatedBy"}, text_value(entry->created_by));
		put(object, spelling, (struct field){"author", "Author"}, text_value(entry->author));
		put(object, spelling, (struct field){"comment", "Comment"}, text_value(entry->comment));
		put(object, spelling, (struct field){"empty_layer", "EmptyLayer"}, json_boolean(entry->empty_layer));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *rootfs_value(const struct image_config *config, enum spelling spelling)
{
	json_t *ids = json_array();
	for (size_t i = 0; i < config->diff_id_count; i++) {
		char text[DIGEST_TEXT_SIZE];
		json_array_append_new(ids, json_string(digest_format(&config->diff_ids[i], text)));
	}
	json_t *object = json_object();
	put(object, spelling, (struct field){"type", "Type"}, json_string("layers"));
	put(object, spelling, (struct field){"diff_ids", "DiffIDs"}, ids);
	return object;
}

/* `history` is history_value() of it, which of an image with hundreds of layers is most of what is told, and the same in
 * both formats. Borrowed. */
static json_t *document_value(const struct image_config *config, enum image_format format, enum spelling spelling,
			      json_t *history)
{
	json_t *object = json_object();
	put(object, spelling, (struct field){"created", "Created"}, text_value(config->created));
	put(object, spelling, (struct field){"author", "Author"}, text_value(config->author));
	put(object, spelling, (struct field){"architecture", "Architecture"},
	    text_value(config->platform.architecture));
	put(object, spelling, (struct field){"variant", "Variant"}, text_value(config->platform.variant));
	put(object, spelling, (struct field){"os", "OS"}, text_value(config->platform.os));
	put(object, spelling, (struct field){"os.version", "OSVersion"}, text_value(config->platform.os_version));
	put(object, spelling, (struct field){"os.features", "OSFeatures"}, list_value(&config->platform.os_features));
	put(object, spelling, (struct field){"config", "Config"}, config_value(config, format, spelling));
	put(object, spelling, (struct field){"rootfs", "RootFS"}, rootfs_value(config, spelling));
	put(object, spelling, (struct field){"history", "History"}, json_incref(history));
	if (format == FORMAT_OCI)
		return object;
	put(object, spelling, (struct field){"container_config", "ContainerConfig"},
	    config_value(config, format, spelling));
	put(object, spelling, (struct field){"parent", "Parent"}, text_value(config->parent));
	put(object, spelling, (struct field){"comment", "Comment"}, text_value(config->comment));
	return object;
}

static void put_digest(json_t *object, const char *key, const struct digest *digest, bool hex_only)
{
	char text[DIGEST_TEXT_SIZE] = "";
	if (!digest_is_null(digest))
		hex_only ? digest_hex(digest, text) : digest_format(digest, text);
	json_set_string(object, key, text);
}

json_t *inspect_container(const struct container *c, const char *mount_point, enum spelling spelling)
{
	cleanup(strlist_done) struct strlist capabilities = {0};
	cleanup(buf_done) struct buf config = BUF_INIT(CONFIG_SIZE_MAX);
	json_t *object = json_object();
	json_t *namespaces = json_array();
	json_t *history = history_value(&c->config, spelling);
	image_config_format(&c->config, c->format, &config);
	json_set_string(object, "Type", "cooper 0.1");
	json_set_string(object, "FromImage", c->image_name ? c->image_name : "");
	put_digest(object, "FromImageID", &c->image_id, /* hex_only */ true);
	put_digest(object, "FromImageDigest", &c->image_digest, /* hex_only */ false);
	json_set_string(object, "Config", buf_str(&config));
	json_set_string(object, "Manifest", c->image_manifest ? c->image_manifest : "");
	json_set_string(object, "Container", c->name);
	json_set_string(object, "ContainerID", c->id);
	json_set_string(object, "MountPoint", mount_point ? mount_point : "");
	json_set_string(object, "ProcessLabel", "");
	json_set_string(object, "MountLabel", "");
	json_set_take(object, "ImageAnnotations", map_value(&c->annotations));
	json_set_string(object, "ImageCreatedBy", c->created_by ? c->created_by : "");
	json_set_take(object, "OCIv1", document_value(&c->config, FORMAT_OCI, spelling, history));
	json_set_take(object, "Docker", document_value(&c->config, FORMAT_DOCKER, spelling, history));
	json_set_string(object, "DefaultMountsFilePath", "");
	json_set_string(object, "Isolation", c->settings.isolation ? c->settings.isolation : "auto");
	json_set_take(object, "NamespaceOptions", namespaces);
	json_set_take(object, "Devices", list_value(&c->settings.devices));
	json_set_take(object, "AddCapabilities", list_value(&c->settings.cap_add));
	json_set_take(object, "DropCapabilities", list_value(&c->settings.cap_drop));
	capability_names(capability_defaults(), &capabilities);
	json_set_take(object, "DefaultCapabilities", list_value(&capabilities));
	json_set_take(object, "History", history);
	return object;
}

json_t *inspect_image(const struct image *image, const char *config_text, const char *manifest_text,
		      enum spelling spelling)
{
	json_t *object = json_object();
	cleanup_json json_t *history = history_value(&image->config, spelling);
	json_set_string(object, "Type", "cooper 0.1");
	json_set_string(object, "FromImage", image->entry.names.count ? image->entry.names.items[0] : "");
	put_digest(object, "FromImageID", &image->entry.id, /* hex_only */ true);
	put_digest(object, "FromImageDigest", &image->entry.manifest.digest, /* hex_only */ false);
	json_set_string(object, "Config", config_text);
	json_set_string(object, "Manifest", manifest_text);
	json_set_string(object, "Container", "");
	json_set_string(object, "ContainerID", "");
	json_set_string(object, "MountPoint", "");
	json_set_take(object, "ImageAnnotations", map_value(&image->manifest.annotations));
	json_set_string(object, "ImageCreatedBy", "");
	json_set_take(object, "OCIv1", document_value(&image->config, FORMAT_OCI, spelling, history));
	json_set_take(object, "Docker", document_value(&image->config, FORMAT_DOCKER, spelling, history));
	return object;
}

bool inspect_wants_json(const char *format)
{
	return !format || strcmp(format, "json") == 0;
}

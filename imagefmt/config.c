/*
 * Image configurations: foreign JSON in, struct image_config out, and back as canonical text.
 */
#include "imagefmt/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "imagefmt/jsondigest.h"
#include "imagefmt/jsonrest.h"

static const char *const top_fields[] = {"created", "author", "architecture", "os",	 "os.version", "os.features",
					 "variant", "config", "rootfs",	      "history", "comment",    "parent"};
static const char *const config_fields[] = {"User",    "ExposedPorts", "Env",	   "Entrypoint", "Cmd",
					    "Volumes", "WorkingDir",   "Labels",   "StopSignal", "Healthcheck",
					    "OnBuild", "Shell",	       "Hostname", "Domainname"};
/* What Docker writes at the top and an OCI configuration has no use for. */
static const char *const docker_fields[] = {"container", "container_config", "docker_version", "id", "throwaway"};

void history_done(struct history *entry)
{
	free(entry->created);
	free(entry->created_by);
	free(entry->author);
	free(entry->comment);
	*entry = (struct history){0};
}

static void history_copy(struct history *to, const struct history *from)
{
	*to = (struct history){
		.created = mem_strdup(from->created),
		.created_by = mem_strdup(from->created_by),
		.author = mem_strdup(from->author),
		.comment = mem_strdup(from->comment),
		.empty_layer = from->empty_layer,
	};
}

void image_config_done(struct image_config *config)
{
	free(config->created);
	free(config->author);
	platform_done(&config->platform);
	free(config->user);
	strlist_done(&config->exposed_ports);
	strlist_done(&config->env);
	strlist_done(&config->entrypoint);
	strlist_done(&config->cmd);
	strlist_done(&config->volumes);
	free(config->working_dir);
	strlist_done(&config->labels);
	free(config->stop_signal);
	strlist_done(&config->healthcheck.test);
	strlist_done(&config->onbuild);
	strlist_done(&config->shell);
	free(config->hostname);
	free(config->domainname);
	free(config->diff_ids);
	for (size_t i = 0; i < config->history_count; i++)
		history_done(&config->history[i]);
	free(config->history);
	free(config->comment);
	free(config->parent);
	free(config->unknown);
	free(config->unknown_config);
	*config = (struct image_config){0};
}

void image_config_init(struct image_config *config, const struct platform *platform)
{
	*config = (struct image_config){0};
	if (platform)
		platform_copy(&config->platform, platform);
	else
		platform_host(&config->platform);
}

static void copy_healthcheck(struct healthcheck *to, const struct healthcheck *from)
{
	*to = *from;
	to->test = (struct strlist){0};
	strlist_copy(&to->test, &from->test);
}

/* A flat list of all fields; it cannot fail, the parameter is there for the caller's convenience in a chain. */
int image_config_copy(struct image_config *to, const struct image_config *from, struct error **err)
{
	(void)err;
	struct image_config copy = {
		.created = mem_strdup(from->created),
		.author = mem_strdup(from->author),
		.user = mem_strdup(from->user),
		.working_dir = mem_strdup(from->working_dir),
		.stop_signal = mem_strdup(from->stop_signal),
		.hostname = mem_strdup(from->hostname),
		.domainname = mem_strdup(from->domainname),
		.comment = mem_strdup(from->comment),
		.parent = mem_strdup(from->parent),
		.unknown = mem_strdup(from->unknown),
		.unknown_config = mem_strdup(from->unknown_config),
	};
	platform_copy(&copy.platform, &from->platform);
	strlist_copy(&copy.exposed_ports, &from->exposed_ports);
	strlist_copy(&copy.env, &from->env);
	strlist_copy(&copy.entrypoint, &from->entrypoint);
	strlist_copy(&copy.cmd, &from->cmd);
	strlist_copy(&copy.volumes, &from->volumes);
	strlist_copy(&copy.labels, &from->labels);
	strlist_copy(&copy.onbuild, &from->onbuild);
	strlist_copy(&copy.shell, &from->shell);
	copy_healthcheck(&copy.healthcheck, &from->healthcheck);
	for (size_t i = 0; i < from->diff_id_count; i++)
		image_config_add_diff_id(&copy, &from->diff_ids[i]);
	for (size_t i = 0; i < from->history_count; i++)
		image_config_add_history(&copy, &from->history[i]);
	image_config_done(to);
	*to = copy;
	return 0;
}

void image_config_add_diff_id(struct image_config *config, const struct digest *diff_id)
{
	config->diff_ids = mem_grow(config->diff_ids, config->diff_id_count + 1, sizeof(*config->diff_ids));
	config->diff_ids[config->diff_id_count++] = *diff_id;
}

void image_config_add_history(struct image_config *config, const struct history *entry)
{
	struct history copy;
	history_copy(&copy, entry); /* first: `entry` may stand in the array that moves */
	config->history = mem_grow(config->history, config->history_count + 1, sizeof(*config->history));
	config->history[config->history_count++] = copy;
}

/* ---- Reading ---- */

/* Fields that share a type are read from a table of names and places. */
struct string_field {
	const char *key;
	char **value;
};
struct list_field {
	const char *key;
	struct strlist *value;
};

static int read_strings(const struct json_place *at, const struct string_field *fields, size_t count,
			struct error **err)
{
	for (size_t i = 0; i < count; i++) {
		int rc = json_get_string(json_field(at, fields[i].key), fields[i].value, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* An array of strings, or, as images of Docker's first years have it, one string. */
static int read_words(struct json_place at, struct strlist *words, struct error **err)
{
	if (!json_is_string(at.value))
		return json_get_strlist(at, words, err);
	cleanup_free char *word = NULL;
	int rc = json_get_string(at, &word, err);
	if (rc == 0)
		strlist_append(words, word);
	return rc;
}

/* The keys of an object whose values are empty objects: how sets of ports and volumes are written. */
static int read_set(struct json_place at, struct strlist *set, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)at.value, key, value)
	{
		if (!json_is_object(value) && !json_is_null(value)) {
			struct json_place entry = json_field(&at, key);
			return json_error(&entry, err, "not an empty object");
		}
		strlist_append(set, key);
	}
	strlist_sort(set);
	return 0;
}

static int read_healthcheck(struct json_place at, struct healthcheck *check, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	const struct {
		const char *key;
		int64_t *value;
	} numbers[] = {
		{"Interval", &check->interval},	       {"Timeout", &check->timeout},
		{"StartPeriod", &check->start_period}, {"StartInterval", &check->start_interval},
		{"Retries", &check->retries},
	};
	check->is_set = true;
	int rc = read_words(json_field(&at, "Test"), &check->test, err);
	for (size_t i = 0; i < ARRAY_COUNT(numbers) && rc == 0; i++) {
		struct json_place number = json_field(&at, numbers[i].key);
		rc = json_get_i64(number, numbers[i].value, err);
		if (rc == 0 && *numbers[i].value < 0)
			rc = json_error(&number, err, "negative");
	}
	return rc;
}

static int read_config(struct json_place at, struct image_config *config, struct error **err)
{
	if (!json_is_present(&at))
		return 0;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");

	const struct string_field strings[] = {
		{"User", &config->user},
		{"WorkingDir", &config->working_dir},
		{"StopSignal", &config->stop_signal},
		{"Hostname", &config->hostname},
		{"Domainname", &config->domainname},
	};
	const struct list_field words[] = {
		{"Env", &config->env},	       {"Entrypoint", &config->entrypoint}, {"Cmd", &config->cmd},
		{"OnBuild", &config->onbuild}, {"Shell", &config->shell},
	};
	int rc = read_strings(&at, strings, ARRAY_COUNT(strings), err);
	for (size_t i = 0; i < ARRAY_COUNT(words) && rc == 0; i++)
		rc = read_words(json_field(&at, words[i].key), words[i].value, err);
	if (rc == 0)
		rc = read_set(json_field(&at, "ExposedPorts"), &config->exposed_ports, err);
	if (rc == 0)
		rc = read_set(json_field(&at, "Volumes"), &config->volumes, err);
	if (rc == 0)
		rc = json_get_map(json_field(&at, "Labels"), &config->labels, err);
	if (rc == 0)
		rc = read_healthcheck(json_field(&at, "Healthcheck"), &config->healthcheck, err);
	if (rc == 0)
		rc = json_rest_take(&at, config_fields, ARRAY_COUNT(config_fields), &config->unknown_config, err);
	return rc;
}

static int read_diff_id(struct json_place at, struct image_config *config, struct error **err)
{
	struct digest digest;
	int rc = json_require_digest(at, &digest, err);

	if (rc == 0)
		image_config_add_diff_id(config, &digest);
	return rc;
}

static int read_rootfs(struct json_place at, struct image_config *config, struct error **err)
{
	int rc = json_require(&at, err);
	if (rc < 0)
		return rc;
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");

	cleanup_free char *type = NULL;
	struct json_place type_at = json_field(&at, "type");
	rc = json_get_string(type_at, &type, err);
	if (rc < 0)
		return rc;
	if (!type || strcmp(type, "layers") != 0)
		return json_error(&type_at, err, "not 'layers'");

	/* A scratch image of Docker's has null here. */
	struct json_place diff_ids = json_field(&at, "diff_ids");
	if (!diff_ids.value)
		return json_require(&diff_ids, err);
	ssize_t count = json_get_count(diff_ids, err);
	if (count < 0)
		return (int)count;
	if (json_is_present(&diff_ids) && !json_is_array(diff_ids.value))
		return json_error(&diff_ids, err, "not an array");
	if (count > MANIFEST_LAYERS_MAX)
		return json_error(&diff_ids, err, "%zd layers, more than the %d allowed", count, MANIFEST_LAYERS_MAX);
	for (ssize_t i = 0; i < count && rc == 0; i++)
		rc = read_diff_id(json_element(&diff_ids, (size_t)i), config, err);
	return rc;
}

static int read_history_entry(struct json_place at, struct image_config *config, struct error **err)
{
	if (!json_is_object(at.value))
		return json_error(&at, err, "not an object");
	cleanup(history_done) struct history entry = {0};
	const struct string_field strings[] = {
		{"created", &entry.created},
		{"created_by", &entry.created_by},
		{"author", &entry.author},
		{"comment", &entry.comment},
	};
	int rc = read_strings(&at, strings, ARRAY_COUNT(strings), err);
	if (rc == 0)
		rc = json_get_bool(json_field(&at, "empty_layer"), &entry.empty_layer, err);
	if (rc == 0)
		image_config_add_history(config, &entry);
	return rc;
}

/* Fewer entries than layers is what some builders leave; more would give a layer that does not exist a history. */
static int read_history(struct json_place at, struct image_config *config, struct error **err)
{
	if (json_is_present(&at) && !json_is_array(at.value))
		return json_error(&at, err, "not an array");
	ssize_t count = json_get_count(at, err);
	int rc = count < 0 ? (int)count : 0;
	size_t with_layer = 0;
	for (ssize_t i = 0; i < count && rc == 0; i++) {
		rc = read_history_entry(json_element(&at, (size_t)i), config, err);
		if (rc == 0 && !config->history[i].empty_layer)
			with_layer++;
	}
	if (rc == 0 && with_layer > config->diff_id_count)
		rc = json_error(&at, err, "tells of %zu layers, but there are %zu", with_layer, config->diff_id_count);
	return rc;
}

static int read_top(const struct json_place *at, struct image_config *config, struct error **err)
{
	const struct string_field strings[] = {
		{"created", &config->created},		{"author", &config->author},
		{"comment", &config->comment},		{"parent", &config->parent},
		{"os", &config->platform.os},		{"architecture", &config->platform.architecture},
		{"variant", &config->platform.variant}, {"os.version", &config->platform.os_version},
	};
	int rc = read_strings(at, strings, ARRAY_COUNT(strings), err);
	if (rc == 0)
		rc = json_get_strlist(json_field(at, "os.features"), &config->platform.os_features, err);
	if (rc == 0)
		rc = read_config(json_field(at, "config"), config, err);
	if (rc == 0)
		rc = read_rootfs(json_field(at, "rootfs"), config, err);
	if (rc == 0)
		rc = read_history(json_field(at, "history"), config, err);
	if (rc == 0)
		rc = json_rest_take(at, top_fields, ARRAY_COUNT(top_fields), &config->unknown, err);
	return rc;
}

int image_config_parse(const void *text, size_t size, const char *what, struct image_config *config, struct error **err)
{
	if (size > CONFIG_SIZE_MAX)
		return error_set(err, EFBIG, "%s: %zu bytes, more than the %zu allowed", what, size, CONFIG_SIZE_MAX);
	cleanup_json json_t *root = NULL;
	int rc = json_parse(text, size, what, &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root(what, root);
	if (!json_is_object(root))
		return json_error(&at, err, "not an object");

	cleanup(image_config_done) struct image_config parsed = {0};
	rc = read_top(&at, &parsed, err);
	if (rc < 0)
		return rc;
	image_config_done(config);
	*config = parsed;
	parsed = (struct image_config){0};
	return 0;
}

/* ---- Writing ---- */

static bool has_text(const char *text)
{
	return text && *text;
}

static void set_text_opt(json_t *object, const char *key, const char *text)
{
	if (has_text(text))
		json_set_string(object, key, text);
}

static void set_set_opt(json_t *object, const char *key, const struct strlist *set)
{
	if (set->count == 0)
		return;
	json_t *entries = json_object();
	for (size_t i = 0; i < set->count; i++)
		json_set_take(entries, set->items[i], json_object());
	json_set_take(object, key, entries);
}

static void set_number_opt(json_t *object, const char *key, int64_t number)
{
	if (number != 0)
		json_set_i64(object, key, number);
}

static json_t *healthcheck_to_json(const struct healthcheck *check)
{
	json_t *object = json_object();
	json_set_strlist_opt(object, "Test", &check->test);
	set_number_opt(object, "Interval", check->interval);
	set_number_opt(object, "Timeout", check->timeout);
	set_number_opt(object, "StartPeriod", check->start_period);
	set_number_opt(object, "StartInterval", check->start_interval);
	set_number_opt(object, "Retries", check->retries);
	return object;
}

static json_t *config_to_json(const struct image_config *config)
{
	json_t *object = json_object();
	set_text_opt(object, "User", config->user);
	set_set_opt(object, "ExposedPorts", &config->exposed_ports);
	json_set_strlist_opt(object, "Env", &config->env);
	json_set_strlist_opt(object, "Entrypoint", &config->entrypoint);
	json_set_strlist_opt(object, "Cmd", &config->cmd);
	set_set_opt(object, "Volumes", &config->volumes);
	set_text_opt(object, "WorkingDir", config->working_dir);
	json_set_map_opt(object, "Labels", &config->labels);
	set_text_opt(object, "StopSignal", config->stop_signal);
	if (config->healthcheck.is_set)
		json_set_take(object, "Healthcheck", healthcheck_to_json(&config->healthcheck));
	json_set_strlist_opt(object, "OnBuild", &config->onbuild);
	json_set_strlist_opt(object, "Shell", &config->shell);
	set_text_opt(object, "Hostname", config->hostname);
	set_text_opt(object, "Domainname", config->domainname);
	json_rest_put(object, config->unknown_config);
	return object;
}

static json_t *rootfs_to_json(const struct image_config *config)
{
	json_t *diff_ids = json_array();
	for (size_t i = 0; i < config->diff_id_count; i++) {
		char digest[DIGEST_TEXT_SIZE];
		json_array_append_new(diff_ids, json_string(digest_format(&config->diff_ids[i], digest)));
	}
	json_t *object = json_object();
	json_set_string(object, "type", "layers");
	json_set_take(object, "diff_ids", diff_ids);
	return object;
}

static json_t *history_to_json(const struct image_config *config)
{
	json_t *list = json_array();
	for (size_t i = 0; i < config->history_count; i++) {
		const struct history *entry = &config->history[i];
		json_t *object = json_object();
		set_text_opt(object, "created", entry->created);
		set_text_opt(object, "created_by", entry->created_by);
		set_text_opt(object, "author", entry->author);
		set_text_opt(object, "comment", entry->comment);
		if (entry->empty_layer)
			json_set_bool(object, "empty_layer", true);
		json_array_append_new(list, object);
	}
	return list;
}

/* The rest of the top level; of OCI's without what only Docker knows. */
static void put_unknown(json_t *root, const struct image_config *config, enum image_format format)
{
	if (!config->unknown)
		return;
	cleanup_free char *rest = mem_strdup(config->unknown);
	if (format == FORMAT_OCI)
		json_rest_drop(&rest, docker_fields, ARRAY_COUNT(docker_fields));
	json_rest_put(root, rest);
}

void image_config_format(const struct image_config *config, enum image_format format, struct buf *into)
{
	cleanup_json json_t *root = json_object();
	set_text_opt(root, "created", config->created);
	set_text_opt(root, "author", config->author);
	/* Both are required by the specification, empty or not. */
	json_set_string(root, "architecture", config->platform.architecture ? config->platform.architecture : "");
	json_set_string(root, "os", config->platform.os ? config->platform.os : "");
	set_text_opt(root, "variant", config->platform.variant);
	set_text_opt(root, "os.version", config->platform.os_version);
	json_set_strlist_opt(root, "os.features", &config->platform.os_features);
	json_set_take(root, "config", config_to_json(config));
	json_set_take(root, "rootfs", rootfs_to_json(config));
	if (config->history_count > 0)
		json_set_take(root, "history", history_to_json(config));
	if (format == FORMAT_DOCKER) {
		set_text_opt(root, "comment", config->comment);
		set_text_opt(root, "parent", config->parent);
	}
	put_unknown(root, config, format);
	json_format(root, into);
}

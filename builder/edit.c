/*
 * Texts of users to changes of an image_config.
 */
#include "builder/edit.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"

enum { PORT_MAX = 65535 };

int edit_map(struct strlist *map, const char *text, bool from_environment, struct error **err)
{
	size_t len = strlen(text);
	const char *equals = strchr(text, '=');
	if (strcmp(text, "-") == 0) {
		strlist_clear(map);
		return 0;
	}
	if (len == 0 || equals == text)
		return error_set(err, EINVAL, "'%s': the name is missing (use NAME=VALUE)", text);
	if (equals) {
		cleanup_free char *key = mem_strndup(text, equals - text);
		strlist_env_set(map, key, equals + 1);
		return 0;
	}
	if (text[len - 1] == '-') {
		cleanup_free char *key = mem_strndup(text, len - 1);
		strlist_env_unset(map, key);
		return 0;
	}
	const char *value = from_environment ? getenv(text) : "";
	if (value)
		strlist_env_set(map, text, value);
	else
		strlist_env_unset(map, text);
	return 0;
}

/* The length of NAME or {NAME} behind a '$', and where the name itself is; 0 when there is none. */
static size_t variable_length(const char *text, const char **name, size_t *name_length)
{
	bool braced = *text == '{';

	*name = text + braced;
	*name_length = 0;
	while (isalnum((unsigned char)(*name)[*name_length]) || (*name)[*name_length] == '_')
		++*name_length;
	if (*name_length == 0 || isdigit((unsigned char)**name) || (braced && (*name)[*name_length] != '}'))
		return 0;
	return *name_length + (braced ? 2 : 0);
}

static char *expand_variables(const struct strlist *env, const char *text)
{
	cleanup(buf_done) struct buf expanded = BUF_INIT(BUF_MAX_DEFAULT);

	while (*text) {
		const char *start = NULL;
		size_t name_length = 0;
		size_t length = *text == '$' ? variable_length(text + 1, &start, &name_length) : 0;
		cleanup_free char *name = length ? mem_strndup(start, name_length) : NULL;
		const char *value = name ? strlist_env_get(env, name) : NULL;
		if (name && !value)
			log_warn("variable '%s' is not set in the configuration, leaving '$%.*s' as it is", name,
				 (int)length, text + 1);
		buf_append(&expanded, value ? value : text, value ? strlen(value) : length + 1);
		text += length + 1;
	}
	return buf_take(&expanded);
}

int edit_env(struct strlist *env, const char *text, struct error **err)
{
	const char *equals = strchr(text, '=');

	if (equals) {
		cleanup_free char *value = expand_variables(env, equals + 1);
		cleanup_free char *whole = mem_printf("%.*s=%s", (int)(equals - text), text, value);
		return edit_map(env, whole, /* from_environment */ true, err);
	}
	if (*text && text[strlen(text) - 1] != '-' && !getenv(text))
		return error_set(err, EINVAL, "setting env \"%s\": no value given", text);
	return edit_map(env, text, /* from_environment */ true, err);
}

static void remove_text(struct strlist *list, const char *text)
{
	for (size_t i = list->count; i-- > 0;)
		if (strcmp(list->items[i], text) == 0)
			strlist_remove(list, i);
}

static void add_once(struct strlist *set, const char *text)
{
	if (!strlist_contains(set, text))
		strlist_append(set, text);
	strlist_sort(set);
}

void edit_set(struct strlist *set, const char *text)
{
	size_t len = strlen(text);
	if (strcmp(text, "-") == 0) {
		strlist_clear(set);
	} else if (len > 1 && text[len - 1] == '-') {
		cleanup_free char *name = mem_strndup(text, len - 1);
		remove_text(set, name);
	} else if (len > 0) {
		add_once(set, text);
	}
}

/* "8000-8010/udp" to its ends and protocol. */
static int parse_ports(const char *text, uint64_t *first, uint64_t *last, char **protocol, struct error **err)
{
	const char *slash = strchr(text, '/');
	cleanup_free char *numbers = slash ? mem_strndup(text, slash - text) : mem_strdup(text);
	cleanup_free char *kind = mem_strdup(slash ? slash + 1 : "tcp");
	for (char *c = kind; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strcmp(kind, "tcp") != 0 && strcmp(kind, "udp") != 0 && strcmp(kind, "sctp") != 0)
		return error_set(err, EINVAL, "port '%s': the protocol is tcp, udp or sctp", text);
	char *dash = strchr(numbers, '-');
	if (dash)
		*dash = '\0';
	int rc = parse_u64(numbers, PORT_MAX, "port", first, err);
	if (rc == 0)
		rc = parse_u64(dash ? dash + 1 : numbers, PORT_MAX, "port", last, err);
	if (rc == 0 && (*first == 0 || *last < *first))
		rc = error_set(err, EINVAL, "port '%s': not a port or a range of ports", text);
	if (rc == 0)
		*protocol = take_ptr(&kind);
	return rc;
}

int edit_ports(struct strlist *ports, const char *text, struct error **err)
{
	size_t len = strlen(text);
	if (strcmp(text, "-") == 0) {
		strlist_clear(ports);
		return 0;
	}
	bool removes = len > 1 && text[len - 1] == '-';
	cleanup_free char *range = mem_strndup(text, len - removes);
	cleanup_free char *protocol = NULL;
	uint64_t first = 0, last = 0;
	int rc = parse_ports(range, &first, &last, &protocol, err);
	for (uint64_t port = first; rc == 0 && port <= last; port++) {
		cleanup_free char *entry = mem_printf("%llu/%s", (unsigned long long)port, protocol);
		removes ? remove_text(ports, entry) : add_once(ports, entry);
	}
	return rc;
}

int edit_ports_as_written(struct strlist *ports, const char *text, struct error **err)
{
	size_t digits = strspn(text, "0123456789");
	bool removes = strcmp(text + digits, "-") == 0;
	cleanup_free char *port = mem_strndup(text, digits);
	cleanup_free char *full = mem_printf("%s/tcp", port);

	if (digits == 0 || (text[digits] && !removes) || removes) {
		if (removes)
			remove_text(ports, port);
		return edit_ports(ports, text, err);
	}
	cleanup(strlist_done) struct strlist checked = {0};
	int rc = edit_ports(&checked, text, err);
	if (rc == 0 && !strlist_contains(ports, full))
		add_once(ports, port);
	return rc;
}

/* True when the text is a JSON array of strings, which then stands in `words`. */
static bool parse_json_words(const char *text, struct strlist *words)
{
	cleanup_json json_t *array = NULL;
	const char *start = text + strspn(text, " \t\n");
	if (*start != '[' || json_parse(start, strlen(start), "", &array, NULL) < 0)
		return false;
	struct json_place at = json_root("", array);
	return json_get_strlist(at, words, NULL) == 0;
}

static void set_shell_form(struct strlist *words, const struct image_config *config, const char *text)
{
	strlist_clear(words);
	if (config->shell.count > 0)
		strlist_copy(words, &config->shell);
	else {
		strlist_append(words, "/bin/sh");
		strlist_append(words, "-c");
	}
	strlist_append(words, text);
}

int edit_cmd(struct image_config *config, const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	if (!parse_json_words(text, &words)) {
		strlist_clear(&words);
		int rc = parse_shell_words(text, "--cmd", &words, err);
		if (rc < 0)
			return rc;
	}
	strlist_copy(&config->cmd, &words);
	return 0;
}

int edit_entrypoint(struct image_config *config, const char *text, struct error **err)
{
	const struct image_config plain = {0};
	cleanup(strlist_done) struct strlist words = {0};
	if (parse_json_words(text, &words))
		strlist_copy(&config->entrypoint, &words);
	else if (*text == '\0')
		strlist_clear(&config->entrypoint);
	else
		set_shell_form(&config->entrypoint, &plain, text);
	return 0;
}

int edit_shell(struct image_config *config, const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist words = {0};
	if (!parse_json_words(text, &words)) {
		strlist_clear(&words);
		int rc = parse_shell_words(text, "--shell", &words, err);
		if (rc < 0)
			return rc;
	}
	strlist_copy(&config->shell, &words);
	return 0;
}

int edit_healthcheck(struct image_config *config, const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist test = {0};
	cleanup(strlist_done) struct strlist words = {0};
	if (*text == '\0') {
		strlist_clear(&config->healthcheck.test);
		config->healthcheck = (struct healthcheck){0};
		return 0;
	}
	if (strcasecmp(text, "NONE") == 0) {
		strlist_append(&test, "NONE");
	} else if (strncasecmp(text, "CMD-SHELL ", 10) == 0) {
		strlist_append(&test, "CMD-SHELL");
		strlist_append(&test, text + 10);
	} else if (strncasecmp(text, "CMD ", 4) == 0) {
		bool is_json = parse_json_words(text + 4, &words);
		int rc = is_json ? 0 : parse_shell_words(text + 4, "--healthcheck", &words, err);
		if (rc < 0)
			return rc;
		strlist_append(&test, "CMD");
		strlist_append_all(&test, &words);
	} else if (parse_json_words(text, &words)) {
		strlist_copy(&test, &words);
	} else {
		/* Only looked at: what no shell would read is told now, and not when the check runs. */
		int rc = parse_shell_words(text, "--healthcheck", &words, err);
		if (rc < 0)
			return rc;
		strlist_append(&test, "CMD-SHELL");
		strlist_append(&test, text);
	}
	strlist_copy(&config->healthcheck.test, &test);
	config->healthcheck.is_set = true;
	return 0;
}

int edit_stop_signal(struct image_config *config, const char *text, struct error **err)
{
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '+' && *c != '-')
			return error_set(err, EINVAL, "stop signal '%s': not a signal's name or number", text);
	mem_replace(&config->stop_signal, *text ? text : NULL);
	return 0;
}

int edit_from_file(struct image_config *config, const char *path, struct error **err)
{
	cleanup_json json_t *root = NULL;
	int rc = json_load_user(path, CONFIG_SIZE_MAX, &root, err);
	if (rc < 0)
		return rc;
	struct json_place at = json_root(path, root);
	cleanup(strlist_done) struct strlist env = {0}, labels = {0}, cmd = {0}, entrypoint = {0};
	rc = json_get_string(json_field(&at, "User"), &config->user, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "WorkingDir"), &config->working_dir, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&at, "Env"), &env, err);
	if (rc == 0)
		rc = json_get_map(json_field(&at, "Labels"), &labels, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&at, "Cmd"), &cmd, err);
	if (rc == 0)
		rc = json_get_strlist(json_field(&at, "Entrypoint"), &entrypoint, err);
	for (size_t i = 0; rc == 0 && i < env.count; i++)
		rc = edit_map(&config->env, env.items[i], /* from_environment */ false, err);
	for (size_t i = 0; rc == 0 && i < labels.count; i++)
		rc = edit_map(&config->labels, labels.items[i], /* from_environment */ false, err);
	if (rc == 0 && cmd.count)
		strlist_copy(&config->cmd, &cmd);
	if (rc == 0 && entrypoint.count)
		strlist_copy(&config->entrypoint, &entrypoint);
	return rc;
}

/*
 * RUN --mount=type=cache,target=/x,…: one CSV record of key=value, read from the left as BuildKit does, so that `type`
 * must stand before the keys that only some types have.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/character_internal.h"
#include "dockerfile/statement_internal.h"

static const char *const types[] = {
	[FILE_MOUNT_BIND] = "bind",	[FILE_MOUNT_CACHE] = "cache", [FILE_MOUNT_TMPFS] = "tmpfs",
	[FILE_MOUNT_SECRET] = "secret", [FILE_MOUNT_SSH] = "ssh",
};
static const char *const sharings[] = {
	[CACHE_SHARED] = "shared", [CACHE_PRIVATE] = "private", [CACHE_LOCKED] = "locked"};
static const char *const keys[] = {"type",     "from", "source", "src",	      "target", "dst",	   "destination",
				   "readonly", "ro",   "rw",	 "readwrite", "id",	"sharing", "required",
				   "size",     "mode", "uid",	 "gid",	      "env"};

/* A mount on its way: what validation must know besides the mount itself. */
struct reading {
	struct file_mount *mount;
	bool has_read_only;
	bool has_sharing;
};

void file_mount_done(struct file_mount *mount)
{
	mem_replace(&mount->from, NULL);
	mem_replace(&mount->source, NULL);
	mem_replace(&mount->target, NULL);
	mem_replace(&mount->id, NULL);
	mem_replace(&mount->env, NULL);
}

static bool is_key(const char *key, const char *a, const char *b, const char *c)
{
	return strcmp(key, a) == 0 || strcmp(key, b) == 0 || strcmp(key, c) == 0;
}

static int read_choice(const char *value, const char *what, const char *const *words, size_t count, unsigned *choice,
		       struct error **err)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*choice = i;
			return 0;
		}
	}
	error_set(err, EINVAL, "unsupported %s '%s'", what, value);
	return suggest_hint(err, value, words, count);
}

static int wrong_type(const char *key, const struct file_mount *mount, struct error **err)
{
	return error_set(err, EINVAL, "unexpected key '%s' for mount type '%s'", key, types[mount->type]);
}

static int read_flag(const char *key, const char *value, bool *flag, struct error **err)
{
	if (!read_truth(value, flag))
		return error_set(err, EINVAL, "invalid value for %s: %s", key, value);
	return 0;
}

static int read_access(struct reading *reading, const char *key, const char *value, struct error **err)
{
	bool writes = strcmp(key, "rw") == 0 || strcmp(key, "readwrite") == 0;
	bool flag = true;

	if (value && read_flag(key, value, &flag, err) < 0)
		return -EINVAL;
	reading->mount->read_only = flag != writes;
	reading->has_read_only = true;
	return 0;
}

static int read_required(struct reading *reading, const char *key, const char *value, struct error **err)
{
	if (reading->mount->type != FILE_MOUNT_SECRET && reading->mount->type != FILE_MOUNT_SSH)
		return wrong_type(key, reading->mount, err);
	if (!value) {
		reading->mount->required = true;
		return 0;
	}
	return read_flag(key, value, &reading->mount->required, err);
}

static int read_owner(const char *key, const char *value, uint64_t *id, bool *has, struct error **err)
{
	if (parse_u64(value, UINT32_MAX, key, id, /* err */ NULL) < 0)
		return error_set(err, EINVAL, "invalid value %s for %s", value, key);
	*has = true;
	return 0;
}

/* Go reads "1e3", too. */
static int read_size(const char *text, uint64_t *size)
{
	char *end = NULL;

	if (parse_size(text, "size", size, /* err */ NULL) == 0)
		return 0;
	if (*text < '0' || *text > '9' || text[strspn(text, "0123456789.")] != 'e')
		return -EINVAL;
	double number = strtod(text, &end);
	if (!(number < 1e18))
		return -EINVAL;
	cleanup_free char *plain = mem_printf("%.0f%s", number, end);
	return parse_size(plain, "size", size, /* err */ NULL);
}

static int read_number(struct file_mount *mount, const char *key, const char *value, struct error **err)
{
	if (strcmp(key, "uid") == 0)
		return read_owner(key, value, &mount->uid, &mount->has_uid, err);
	if (strcmp(key, "gid") == 0)
		return read_owner(key, value, &mount->gid, &mount->has_gid, err);
	if (strcmp(key, "mode") == 0) {
		if (parse_mode(value, key, &mount->mode, /* err */ NULL) < 0)
			return error_set(err, EINVAL, "invalid value %s for mode", value);
		mount->has_mode = true;
		return 0;
	}
	if (mount->type != FILE_MOUNT_TMPFS)
		return wrong_type(key, mount, err);
	if (read_size(value, &mount->size) < 0)
		return error_set(err, EINVAL, "invalid value for %s: %s", key, value);
	return 0;
}

static int unknown_key(const char *key, const char *field, struct error **err)
{
	error_set(err, EINVAL, "unexpected key '%s' in '%s'", key, field);
	return suggest_hint(err, key, keys, ARRAY_COUNT(keys));
}

static bool key_is_known(const char *key)
{
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

/* key=value, the value expanded. */
static int read_value(struct reading *reading, const char *key, const char *value, struct error **err)
{
	struct file_mount *mount = reading->mount;
	unsigned choice = 0;

	if (strcmp(key, "type") == 0) {
		int rc = read_choice(value, "mount type", types, ARRAY_COUNT(types), &choice, err);
		mount->type = (enum file_mount_type)choice;
		return rc;
	}
	if (strcmp(key, "sharing") == 0) {
		int rc = read_choice(value, "sharing value", sharings, ARRAY_COUNT(sharings), &choice, err);
		mount->sharing = (enum cache_sharing)choice;
		reading->has_sharing = true;
		return rc;
	}
	if (is_key(key, "readonly", "ro", "rw") || strcmp(key, "readwrite") == 0)
		return read_access(reading, key, value, err);
	if (strcmp(key, "required") == 0)
		return read_required(reading, key, value, err);
	if (is_key(key, "uid", "gid", "mode") || strcmp(key, "size") == 0)
		return read_number(mount, key, value, err);
	if (strcmp(key, "from") == 0)
		mem_replace(&mount->from, *value ? value : NULL);
	else if (is_key(key, "source", "src", "src"))
		mem_replace(&mount->source, *value ? value : NULL);
	else if (is_key(key, "target", "dst", "destination"))
		mem_replace(&mount->target, *value ? value : NULL);
	else if (strcmp(key, "id") == 0)
		mem_replace(&mount->id, *value ? value : NULL);
	else
		mem_replace(&mount->env, value);
	return 0;
}

/* A key alone. */
static int read_bare(struct reading *reading, const char *key, const char *field, struct error **err)
{
	if (is_key(key, "readonly", "ro", "rw") || strcmp(key, "readwrite") == 0)
		return read_access(reading, key, /* value */ NULL, err);
	if (strcmp(key, "required") == 0)
		return read_required(reading, key, /* value */ NULL, err);
	if (!key_is_known(key))
		return unknown_key(key, field, err);
	return error_set(err, EINVAL, "invalid field '%s' must be a key=value pair", field);
}

struct mount_scope {
	const struct expand_scope *scope;
	struct strlist *unset;
};

static int read_field(struct reading *reading, const char *field, const struct mount_scope *scope, struct error **err)
{
	const char *equals = strchr(field, '=');
	cleanup_free char *key = lower_ascii(field, equals ? (size_t)(equals - field) : strlen(field));
	cleanup_free char *value = NULL;

	if (!equals)
		return read_bare(reading, key, field, err);
	if (!key_is_known(key))
		return unknown_key(key, field, err);
	int rc = expand_word(equals + 1, scope->scope, scope->unset, &value, err);
	return rc < 0 ? rc : read_value(reading, key, value, err);
}

static int check_secret(const struct reading *reading, struct error **err)
{
	const struct file_mount *mount = reading->mount;

	if (mount->from)
		return error_set(err, EINVAL, "secret mount should not have a from");
	if (!mount->source && !mount->target && !mount->id)
		return error_set(err, EINVAL, "invalid secret mount: one of source, target, id required");
	if (mount->source && mount->id)
		return error_set(err, EINVAL, "both source and id can't be set");
	return 0;
}

static int check_mount(const struct reading *reading, struct error **err)
{
	const struct file_mount *mount = reading->mount;
	bool takes_owner =
		mount->type == FILE_MOUNT_SECRET || mount->type == FILE_MOUNT_SSH || mount->type == FILE_MOUNT_CACHE;
	const char *owner = mount->has_mode ? "mode" : mount->has_uid ? "uid" : mount->has_gid ? "gid" : NULL;

	if (owner && !takes_owner)
		return error_set(err, EINVAL, "%s not allowed for '%s' type mounts", owner, types[mount->type]);
	if (reading->has_sharing && mount->type != FILE_MOUNT_CACHE)
		return error_set(err, EINVAL, "invalid cache sharing set for %s mount", types[mount->type]);
	return mount->type == FILE_MOUNT_SECRET ? check_secret(reading, err) : 0;
}

static int split_fields(const char *text, struct strlist *fields, struct error **err)
{
	if (!*text)
		return error_set(err, EINVAL, "--mount says nothing");
	return parse_csv(text, "--mount", fields, err);
}

int file_mount_check(const char *text, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};

	return split_fields(text, &fields, err);
}

char *file_mount_from(const char *text)
{
	cleanup(strlist_done) struct strlist fields = {0};
	const char *from = NULL;

	if (parse_csv(text, "--mount", &fields, /* err */ NULL) < 0)
		return NULL;
	for (size_t i = 0; i < fields.count; i++)
		if (strncasecmp(fields.items[i], "from=", 5) == 0)
			from = fields.items[i] + 5;
	return from && *from ? mem_strdup(from) : NULL;
}

int file_mount_parse(const char *text, const struct expand_scope *scope, struct strlist *unset,
		     struct file_mount *mount, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	cleanup(file_mount_done) struct file_mount made = {.type = FILE_MOUNT_BIND};
	struct reading reading = {.mount = &made};
	const struct mount_scope mount_scope = {.scope = scope, .unset = unset};

	int rc = split_fields(text, &fields, err);
	for (size_t i = 0; rc == 0 && i < fields.count; i++)
		rc = read_field(&reading, fields.items[i], &mount_scope, err);
	if (rc == 0)
		rc = check_mount(&reading, err);
	if (rc < 0)
		return rc;
	if (!reading.has_read_only)
		made.read_only = made.type != FILE_MOUNT_CACHE && made.type != FILE_MOUNT_TMPFS;
	*mount = made;
	made = (struct file_mount){0};
	return 0;
}

char *file_mount_id(const struct file_mount *mount)
{
	if (mount->id)
		return mem_strdup(mount->id);
	if (mount->type == FILE_MOUNT_SSH)
		return mem_strdup("default");
	if (mount->type == FILE_MOUNT_CACHE)
		return mem_strdup(mount->target ? mount->target : "");
	if (mount->source)
		return mem_strdup(mount->source);
	if (!mount->target)
		return mem_strdup("");
	/* The last component, whatever slashes follow it. */
	size_t size = strlen(mount->target);
	while (size > 1 && mount->target[size - 1] == '/')
		size--;
	size_t from = size;
	while (from > 0 && mount->target[from - 1] != '/')
		from--;
	return mem_strndup(mount->target + from, size - from);
}

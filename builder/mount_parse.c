/*
 * --volume and --mount: two notations for one thing.
 */
#include "builder/settings_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/parse.h"
#include "run/user.h"

void mount_setting_done(struct mount_setting *mount)
{
	free(mount->source);
	free(mount->target);
	free(mount->from);
	free(mount->id);
	free(mount->env);
	free(mount->upper);
	free(mount->work);
	*mount = (struct mount_setting){0};
}

/* Words that stand alone in both notations. True when it was one. */
static bool mount_word(const char *word, struct mount_setting *mount)
{
	static const struct {
		const char *word;
		unsigned set, clear;
	} flags[] = {
		{"ro", RUN_MOUNT_READ_ONLY, 0},
		{"readonly", RUN_MOUNT_READ_ONLY, 0},
		{"rw", 0, RUN_MOUNT_READ_ONLY},
		{"nosuid", RUN_MOUNT_NOSUID, 0},
		{"suid", 0, RUN_MOUNT_NOSUID},
		{"nodev", RUN_MOUNT_NODEV, 0},
		{"dev", 0, RUN_MOUNT_NODEV},
		{"noexec", RUN_MOUNT_NOEXEC, 0},
		{"exec", 0, RUN_MOUNT_NOEXEC},
		{"bind", 0, RUN_MOUNT_RECURSIVE},
		{"rbind", RUN_MOUNT_RECURSIVE, 0},
		{"U", RUN_MOUNT_CHOWN, 0},
		/* Labels are set where SELinux is; without it, as on Debian, these two ask for nothing. */
		{"z", 0, 0},
		{"Z", 0, 0},
	};
	static const struct {
		const char *word;
		int propagation;
		unsigned set;
	} propagations[] = {
		{"private", MS_PRIVATE, 0}, {"rprivate", MS_PRIVATE, RUN_MOUNT_RECURSIVE},
		{"slave", MS_SLAVE, 0},	    {"rslave", MS_SLAVE, RUN_MOUNT_RECURSIVE},
		{"shared", MS_SHARED, 0},   {"rshared", MS_SHARED, RUN_MOUNT_RECURSIVE},
	};

	for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
		if (strcmp(word, flags[i].word) == 0) {
			mount->flags = (mount->flags & ~flags[i].clear) | flags[i].set;
			return true;
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(propagations); i++) {
		if (strcmp(word, propagations[i].word) == 0) {
			mount->propagation = propagations[i].propagation;
			mount->flags |= propagations[i].set;
			return true;
		}
	}
	return false;
}

static int volume_option(const char *text, const char *option, struct mount_setting *mount, struct error **err)
{
	if (mount_word(option, mount))
		return 0;
	if (strcmp(option, "O") == 0)
		mount->kind = MOUNT_OVERLAY;
	else if (text_has_prefix(option, "upperdir=/"))
		mem_replace(&mount->upper, strchr(option, '=') + 1);
	else if (text_has_prefix(option, "workdir=/"))
		mem_replace(&mount->work, strchr(option, '=') + 1);
	else
		return error_set(err, EINVAL, "--volume '%s': '%s' is not an option", text, option);
	return 0;
}

static int check_target(const char *text, const char *target, struct error **err)
{
	if (!target || target[0] != '/')
		return error_set(err, EINVAL, "--volume '%s': the container's path must be absolute", text);
	return 0;
}

int volume_parse(const char *text, struct mount_setting *mount, struct error **err)
{
	cleanup(strlist_done) struct strlist parts = {0};
	cleanup(strlist_done) struct strlist options = {0};
	cleanup(mount_setting_done) struct mount_setting read = {
		.kind = MOUNT_BIND, .flags = RUN_MOUNT_RECURSIVE | RUN_MOUNT_NOSUID | RUN_MOUNT_NODEV};

	strlist_split(&parts, text, ':');
	if (parts.count < 2 || parts.count > 3 || !*parts.items[0])
		return error_set(err, EINVAL, "--volume '%s': not SOURCE:TARGET[:OPTIONS]", text);
	int rc = check_target(text, parts.items[1], err);
	if (rc < 0)
		return rc;
	/* A name would be a volume of a daemon, which there is none of. */
	if (!strchr("/.", parts.items[0][0]))
		return error_set(err, EINVAL, "--volume '%s': the source must be a path (begin it with / or ./)", text);
	read.source = mem_strdup(parts.items[0]);
	read.target = mem_strdup(parts.items[1]);
	if (parts.count == 3)
		strlist_split(&options, parts.items[2], ',');
	for (size_t i = 0; i < options.count; i++) {
		rc = volume_option(text, options.items[i], &read, err);
		if (rc < 0)
			return rc;
	}
	if ((read.upper || read.work) && read.kind != MOUNT_OVERLAY)
		return error_set(err, EINVAL, "--volume '%s': upperdir and workdir need the option O", text);
	if (!read.upper != !read.work)
		return error_set(err, EINVAL, "--volume '%s': upperdir and workdir go together", text);
	*mount = read;
	read = (struct mount_setting){0};
	return 0;
}

/* ---- --mount ---- */

static int kind_parse(const char *text, const char *type, enum mount_kind *kind, struct error **err)
{
	static const struct {
		const char *name;
		enum mount_kind kind;
	} kinds[] = {{"bind", MOUNT_BIND},
		     {"tmpfs", MOUNT_TMPFS},
		     {"cache", MOUNT_CACHE},
		     {"secret", MOUNT_SECRET},
		     {"ssh", MOUNT_SSH}};

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		if (strcmp(type, kinds[i].name) == 0) {
			*kind = kinds[i].kind;
			return 0;
		}
	}
	return error_set(err, EINVAL, "--mount '%s': type '%s' is not one of bind, tmpfs, cache, secret, ssh", text,
			 type);
}

static int sharing_parse(const char *text, const char *value, enum mount_sharing *sharing, struct error **err)
{
	if (strcmp(value, "shared") == 0)
		*sharing = SHARING_SHARED;
	else if (strcmp(value, "locked") == 0)
		*sharing = SHARING_LOCKED;
	else if (strcmp(value, "private") == 0)
		*sharing = SHARING_PRIVATE;
	else
		return error_set(err, EINVAL, "--mount '%s': sharing is shared, locked or private", text);
	return 0;
}

static int id_parse(const char *value, const char *what, uint32_t *id, struct error **err)
{
	uint64_t number = 0;
	int rc = parse_u64(value, USER_ID_MAX, what, &number, err);

	if (rc >= 0)
		*id = (uint32_t)number;
	return rc;
}

static int cache_key(const char *text, const char *key, const char *value, struct mount_setting *mount,
		     struct error **err)
{
	if (strcmp(key, "id") == 0)
		mem_replace(&mount->id, value);
	else if (strcmp(key, "sharing") == 0)
		return sharing_parse(text, value, &mount->sharing, err);
	else if (strcmp(key, "mode") == 0)
		return parse_mode(value, "--mount type=cache mode", &mount->mode, err);
	else if (strcmp(key, "uid") == 0)
		return id_parse(value, "--mount type=cache uid", &mount->uid, err);
	else if (strcmp(key, "gid") == 0)
		return id_parse(value, "--mount type=cache gid", &mount->gid, err);
	else
		return -ENOENT;
	return 0;
}

static int tmpfs_key(const char *key, const char *value, struct mount_setting *mount, struct error **err)
{
	if (strcmp(key, "tmpfs-size") == 0 || strcmp(key, "size") == 0)
		return parse_size(value, "--mount type=tmpfs tmpfs-size", &mount->size, err);
	if (strcmp(key, "tmpfs-mode") == 0 || strcmp(key, "mode") == 0)
		return parse_mode(value, "--mount type=tmpfs tmpfs-mode", &mount->mode, err);
	return -ENOENT;
}

/* Of secret and ssh. */
static int shown_key(const char *key, const char *value, struct mount_setting *mount, struct error **err)
{
	if (strcmp(key, "id") == 0) {
		mem_replace(&mount->id, *value ? value : NULL);
	} else if (strcmp(key, "required") == 0) {
		return parse_bool(value, "--mount required", &mount->required, err);
	} else if (strcmp(key, "mode") == 0) {
		mount->has_mode = true;
		return parse_mode(value, "--mount mode", &mount->mode, err);
	} else if (strcmp(key, "uid") == 0) {
		return id_parse(value, "--mount uid", &mount->uid, err);
	} else if (strcmp(key, "gid") == 0) {
		return id_parse(value, "--mount gid", &mount->gid, err);
	} else if (strcmp(key, "env") == 0 && mount->kind == MOUNT_SECRET) {
		mem_replace(&mount->env, *value ? value : NULL);
	} else {
		return -ENOENT;
	}
	return 0;
}

static bool is_shown(const struct mount_setting *mount)
{
	return mount->kind == MOUNT_SECRET || mount->kind == MOUNT_SSH;
}

/* Keys with a value that belong to more than one type. -ENOENT: not one of them. */
static int common_key(const char *text, const char *key, const char *value, struct mount_setting *mount,
		      struct error **err)
{
	if (strcmp(key, "target") == 0 || strcmp(key, "dst") == 0 || strcmp(key, "destination") == 0) {
		mem_replace(&mount->target, value);
		return 0;
	}
	/* A secret's source is its name. */
	if (mount->kind != MOUNT_TMPFS && mount->kind != MOUNT_SSH &&
	    (strcmp(key, "source") == 0 || strcmp(key, "src") == 0)) {
		mem_replace(&mount->source, value);
		return 0;
	}
	if (mount->kind != MOUNT_TMPFS && !is_shown(mount) && strcmp(key, "from") == 0) {
		mem_replace(&mount->from, value);
		return 0;
	}
	if (strcmp(key, "bind-propagation") == 0 && mount->kind == MOUNT_BIND) {
		struct mount_setting probe = {0};
		if (!mount_word(value, &probe) || !probe.propagation)
			return error_set(err, EINVAL, "--mount '%s': '%s' is not a propagation", text, value);
		mount->propagation = probe.propagation;
		mount->flags |= probe.flags;
		return 0;
	}
	if (strcmp(key, "ro") == 0 || strcmp(key, "readonly") == 0 || strcmp(key, "rw") == 0 ||
	    strcmp(key, "readwrite") == 0) {
		bool on;
		int rc = parse_bool(value, "--mount", &on, err);
		if (rc < 0)
			return rc;
		bool read_only = on == (strncmp(key, "ro", 2) == 0 || strcmp(key, "readonly") == 0);
		mount->flags = (mount->flags & ~(unsigned)RUN_MOUNT_READ_ONLY) | (read_only ? RUN_MOUNT_READ_ONLY : 0);
		return 0;
	}
	return -ENOENT;
}

static int mount_key(const char *text, const char *key, const char *value, struct mount_setting *mount,
		     struct error **err)
{
	int rc = common_key(text, key, value, mount, err);

	if (rc == -ENOENT && mount->kind == MOUNT_CACHE)
		rc = cache_key(text, key, value, mount, err);
	if (rc == -ENOENT && mount->kind == MOUNT_TMPFS)
		rc = tmpfs_key(key, value, mount, err);
	if (rc == -ENOENT && is_shown(mount))
		rc = shown_key(key, value, mount, err);
	if (rc == -ENOENT)
		return error_set(err, EINVAL, "--mount '%s': '%s' is not an option of this type", text, key);
	return rc;
}

static int mount_field(const char *text, char *field, struct mount_setting *mount, struct error **err)
{
	char *equals = strchr(field, '=');

	if (equals) {
		*equals = '\0';
		return mount_key(text, field, equals + 1, mount, err);
	}
	if (mount_word(field, mount))
		return 0;
	if (strcmp(field, "readwrite") == 0) {
		mount->flags &= ~(unsigned)RUN_MOUNT_READ_ONLY;
		return 0;
	}
	if (strcmp(field, "tmpcopyup") == 0 && mount->kind == MOUNT_TMPFS) {
		mount->flags |= RUN_MOUNT_COPY_UP;
		return 0;
	}
	if (strcmp(field, "required") == 0 && is_shown(mount)) {
		mount->required = true;
		return 0;
	}
	return error_set(err, EINVAL, "--mount '%s': '%s' is not an option of this type", text, field);
}

/* A secret is named by id, else by source, else by the last part of its target. */
static int name_shown(const char *text, struct mount_setting *mount, struct error **err)
{
	if (mount->kind == MOUNT_SSH) {
		if (!mount->id)
			mount->id = mem_strdup("default");
		return 0;
	}
	if (mount->source && mount->id)
		return error_set(err, EINVAL, "--mount '%s': source and id mean the same; give one of them", text);
	if (!mount->id)
		mount->id = take_ptr(&mount->source);
	if (!mount->id && mount->target)
		mount->id = mem_strdup(strrchr(mount->target, '/') ? strrchr(mount->target, '/') + 1 : mount->target);
	if (!mount->id || !*mount->id)
		return error_set(err, EINVAL, "--mount '%s': the secret has no id", text);
	return 0;
}

int mount_parse(const char *text, struct mount_setting *mount, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	cleanup(mount_setting_done) struct mount_setting read = {.kind = MOUNT_BIND};
	int rc = parse_csv(text, "--mount", &fields, err);

	/* The type first, wherever it stands: it says which keys there are. */
	for (size_t i = 0; rc >= 0 && i < fields.count; i++) {
		if (text_has_prefix(fields.items[i], "type="))
			rc = kind_parse(text, strchr(fields.items[i], '=') + 1, &read.kind, err);
	}
	if (rc < 0)
		return rc;
	read.flags = RUN_MOUNT_NOSUID | RUN_MOUNT_NODEV;
	if (read.kind == MOUNT_BIND)
		read.flags |= RUN_MOUNT_READ_ONLY | RUN_MOUNT_RECURSIVE;
	for (size_t i = 0; i < fields.count; i++) {
		if (text_has_prefix(fields.items[i], "type="))
			continue;
		rc = mount_field(text, fields.items[i], &read, err);
		if (rc < 0)
			return rc;
	}
	if (is_shown(&read)) {
		rc = name_shown(text, &read, err);
		if (rc < 0)
			return rc;
	} else if (!read.target || !*read.target)
		return error_set(err, EINVAL, "--mount '%s': no target", text);
	if (read.kind == MOUNT_BIND && !read.source && !read.from)
		return error_set(err, EINVAL, "--mount '%s': a bind mount needs a source", text);
	*mount = read;
	read = (struct mount_setting){0};
	return 0;
}

/*
 * USER and --chown to numbers, by the image's own /etc/passwd and /etc/group. Both files are foreign text: they are
 * opened inside the root, must be regular and small, and lines that make no sense are passed over.
 */
#include "run/user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/rootpath.h"

#define ACCOUNT_FILE_SIZE_MAX ((size_t)16 << 20)
#define GROUPS_MAX ((size_t)65536) /* NGROUPS_MAX of Linux */

void user_done(struct user *user)
{
	free(user->groups);
	free(user->home);
	free(user->name);
	*user = (struct user){0};
}

/* The file's text; empty when the image has none. */
static int load(int rootfd, const char *path, struct buf *text, struct error **err)
{
	cleanup_close int fd = rootpath_open_file(rootfd, path, ACCOUNT_FILE_SIZE_MAX, err);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) {
		/* No such file, or links that lead nowhere: then no name is known. */
		error_clear(err);
		return 0;
	}
	int rc = fd < 0 ? fd : fd_read_all(fd, text, err);
	if (rc < 0)
		return error_prefix(err, "the image's '%s'", path);
	return 0;
}

/* The next line of a text, cut at the newline in place; false at the end. Bytes behind a NUL are not seen. */
static bool next_line(char **rest, char **line)
{
	if (!*rest || **rest == '\0')
		return false;
	*line = *rest;
	char *end = strchr(*rest, '\n');
	*rest = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return true;
}

/* Cuts a line at its colons in place; the count of fields, at most `max`. */
static size_t split_fields(char *line, char **fields, size_t max)
{
	size_t count = 0;

	while (count < max) {
		fields[count++] = line;
		char *colon = strchr(line, ':');
		if (!colon)
			break;
		*colon = '\0';
		line = colon + 1;
	}
	return count;
}

static bool is_number(const char *text)
{
	return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static bool parse_id(const char *text, uint32_t *id)
{
	uint64_t value = 0;

	if (!is_number(text) || parse_u64(text, USER_ID_MAX, "id", &value, NULL) < 0)
		return false;
	*id = (uint32_t)value;
	return true;
}

struct passwd_entry {
	uint32_t uid, gid;
	char *name, *home; /* in the text */
};

/* By name, or by uid when name is NULL. The first match counts, as for the C library. */
static bool find_passwd(char *text, const char *name, uint32_t uid, struct passwd_entry *entry)
{
	char *line = NULL;

	while (next_line(&text, &line)) {
		char *fields[7] = {0};
		struct passwd_entry found = {0};

		if (split_fields(line, fields, 7) < 4 || fields[0][0] == '\0' || !parse_id(fields[2], &found.uid) ||
		    !parse_id(fields[3], &found.gid))
			continue;
		if (name ? strcmp(fields[0], name) != 0 : found.uid != uid)
			continue;
		found.name = fields[0];
		found.home = fields[5] && fields[5][0] == '/' ? fields[5] : NULL;
		*entry = found;
		return true;
	}
	return false;
}

static int find_group(int rootfd, const char *name, uint32_t *gid, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(ACCOUNT_FILE_SIZE_MAX);
	int rc = load(rootfd, "/etc/group", &text, err);
	char *rest = text.data;
	char *line = NULL;

	if (rc < 0)
		return rc;
	while (next_line(&rest, &line)) {
		char *fields[4] = {0};
		uint32_t found = 0;

		if (split_fields(line, fields, 4) >= 3 && strcmp(fields[0], name) == 0 && parse_id(fields[2], &found)) {
			*gid = found;
			return 0;
		}
	}
	return error_set(err, ENOENT, "no group '%s' in the image's /etc/group", name);
}

/* A number, or a name of the image's. */
static int group_to_id(int rootfd, const char *text, uint32_t *gid, struct error **err)
{
	if (!is_number(text))
		return find_group(rootfd, text, gid, err);
	if (!parse_id(text, gid))
		return error_set(err, EINVAL, "group '%s' is past the largest id, %u", text, USER_ID_MAX);
	return 0;
}

static void add_group(uint32_t **groups, size_t *count, uint32_t gid)
{
	for (size_t i = 0; i < *count; i++)
		if ((*groups)[i] == gid)
			return;
	if (*count >= GROUPS_MAX)
		return;
	*groups = mem_grow(*groups, *count + 1, sizeof(**groups));
	(*groups)[(*count)++] = gid;
}

/* True when "a,b,c" has `name`. */
static bool list_has(const char *members, const char *name)
{
	size_t len = strlen(name);

	for (;;) {
		size_t end = strcspn(members, ",");
		if (end == len && strncmp(members, name, len) == 0)
			return true;
		if (members[end] == '\0')
			return false;
		members += end + 1;
	}
}

/* The groups of /etc/group that name the user as a member (initgroups(3) without NSS). */
static int add_memberships(int rootfd, struct user *user, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(ACCOUNT_FILE_SIZE_MAX);
	int rc = load(rootfd, "/etc/group", &text, err);
	char *rest = text.data;
	char *line = NULL;

	if (rc < 0)
		return rc;
	while (next_line(&rest, &line)) {
		char *fields[4] = {0};
		uint32_t gid = 0;

		if (split_fields(line, fields, 4) == 4 && parse_id(fields[2], &gid) && gid != user->gid &&
		    list_has(fields[3], user->name))
			add_group(&user->groups, &user->group_count, gid);
	}
	return 0;
}

/* What stands before the colon: root for "", a number, or a name. */
static int find_account(int rootfd, const char *text, struct user *user, struct error **err)
{
	cleanup(buf_done) struct buf passwd = BUF_INIT(ACCOUNT_FILE_SIZE_MAX);
	struct passwd_entry entry = {0};
	bool by_number = *text == '\0' || is_number(text);
	uint32_t uid = 0;

	if (*text != '\0' && by_number && !parse_id(text, &uid))
		return error_set(err, EINVAL, "user '%s' is past the largest id, %u", text, USER_ID_MAX);
	int rc = load(rootfd, "/etc/passwd", &passwd, err);
	if (rc < 0)
		return rc;
	bool found = find_passwd(passwd.data, by_number ? NULL : text, uid, &entry);
	if (!found && !by_number)
		return error_set(err, ENOENT, "unknown user '%s': not in the image's /etc/passwd", text);
	user->uid = found ? entry.uid : uid;
	user->gid = found ? entry.gid : 0;
	user->name = mem_strdup(entry.name);
	user->home = mem_strdup(entry.home ? entry.home : "/");
	return 0;
}

int user_find(int rootfd, const char *text, struct user *user, struct error **err)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	cleanup_free char *account = colon ? mem_strndup(text, (size_t)(colon - text)) : mem_strdup(text ? text : "");
	cleanup(user_done) struct user found = {0};
	int rc = find_account(rootfd, account, &found, err);

	if (rc < 0)
		return rc;
	if (colon && colon[1] != '\0')
		rc = group_to_id(rootfd, colon + 1, &found.gid, err);
	else if (found.name)
		rc = add_memberships(rootfd, &found, err);
	if (rc < 0)
		return rc;
	*user = found;
	found = (struct user){0};
	return 0;
}

int user_find_owner(int rootfd, const char *text, uint32_t *uid, uint32_t *gid, struct error **err)
{
	const char *colon = strchr(text, ':');
	cleanup_free char *account = colon ? mem_strndup(text, (size_t)(colon - text)) : mem_strdup(text);
	cleanup(user_done) struct user found = {0};
	/* As BuildKit has it, root needs no file. */
	int rc = find_account(rootfd, strcmp(account, "root") == 0 ? "0" : account, &found, err);

	if (rc < 0)
		return rc;
	if (colon && colon[1] != '\0')
		rc = group_to_id(rootfd, strcmp(colon + 1, "root") == 0 ? "0" : colon + 1, &found.gid, err);
	else if (!found.name)
		found.gid = found.uid;
	if (rc < 0)
		return rc;
	*uid = found.uid;
	*gid = found.gid;
	return 0;
}

int user_find_groups(int rootfd, const struct strlist *names, uint32_t **gids, size_t *count, struct error **err)
{
	cleanup_free uint32_t *found = NULL;
	size_t found_count = 0;

	for (size_t i = 0; i < names->count; i++) {
		uint32_t gid = 0;
		int rc = group_to_id(rootfd, names->items[i], &gid, err);
		if (rc < 0)
			return rc;
		add_group(&found, &found_count, gid);
	}
	*gids = take_ptr(&found);
	*count = found_count;
	return 0;
}

/*
 * The name table of containers: one symlink for each, so that ten thousand containers cost one readlink.
 */
#include "builder/container_name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/parse.h"

#define BY_NAME "by-name"
#define NAME_SIZE_MAX ((size_t)NAME_MAX)
#define NUMBER_MAX 1000000

int container_names_lock(struct workshop *w, struct error **err)
{
	return store_lock(workshop_store(w), "names", "containers", LOCK_EXCLUSIVE, LOCK_WAIT,
			  "the names of containers", err);
}

/* A name as one path component: what could not be one is written as %XX. Newly allocated. */
static char *escape_name(const char *name)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	for (const char *c = name; *c; c++) {
		bool first_dot = c == name && *c == '.';
		if (*c == '/' || *c == '%' || first_dot || (unsigned char)*c <= ' ' || *c == 0x7f)
			buf_printf(&text, "%%%02X", (unsigned char)*c);
		else
			buf_append_char(&text, *c);
	}
	return buf_take(&text);
}

bool container_id_is_valid(const char *text)
{
	uint8_t bytes[(CONTAINER_ID_SIZE - 1) / 2];

	return parse_hex(text, strlen(text), bytes, sizeof(bytes)) == 0;
}

static int open_table(struct workshop *w, struct error **err)
{
	int containers = store_folder(workshop_store(w), STORE_CONTAINERS, err);

	if (containers < 0)
		return containers;
	int table = fd_open_dir(containers, BY_NAME, NULL);
	if (table >= 0)
		return table;
	if (mkdirat(containers, BY_NAME, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make the table of names");
	return fd_open_dir(containers, BY_NAME, err);
}

static bool has_state(struct workshop *w, const char *id)
{
	int containers = store_folder(workshop_store(w), STORE_CONTAINERS, NULL);
	cleanup_free char *state = mem_printf("%s/state.json", id);
	struct stat st;

	return containers >= 0 && fstatat(containers, state, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int find_in(struct workshop *w, int table, const char *escaped, char id[CONTAINER_ID_SIZE])
{
	char target[CONTAINER_ID_SIZE + 1];
	ssize_t size = readlinkat(table, escaped, target, sizeof(target) - 1);

	if (size < 0)
		return -errno;
	target[size] = '\0';
	if (!container_id_is_valid(target) || !has_state(w, target))
		return -ENOENT;
	memcpy(id, target, CONTAINER_ID_SIZE);
	return 0;
}

int container_name_find(struct workshop *w, const char *name, char id[CONTAINER_ID_SIZE], struct error **err)
{
	cleanup_free char *escaped = escape_name(name);
	cleanup_close int table = open_table(w, err);

	if (table < 0)
		return table;
	if (!*name || find_in(w, table, escaped, id) < 0)
		return error_set(err, ENOENT, "%s: container not known", name);
	return 0;
}

/* -EEXIST when the name is another's; *owner is then its id. */
static int take(struct workshop *w, int table, const char *name, const char *id, char owner[CONTAINER_ID_SIZE],
		struct error **err)
{
	cleanup_free char *escaped = escape_name(name);

	if (strlen(escaped) > NAME_SIZE_MAX)
		return error_set(err, ENAMETOOLONG, "'%.40s…' is too long for a container's name", name);
	int found = find_in(w, table, escaped, owner);
	if (found == 0)
		return strcmp(owner, id) == 0 ? 0 : -EEXIST;
	if (unlinkat(table, escaped, 0) < 0 && errno != ENOENT)
		return error_set_errno(err, "free the name '%s'", name);
	if (symlinkat(id, table, escaped) < 0)
		return error_set_errno(err, "name the container '%s'", name);
	return 0;
}

int container_name_check(const char *name, struct error **err)
{
	if (!*name)
		return error_set(err, EINVAL, "a container's name cannot be empty");
	/* What would be an option, a hidden file or a path in somebody's script, or a second line in his list. */
	bool good = *name != '-' && *name != '.';
	for (const char *c = name; *c && good; c++)
		good = *c != '/' && !((unsigned char)*c < ' ' || *c == 0x7f);
	return good ? 0
		    : error_set(
			      err, EINVAL,
			      "'%s' cannot be a container's name: it begins with '-' or '.', or has a '/' or a control "
			      "character",
			      name);
}

int container_name_take(struct workshop *w, const char *name, const char *id, struct error **err)
{
	char owner[CONTAINER_ID_SIZE];
	cleanup_close int table = open_table(w, err);

	if (table < 0)
		return table;
	int rc = take(w, table, name, id, owner, err);
	if (rc == -EEXIST)
		return error_set(
			err, EEXIST,
			"the container name \"%s\" is already in use by %s. You have to remove that container to be "
			"able to reuse that name: that name is already in use",
			name, owner);
	return rc;
}

int container_name_take_free(struct workshop *w, const char *base, const char *id, char **name, struct error **err)
{
	char owner[CONTAINER_ID_SIZE];
	cleanup_close int table = open_table(w, err);

	if (table < 0)
		return table;
	for (unsigned number = 0; number < NUMBER_MAX; number++) {
		cleanup_free char *text = number ? mem_printf("%s-%u", base, number) : mem_strdup(base);
		int rc = take(w, table, text, id, owner, err);
		if (rc == -EEXIST)
			continue;
		if (rc >= 0)
			*name = take_ptr(&text);
		return rc;
	}
	return error_set(err, EEXIST, "no name is free that begins with '%s'", base);
}

void container_name_drop(struct workshop *w, const char *name)
{
	cleanup_free char *escaped = escape_name(name);
	cleanup_close int table = open_table(w, NULL);

	if (table >= 0)
		unlinkat(table, escaped, 0);
}

static void forget_if_dangling(struct workshop *w, int table, const char *escaped)
{
	char id[CONTAINER_ID_SIZE];

	if (find_in(w, table, escaped, id) == -ENOENT)
		unlinkat(table, escaped, 0);
}

int container_names_forget(struct workshop *w, struct error **err)
{
	/* Who is making a container has its name before it is there. */
	cleanup_close int lock = container_names_lock(w, err);
	cleanup_close int table = lock < 0 ? lock : open_table(w, err);
	cleanup_directory DIR *dir = NULL;
	int rc = table < 0 ? table : directory_take(&table, &dir, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));)
		forget_if_dangling(w, dirfd(dir), entry->d_name);
	return rc;
}

/* ---- what a container is called when nobody says ---- */

char *container_default_name(const char *text)
{
	struct digest digest;

	if (!text || !*text)
		return mem_strdup("working-container");
	if (digest_parse(text, &digest, NULL) == 0)
		return mem_printf("%.12s-working-container", strchr(text, ':') + 1);
	if (container_id_is_valid(text))
		return mem_printf("%.12s-working-container", text);
	cleanup_free char *name = mem_strndup(text, strcspn(text, "@"));
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash + 1 : name;
	cleanup_free char *untagged = mem_strndup(last, strcspn(last, ":"));
	return *untagged ? mem_printf("%s-working-container", untagged) : mem_strdup("working-container");
}

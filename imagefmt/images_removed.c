/* images/removed/: the rows of images that are gone, until somebody has looked at what they have used. */
#include "imagefmt/images_catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/dirlist.h"

#define REMOVED "removed"
#define NAME_TRIES 1000

/* The same image may go again before the first has been seen to. 0 or -errno. */
static int move_there(int table, const char *path, const struct digest *id)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(id, hex);
	if (mkdirat(table, REMOVED, 0700) < 0 && errno != EEXIST)
		return -errno;
	for (int i = 0; i < NAME_TRIES; i++) {
		cleanup_free char *name = mem_printf(REMOVED "/%s.%d", hex, i);
		if (renameat2(table, path, table, name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

int images_removed_add(struct store *store, int table, const struct digest *id, struct error **err)
{
	cleanup_free char *path = images_rows_path(id);
	int rc = move_there(table, path, id);

	if ((rc == -ENOSPC || rc == -EDQUOT) && store_use_reserve(store))
		rc = move_there(table, path, id);
	if (rc == 0 || rc == -ENOENT)
		return 0;
	/* It goes all the same; what it has used goes with the next prune, which must not take the store for one in
	 * which nothing has changed (collect_stamp.h). */
	log_debug("rows of an image are not kept: %s", strerror(-rc));
	rc = catalogue_give_up(table, err);
	if (rc < 0)
		return rc;
	return unlinkat(table, path, /* flags */ 0) < 0 && errno != ENOENT
		       ? error_set_errno(err, "remove 'images/%s'", path)
		       : 0;
}

int images_removed_list(int table, struct strlist *names, struct error **err)
{
	cleanup(dir_list_done) struct dir_list list = {0};
	cleanup_close int fd = openat(table, REMOVED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "open 'images/" REMOVED "'");
	int rc = dir_list_read(fd, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++)
		strlist_append(names, list.names[i].name);
	return rc;
}

int images_removed_load(int table, const char *name, struct image_index *rows, struct error **err)
{
	cleanup_free char *path = mem_printf(REMOVED "/%s", name);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = fd_read_file(table, path, &text, err);

	return rc < 0 ? rc : image_index_parse(buf_str(&text), text.len, path, rows, err);
}

int images_removed_forget(struct store *store, const struct strlist *names, struct error **err)
{
	if (names->count == 0)
		return 0;
	cleanup_close int table = images_table_open(store, err);
	if (table < 0)
		return table;
	for (size_t i = 0; i < names->count; i++) {
		cleanup_free char *path = mem_printf(REMOVED "/%s", names->items[i]);
		if (unlinkat(table, path, /* flags */ 0) < 0 && errno != ENOENT)
			return error_set_errno(err, "remove 'images/%s'", path);
	}
	return 0;
}

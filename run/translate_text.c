/*
 * Paths whose text is the name of what they lead to: no link is on the way. Most are, and then nobody has to be asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/fd.h"
#include "run/translate_internal.h"

/* "a/b", without "." and "//". */
static bool is_plain_text(const char *path)
{
	for (const char *at = path;; at++) {
		size_t length = strcspn(at, "/");
		if (length == 0 || (length == 1 && at[0] == '.'))
			return false;
		at += length;
		if (*at == '\0')
			return true;
	}
}

/* Where no link is on the way, the text is the name, what is not there is not there, and nobody needs to be asked.
 * A descriptor, or -ENOENT and -ENOTDIR, which are true; else another way is to be gone. */
int text_open(int base, const char *rest, uint64_t flags)
{
	return is_plain_text(rest) ? view_open_in(base, rest, flags, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH) : -ELOOP;
}

bool text_is_missing(int rc)
{
	return rc == -ENOENT || rc == -ENOTDIR;
}

void text_name(const char *base_name, const char *rest, struct buf *path)
{
	buf_clear(path);
	buf_append_str(path, base_name);
	buf_append_char(path, '/');
	buf_append_str(path, rest);
}

/* The directory that `above` leads to, and its name. */
int text_open_above(struct translation *t, int base, const char *base_name, const char *above, struct buf *path)
{
	if (strcmp(above, ".") == 0) {
		buf_clear(path);
		buf_append_str(path, base_name);
		return view_open_in(base, ".", O_DIRECTORY, RESOLVE_BENEATH);
	}
	cleanup_close int fd = text_open(base, above, O_DIRECTORY);
	if (fd >= 0)
		text_name(base_name, above, path);
	if (fd >= 0 || text_is_missing(fd))
		return take_fd(&fd);
	fd = view_open_in(base, *above ? above : ".", O_DIRECTORY, *base_name ? RESOLVE_BENEATH : RESOLVE_IN_ROOT);
	return fd >= 0 && view_name(t, fd, path) ? take_fd(&fd) : -ELOOP;
}

/* Is it in the root, and in no other mount, by its text? */
bool text_is_in_root(const struct translation *t, const char *path)
{
	if (path[0] != '/' || strstr(path, "..") || strstr(path, "//") || strstr(path, "/./"))
		return false;
	for (size_t i = 1; i < t->mount_count; i++)
		if (view_is_in(path, t->mounts[i].target, t->mounts[i].target_length))
			return false;
	return true;
}

/*
 * Roots of layers: what they are, compared as a text of mode, owner and attributes.
 */
#include "imagefmt/layerroot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/owner.h"
#include "base/parse.h"
#include "base/strlist.h"
#include "imagefmt/layerxattr.h"

#define ROOT_MARK "user.overlay.cooper.root"
#define PLAIN_MODE 0755
#define XATTR_SIZE_LIMIT ((size_t)64 << 10) /* the kernel's, of a list of names and of one value */

bool layer_root_is_said(int tree)
{
	return fgetxattr(tree, ROOT_MARK, NULL, 0) >= 0;
}

int layer_root_say(int tree, struct error **err)
{
	return fsetxattr(tree, ROOT_MARK, "y", 1, 0) < 0 ? error_set_errno(err, "mark the layer's root") : 0;
}

static int read_root(int tree, struct stat *st, struct error **err)
{
	struct owner_record record;

	if (fstat(tree, st) < 0)
		return error_set_errno(err, "stat the layer's root");
	owner_see(st);
	if (owner_get(tree, &record, NULL) == 0)
		owner_apply(&record, st);
	return 0;
}

/* ---- attributes ---- */

typedef int use_xattr(const char *name, const void *value, size_t size, void *context, struct error **err);

static bool travels(const char *name)
{
	cleanup_free char *in_tar = layer_xattr_to_tar(name);

	return in_tar != NULL;
}

static int for_each_xattr(int tree, use_xattr *use, void *context, struct error **err)
{
	cleanup_free char *names = mem_alloc(XATTR_SIZE_LIMIT);
	cleanup_free char *value = mem_alloc(XATTR_SIZE_LIMIT);
	ssize_t size = flistxattr(tree, names, XATTR_SIZE_LIMIT);
	int rc = 0;

	if (size < 0 && errno != EOPNOTSUPP)
		return error_set_errno(err, "list the attributes of the layer's root");
	for (const char *name = names; rc == 0 && size > 0 && name < names + size; name += strlen(name) + 1) {
		if (!travels(name))
			continue;
		ssize_t got = fgetxattr(tree, name, value, XATTR_SIZE_LIMIT);
		if (got < 0)
			return error_set_errno(err, "read the attribute '%s' of the layer's root", name);
		rc = use(name, value, (size_t)got, context, err);
	}
	return rc;
}

static int list_xattr(const char *name, const void *value, size_t size, void *context, struct error **err)
{
	cleanup_free char *hex = mem_alloc(2 * size + 1);

	format_hex(value, size, hex);
	strlist_printf(context, "%s=%s", name, hex);
	return 0;
}

static int copy_xattr(const char *name, const void *value, size_t size, void *context, struct error **err)
{
	const int *to = context;

	return fsetxattr(*to, name, value, size, 0) < 0
		       ? error_set_errno(err, "give the container's root the attribute '%s'", name)
		       : 0;
}

bool layer_root_is_plain(const char *path)
{
	struct stat st;
	char names[4096]; /* more of them are not plain */
	ssize_t size = llistxattr(path, names, sizeof(names));

	if (size < 0 || stat(path, &st) < 0 || (st.st_mode & 07777) != PLAIN_MODE || st.st_uid != geteuid() ||
	    st.st_gid != getegid())
		return false;
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (travels(name))
			return false;
	return true;
}

/* ---- comparing ---- */

/* Mode, owner and attributes as one text; of what no layer speaks of (tree -1), the plain ones. */
static int describe(int tree, char **text, struct error **err)
{
	cleanup(strlist_done) struct strlist lines = {0};
	struct stat st = {.st_mode = PLAIN_MODE};
	int rc = tree < 0 ? 0 : read_root(tree, &st, err);

	if (rc == 0 && tree >= 0)
		rc = for_each_xattr(tree, list_xattr, &lines, err);
	if (rc < 0)
		return rc;
	strlist_sort(&lines);
	strlist_printf(&lines, "%o %u %u", (unsigned)(st.st_mode & 07777), st.st_uid, st.st_gid);
	*text = strlist_join(&lines, "\n");
	return 0;
}

/* A root that is not plain was said, also in trees from before there was a mark. */
bool layer_root_counts(int tree)
{
	struct stat st;

	return layer_root_is_said(tree) ||
	       (read_root(tree, &st, NULL) == 0 && ((st.st_mode & 07777) != PLAIN_MODE || st.st_uid || st.st_gid));
}

/* The layer whose root is seen, or -1. */
static int seen_root(const int *lowers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (layer_root_counts(lowers[i]))
			return lowers[i];
	return -1;
}

/* ---- the doors ---- */

int layer_root_copy(int upper, int from, struct error **err)
{
	struct owner_record record;
	struct stat st;

	if (fstat(from, &st) < 0)
		return error_set_errno(err, "stat the layer's root");
	/* The owner first: chown(2) clears bits of the mode. */
	if (fchown(upper, st.st_uid, st.st_gid) < 0 || fchmod(upper, st.st_mode & 07777) < 0)
		return error_set_errno(err, "set the owner of the root directory");
	if (owner_get(from, &record, NULL) == 0) {
		int rc = owner_set(upper, &record, err);
		if (rc < 0)
			return rc;
	}
	return for_each_xattr(from, copy_xattr, &upper, err);
}

int layer_root_inherit(int upper, const int *lowers, size_t count, struct error **err)
{
	int from = seen_root(lowers, count);

	return from < 0 ? 0 : layer_root_copy(upper, from, err);
}

int layer_root_settle(int upper, const int *lowers, size_t count, struct error **err)
{
	cleanup_free char *ours = NULL, *below = NULL;
	int rc = describe(upper, &ours, err);

	if (rc == 0)
		rc = describe(seen_root(lowers, count), &below, err);
	if (rc < 0)
		return rc;
	if (strcmp(ours, below) != 0)
		return layer_root_say(upper, err);
	if (fremovexattr(upper, ROOT_MARK) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return error_set_errno(err, "unmark the layer's root");
	return 0;
}

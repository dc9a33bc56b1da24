/*
 * Copying extended attributes. Most files have none: that costs one call and no memory. What there is is copied through
 * /proc/self/fd, which reaches the file itself whatever its type and however it was opened.
 */
#include "base/attributes.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"

struct attribute_copy {
	char from[FD_PROC_PATH_SIZE], to[FD_PROC_PATH_SIZE];
	attributes_wanted *wanted;
	unsigned flags;
	char *value; /* XATTR_SIZE_MAX */
};

static bool may_be_lost(const struct attribute_copy *copy, const char *name, int code)
{
	if (copy->flags & ATTRIBUTES_AT_BEST)
		return true;
	if (text_has_prefix(name, "user."))
		return false;
	return code == EPERM || code == EACCES || code == EOPNOTSUPP || code == EINVAL;
}

static int copy_one(struct attribute_copy *copy, const char *name, struct error **err)
{
	if (!copy->value)
		copy->value = mem_grow(NULL, XATTR_SIZE_MAX, 1);
	ssize_t size = getxattr(copy->from, name, copy->value, XATTR_SIZE_MAX);
	/* Removed meanwhile. */
	if (size < 0 && errno == ENODATA)
		return 0;
	if (size >= 0 && setxattr(copy->to, name, copy->value, (size_t)size, 0) == 0)
		return 0;
	if (!may_be_lost(copy, name, errno))
		return error_set_errno(err, "copy the attribute %s", name);
	log_debug("the attribute %s cannot be copied, going on without it: %s", name, strerror(errno));
	return 0;
}

int attributes_copy(int from, int to, attributes_wanted *wanted, unsigned flags, struct error **err)
{
	struct attribute_copy copy = {.wanted = wanted, .flags = flags};
	ssize_t size = flistxattr(from, NULL, 0);

	fd_proc_path(from, copy.from);
	if (size < 0 && errno == EBADF) /* O_PATH */
		size = listxattr(copy.from, NULL, 0);
	if (size == 0 || (size < 0 && (errno == EOPNOTSUPP || flags & ATTRIBUTES_AT_BEST)))
		return 0;
	cleanup_free char *names = mem_grow(NULL, XATTR_LIST_MAX, 1);
	size = listxattr(copy.from, names, XATTR_LIST_MAX);
	if (size < 0)
		return flags & ATTRIBUTES_AT_BEST ? 0 : error_set_errno(err, "list the attributes");
	fd_proc_path(to, copy.to);
	int rc = 0;
	for (const char *name = names; rc >= 0 && name < names + size; name += strlen(name) + 1)
		if (!wanted || wanted(name))
			rc = copy_one(&copy, name, err);
	mem_free_cleanup(&copy.value);
	return rc;
}

/*
 * What no shell of busybox can do, as root of a step:
 *
 *	access_lists access|default BITS PATH	gives PATH the access list user::BITS,group::r-x,mask::r--,other::--x
 *	access_lists show PATH			prints the access list's permissions, entry by entry
 *	access_lists has PATH			whether it has a list of either kind
 *	access_lists socket PATH		leaves a socket
 */
#define _GNU_SOURCE
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ENTRIES 4

struct list {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[ENTRIES];
};

static int set(const char *name, char bits, const char *path)
{
	const struct list list = {{POSIX_ACL_XATTR_VERSION},
				  {{ACL_USER_OBJ, (unsigned short)(bits - '0'), ACL_UNDEFINED_ID},
				   {ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID},
				   {ACL_MASK, 4, ACL_UNDEFINED_ID},
				   {ACL_OTHER, 1, ACL_UNDEFINED_ID}}};

	return setxattr(path, name, &list, sizeof(list), 0);
}

static int show(const char *path)
{
	struct list list;
	ssize_t size = getxattr(path, "system.posix_acl_access", &list, sizeof(list));

	if (size < (ssize_t)sizeof(list.header))
		return -1;
	for (size_t i = 0; i < ((size_t)size - sizeof(list.header)) / sizeof(list.entries[0]); i++)
		printf("%u", list.entries[i].e_perm);
	printf("\n");
	return 0;
}

static bool has(const char *path)
{
	return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 ||
	       getxattr(path, "system.posix_acl_default", NULL, 0) >= 0;
}

int main(int argc, char **argv)
{
	int rc = -1;

	if (argc == 4 && strcmp(argv[1], "access") == 0)
		rc = set("system.posix_acl_access", argv[2][0], argv[3]);
	else if (argc == 4 && strcmp(argv[1], "default") == 0)
		rc = set("system.posix_acl_default", argv[2][0], argv[3]);
	else if (argc == 3 && strcmp(argv[1], "show") == 0)
		rc = show(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "has") == 0)
		return !has(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "socket") == 0)
		rc = mknod(argv[2], S_IFSOCK | 0666, 0);
	if (rc < 0)
		perror(argc > 1 ? argv[1] : argv[0]);
	return rc < 0;
}

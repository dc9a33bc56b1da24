/*
 * The rules of landlock.h, as far as this kernel knows them.
 */
#include "run/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Newer than the headers of Debian 12. */
#define ABI_REFER 2
#define ABI_TRUNCATE 3
#define ABI_IOCTL_DEV 5
#define ABI_SCOPES 6
#define ACCESS_REFER ((uint64_t)1 << 13)
#define ACCESS_TRUNCATE ((uint64_t)1 << 14)
#define ACCESS_IOCTL_DEV ((uint64_t)1 << 15)
#define ACCESS_FIRST_ABI (((uint64_t)1 << 13) - 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET ((uint64_t)1 << 0)
#define SCOPE_SIGNAL ((uint64_t)1 << 1)

struct ruleset {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

static long find_abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool landlock_has_scopes(void)
{
	return find_abi() >= ABI_SCOPES;
}

int landlock_confine(const int *trees, size_t count, struct error **err)
{
	long abi = find_abi();
	struct ruleset rules = {.handled_access_fs = ACCESS_FIRST_ABI};

	if (abi < 1)
		return error_set(err, ENOTSUP,
				 "a root without namespaces needs Landlock (Linux 5.13, and 'landlock' among the "
				 "kernel's lsm=)");
	rules.handled_access_fs |= (abi >= ABI_REFER ? ACCESS_REFER : 0) | (abi >= ABI_TRUNCATE ? ACCESS_TRUNCATE : 0) |
				   (abi >= ABI_IOCTL_DEV ? ACCESS_IOCTL_DEV : 0);
	if (abi >= ABI_SCOPES)
		rules.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	/* Older kernels take a shorter struct only. */
	size_t size = abi >= ABI_SCOPES ? sizeof(rules) : sizeof(rules.handled_access_fs);
	cleanup_close int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (ruleset < 0)
		return error_set_errno(err, "make the rules of the step's Landlock domain");
	for (size_t i = 0; i < count; i++) {
		struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_MAKE_SOCK,
							  .parent_fd = trees[i]};
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
			return error_set_errno(err, "allow sockets in the step's root");
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_set_errno(err, "restrict the step by Landlock");
	return 0;
}

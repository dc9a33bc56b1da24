/*
 * Names of capabilities to bits and back.
 */
#include "run/capability.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>

#define BIT(capability) ((uint64_t)1 << (capability))

/* capabilities(7). Our own, because libcap would be one more library to load at each start, for this list alone. */
static const char *const known_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

int capability_number(const char *name)
{
	const size_t prefix = strlen("CAP_");
	const char *rest = strncasecmp(name, "CAP_", prefix) == 0 ? name + prefix : name;

	for (size_t i = 0; i < ARRAY_COUNT(known_names); i++)
		if (strcasecmp(rest, known_names[i] + prefix) == 0)
			return (int)i;
	return -EINVAL;
}

static int find_bits(const char *name, uint64_t *bits, struct error **err)
{
	if (strcasecmp(name, "all") == 0) {
		*bits = UINT64_MAX; /* those that the kernel lacks cannot be had anyway */
		return 0;
	}
	int number = capability_number(name);
	if (number < 0)
		return error_set(err, EINVAL, "unknown capability '%s'", name);
	*bits = BIT(number);
	return 0;
}

static int find_all(const struct strlist *names, uint64_t *bits, struct error **err)
{
	uint64_t found = 0;

	for (size_t i = 0; i < names->count; i++) {
		uint64_t one = 0;
		int rc = find_bits(names->items[i], &one, err);
		if (rc < 0)
			return rc;
		found |= one;
	}
	*bits = found;
	return 0;
}

int capability_add(uint64_t *set, const struct strlist *names, struct error **err)
{
	uint64_t bits = 0;
	int rc = find_all(names, &bits, err);

	if (rc == 0)
		*set |= bits;
	return rc;
}

int capability_drop(uint64_t *set, const struct strlist *names, struct error **err)
{
	uint64_t bits = 0;
	int rc = find_all(names, &bits, err);

	if (rc == 0)
		*set &= ~bits;
	return rc;
}

uint64_t capability_defaults(void)
{
	return BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) |
	       BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETFCAP) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) |
	       BIT(CAP_SYS_CHROOT);
}

void capability_names(uint64_t set, struct strlist *names)
{
	for (size_t i = 0; i < ARRAY_COUNT(known_names); i++)
		if (set & BIT(i))
			strlist_append(names, known_names[i]);
}

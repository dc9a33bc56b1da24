/*
 * Who a step is and what it may: limits, keyring, security labels, ids, Landlock, the system call filter, capabilities.
 * Each is called once, by child.c, which says why in that order.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "run/channel.h"
#include "run/child_internal.h"
#include "run/limits.h"
#include "run/supervisor.h"

int confine_limits(struct child *child, struct error **err)
{
	return limits_apply(child->spec->limits, child->spec->limit_count, LIMITS_BUT_FILES, err);
}

int confine_files(struct child *child, struct error **err)
{
	return limits_apply(child->spec->limits, child->spec->limit_count, LIMITS_FILES, err);
}

int confine_keyring(struct child *child, struct error **err)
{
	/* Keys of the user's login would be searchable through the session keyring that we inherited (keyctl(2)). A
	 * kernel or a filter around us without keyrings has none to leak. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
		return error_set_errno(err, "join a new session keyring");
	return 0;
}

/* Labels take effect at the next exec, which is the init's. They are written to our own /proc, which proc_write()
 * checks (CVE-2019-16884: the image must not be able to swallow them). */
int confine_check_labels(struct child *child, struct error **err)
{
	const struct run_spec *spec = child->spec;

	if (spec->apparmor_profile && faccessat(child->proc, "self/attr/apparmor", F_OK, 0) < 0)
		return error_set(err, ENOTSUP, "apparmor=%s: this kernel has no AppArmor", spec->apparmor_profile);
	if (spec->selinux_label && access("/sys/fs/selinux/enforce", F_OK) < 0)
		return error_set(err, ENOTSUP, "label=%s: this kernel has no SELinux", spec->selinux_label);
	return 0;
}

int confine_label(struct child *child, struct error **err)
{
	const struct run_spec *spec = child->spec;
	int rc = confine_check_labels(child, err);

	if (rc < 0)
		return rc;
	if (spec->apparmor_profile) {
		cleanup_free char *text = mem_printf("exec %s", spec->apparmor_profile);
		rc = proc_write(child, "self/attr/apparmor/exec", text, err);
		if (rc < 0)
			return error_prefix(err, "apparmor=%s", spec->apparmor_profile);
	}
	if (spec->selinux_label) {
		rc = proc_write(child, "self/attr/exec", spec->selinux_label, err);
		if (rc < 0)
			return error_prefix(err, "label=%s", spec->selinux_label);
	}
	return 0;
}

/* The numbers that exist in this namespace; others the kernel would refuse with a bare EINVAL. */
static int check_ids(const struct child *child, struct error **err)
{
	const struct idmap *map = child->plan->map;
	const char *way_out = map->kind == IDMAP_SINGLE ? "; only id 0 is mapped: see /etc/subuid and /etc/subgid" : "";

	if (!idmap_has(&map->uids, child->user.uid))
		return error_set(err, EINVAL, "user %u is not mapped here%s", child->user.uid, way_out);
	if (!idmap_has(&map->gids, child->user.gid))
		return error_set(err, EINVAL, "group %u is not mapped here%s", child->user.gid, way_out);
	return 0;
}

static int collect_groups(const struct child *child, gid_t **groups, size_t *count, struct error **err)
{
	const struct user *user = &child->user;
	cleanup_free uint32_t *extra = NULL;
	size_t extra_count = 0;

	if (child->spec->extra_groups) {
		int rc = user_find_groups(child->root, child->spec->extra_groups, &extra, &extra_count, err);
		if (rc < 0)
			return rc;
	}
	*groups = mem_grow(NULL, user->group_count + extra_count + 1, sizeof(**groups));
	*count = 0;
	/* Also the user's own: a file that is closed to that group would be open to a process that has given the group
	 * up with a set-group-id program (CVE-2022-2990). Where no list can be set, that is not possible either. */
	if (child->plan->map->kind != IDMAP_SINGLE || child->plan->emulates_ids)
		(*groups)[(*count)++] = user->gid;
	for (size_t i = 0; i < user->group_count; i++)
		(*groups)[(*count)++] = user->groups[i];
	for (size_t i = 0; i < extra_count; i++)
		(*groups)[(*count)++] = extra[i];
	return 0;
}

int confine_find_ids(struct child *child, gid_t **groups, size_t *count, struct error **err)
{
	cleanup_free gid_t *found = NULL;
	size_t found_count = 0;
	int rc = child->plan->emulates_ids ? 0 : check_ids(child, err);

	if (rc == 0)
		rc = collect_groups(child, &found, &found_count, err);
	if (rc < 0)
		return rc;
	if (child->plan->emulates_ids) {
		*groups = take_ptr(&found);
		*count = found_count;
		return 0;
	}
	if (child->plan->map->kind == IDMAP_SINGLE && found_count > 0) {
		/* setgroups(2) was given up for the map (user_namespaces(7)). What we came with maps to nothing. */
		log_warn("the supplementary groups of user %u cannot be set with a single id, going on without them",
			 child->user.uid);
		found_count = 0;
	}
	for (size_t i = 0; i < found_count; i++)
		if (!idmap_has(&child->plan->map->gids, found[i]))
			return error_set(err, EINVAL, "supplementary group %u is not mapped here", found[i]);
	*groups = take_ptr(&found);
	*count = found_count;
	return 0;
}

static int set_groups(struct child *child, struct error **err)
{
	cleanup_free gid_t *groups = NULL;
	size_t count = 0;
	int rc = confine_find_ids(child, &groups, &count, err);

	if (rc < 0)
		return rc;
	if (child->plan->map->kind == IDMAP_SINGLE)
		return 0;
	/* EPERM: a namespace around us has given it up; then the list is the one we came with. */
	if (setgroups(count, groups) < 0 && (errno != EPERM || count > 1))
		return error_set_errno(err, "set the supplementary groups");
	return 0;
}

static int set_capabilities(uint64_t permitted, struct error **err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)permitted, .permitted = (uint32_t)permitted},
		{.effective = (uint32_t)(permitted >> 32), .permitted = (uint32_t)(permitted >> 32)},
	};

	if (capset(&header, data) < 0)
		return error_set_errno(err, "set the capabilities");
	return 0;
}

/* The bits of the capabilities that this kernel has: their numbers have no gaps, and those past the last are EINVAL. */
static uint64_t known_capabilities(void)
{
	int known = 0;	  /* so many there are at least, */
	int unknown = 64; /* and less than one more than so many */

	while (known < unknown) {
		int middle = (known + unknown) / 2;
		if (prctl(PR_CAPBSET_READ, middle, 0, 0, 0) >= 0)
			known = middle + 1;
		else
			unknown = middle;
	}
	return known < 64 ? ((uint64_t)1 << known) - 1 : UINT64_MAX;
}

/* Whom the command is told that it is. It stays the one id that is mapped. */
static int send_identity(struct child *child, struct error **err)
{
	cleanup_free gid_t *groups = NULL;
	size_t count = 0;
	int rc = confine_find_ids(child, &groups, &count, err);

	if (rc < 0)
		return rc;
	if (count > IDENTITY_GROUPS_MAX)
		return error_set(err, E2BIG, "user %u is in more than %d groups", child->user.uid, IDENTITY_GROUPS_MAX);
	const struct identity_record record = {
		.uid = child->user.uid,
		.gid = child->user.gid,
		.group_count = (uint32_t)count,
		.capabilities = child->spec->capabilities & known_capabilities(),
	};
	cleanup(buf_done) struct buf text = BUF_INIT(CHANNEL_SIZE_MAX);
	buf_append(&text, &record, sizeof(record));
	buf_append(&text, groups, count * sizeof(*groups));
	rc = channel_send(child->plan->channel, CHANNEL_IDENTITY, 0, text.data, text.len, -1);
	return rc < 0 ? error_set(err, -rc, "say who the step's user is") : 0;
}

int confine_identity(struct child *child, struct error **err)
{
	if (child->plan->emulates_ids)
		return send_identity(child, err);
	uid_t uid = child->user.uid;
	gid_t gid = child->user.gid;
	/* Groups while we are root, the user last: after that nothing of it could be changed. */
	int rc = set_groups(child, err);

	if (rc < 0)
		return rc;
	/* The capabilities survive the change, because the filter and the bounding set still need them; the flag itself
	 * ends at exec. The change clears the effective ones, so they are raised again. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_set_errno(err, "become user %u and group %u", uid, gid);
	return set_capabilities(known_capabilities(), err);
}

/* ---- Landlock: scopes, Linux 6.12 (ABI 6). Debian 12's headers are older. ---- */

#define SCOPE_ABSTRACT_UNIX_SOCKET ((uint64_t)1 << 0)
#define SCOPE_SIGNAL ((uint64_t)1 << 1)
#define LANDLOCK_ABI_SCOPES 6

struct landlock_ruleset {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

int confine_landlock(struct child *child, struct error **err)
{
	struct landlock_ruleset rules = {0};

	/* In the host's network namespace the host's abstract sockets (its session bus, X11) could be connected to,
	 * whatever is mounted (CVE-2020-15257); without a pid namespace its processes could be signalled. */
	if (!(child->plan->namespaces & CHILD_OWN_NET))
		rules.scoped |= SCOPE_ABSTRACT_UNIX_SOCKET;
	if (!(child->plan->namespaces & CHILD_OWN_PID) && !(child->spec->share & RUN_SHARE_PID))
		rules.scoped |= SCOPE_SIGNAL;
	if (!rules.scoped)
		return 0;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < LANDLOCK_ABI_SCOPES) {
		log_debug("Landlock has no scopes here (%ld): abstract sockets of the host can be reached", abi);
		return 0;
	}
	cleanup_close int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_set_errno(err, "restrict the step by Landlock");
	return 0;
}

/* The parent answers from now on; until it hears that the set-up is over it lets everything through. */
static int confine_supervised(struct child *child, struct error **err)
{
	cleanup_error struct error *trouble = NULL;

	if (!child->plan->supervisor)
		return 0;
	cleanup_close int listener = supervisor_install(child->plan->supervisor, &trouble);
	if (listener < 0 && child->plan->emulates_ids) {
		if (err)
			*err = take_ptr(&trouble);
		return error_prefix(err, "ids cannot be emulated here");
	}
	if (!child->plan->emulates_ids) {
		/* Where ids are mapped a step can do without, and nothing is trapped before it starts. */
		if (listener < 0)
			log_debug("devices are not recorded in this step: %s", error_message(trouble));
		child->listener = take_fd(&listener);
		return 0;
	}
	int rc = channel_send(child->plan->channel, CHANNEL_LISTENER, 0, NULL, 0, listener);
	return rc < 0 ? error_set(err, -rc, "hand the listener over: %s", strerror(-rc)) : 0;
}

int confine_load_filter(const struct run_spec *spec, struct error **err)
{
	struct sock_fprog program = {
		.len = (unsigned short)(spec->seccomp_size / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)spec->seccomp,
	};

	if (spec->seccomp_size > (size_t)BPF_MAXINSNS * sizeof(struct sock_filter))
		return error_set(err, E2BIG, "the system call filter is longer than the kernel takes");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_set_errno(err, "load the system call filter");
	return 0;
}

int confine_filter(struct child *child, struct error **err)
{
	const struct run_spec *spec = child->spec;

	if (spec->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set_errno(err, "set no_new_privs");
	int rc = spec->seccomp ? confine_load_filter(spec, err) : 0;
	return rc < 0 ? rc : confine_supervised(child, err);
}

int confine_capabilities(struct child *child, struct error **err)
{
	uint64_t wanted = child->spec->capabilities;
	uint64_t known = known_capabilities();

	/* Without namespaces and without root there is nothing to give up. */
	for (int i = 0; i < 64 && known >> i && !(child->plan->translation && !owner_is_root()); i++) {
		if (wanted >> i & 1 || !(known >> i & 1))
			continue;
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return error_set_errno(err, "drop capability %d from the bounding set", i);
	}
	/* Inheritable ones would come back through files that have them (CVE-2022-24769). */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set_errno(err, "clear the ambient capabilities");
	/* What the step believes to have is its emulation's; of ours, which count on the host, it gets none. */
	return set_capabilities(child->plan->translation ? 0 : wanted & known, err);
}

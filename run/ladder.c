/*
 * The isolation ladder: tries what a step needs, each thing for real and in a child, and says how far this machine
 * goes. In: the id map that was found, a directory where containers will live. Out: a rung, every probe's result, and
 * the one change that would help most.
 */
#include "run/ladder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/owner.h"
#include "base/tree.h"
#include "run/mountfd.h"
#include "run/overlay.h"
#include "run/userns.h"

static const char *const rung_names[] = {
	[RUNG_NONE] = "none", [RUNG_1] = "1", [RUNG_2] = "2", [RUNG_1P] = "1p",
	[RUNG_2P] = "2p",     [RUNG_3] = "3", [RUNG_4] = "4",
};

const char *rung_name(enum rung rung)
{
	return rung_names[rung];
}

int rung_parse(const char *text, enum rung *rung, struct error **err)
{
	for (size_t i = RUNG_1; i < ARRAY_COUNT(rung_names); i++) {
		if (strcmp(text, rung_names[i]) == 0) {
			*rung = (enum rung)i;
			return 0;
		}
	}
	return error_set(err, EINVAL, "'%s' is no rung of isolation (1, 2, 1p, 2p, 3 or 4)", text);
}

void ladder_done(struct ladder *ladder)
{
	free(ladder->remedy);
	*ladder = (struct ladder){0};
}

/* ---- Single probes. Each gives 0 or a positive errno, and runs in a process that ends with it. ---- */

struct probe_place {
	const struct idmap *map;
	int upper_dir;
	const char *upper_path; /* the same */
};

static int result_of(long rc)
{
	return rc < 0 ? errno : 0;
}

/* Those marked so in the table run inside of a user namespace already. */

static int probe_many_ids(const struct probe_place *place)
{
	return place->map->kind == IDMAP_SINGLE ? EPERM : result_of(setgroups(0, NULL));
}

static int probe_namespaces(const struct probe_place *place)
{
	return result_of(unshare(CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID));
}

static int probe_net(const struct probe_place *place)
{
	return result_of(unshare(CLONE_NEWNET));
}

static int probe_mount(const struct probe_place *place)
{
	int rc = mountfd_new("tmpfs", NULL, 0, MOUNTFD_SAFE, NULL);

	return rc < 0 ? -rc : 0;
}

/* An overlay as a container would have it: upper and work where containers live. */
static int try_overlay(int dir)
{
	cleanup_free char *work = NULL;

	if (mkdirat(dir, "lower", 0700) < 0 || mkdirat(dir, "upper", 0700) < 0)
		return errno;
	cleanup_close int lower = openat(dir, "lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int upper = openat(dir, "upper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct overlay_spec spec = {.lowers = &lower, .lower_count = 1, .upper = upper, .scratch = dir};
	/* Never attached, so it ends with its descriptor. */
	cleanup_close int mount = overlay_open(&spec, &work, NULL);
	return mount < 0 ? -mount : 0;
}

static int probe_overlay(const struct probe_place *place)
{
	cleanup_free char *name = mem_printf("probe-overlay-%d", getpid());
	/* Opened anew: a descriptor from before the namespace belongs to a mount outside of it, which cannot be used.
	 */
	cleanup_close int parent = open(place->upper_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (parent < 0 || mkdirat(parent, name, 0700) < 0)
		return errno;
	cleanup_close int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = dir < 0 ? errno : try_overlay(dir);
	tree_remove(parent, name, NULL);
	return code;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static int probe_proc(const struct probe_place *place)
{
	if (unshare(CLONE_NEWPID) < 0)
		return errno;
	/* A new proc belongs to the namespace of who mounts it: only a child is in it. */
	pid_t pid = fork();
	if (pid == 0) {
		int rc = mountfd_new("proc", NULL, 0, MOUNTFD_SAFE, NULL);
		_exit(rc < 0 ? -rc : 0);
	}
	return pid < 0 ? errno : wait_for(pid);
}

static int probe_rbind_proc(const struct probe_place *place)
{
	int rc = mountfd_clone(AT_FDCWD, "/proc", MOUNTFD_RECURSIVE, NULL);
	return rc < 0 ? -rc : 0;
}

/* pivot_root(2) moves the root of every process of the mount namespace, and in a session that one is the user's. */
static int probe_pivot(const struct probe_place *place)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno;
	cleanup_close int tmpfs = mountfd_new("tmpfs", NULL, 0, MOUNTFD_SAFE, NULL);
	cleanup_close int target = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tmpfs < 0)
		return -tmpfs;
	if (target < 0 || mountfd_attach(tmpfs, target, NULL) < 0 || fchdir(tmpfs) < 0)
		return errno;
	return result_of(syscall(SYS_pivot_root, ".", "."));
}

static int probe_openat2(const struct probe_place *place)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

	return result_of(syscall(SYS_openat2, place->upper_dir, ".", &how, sizeof(how)));
}

static int probe_mount_setattr(const struct probe_place *place)
{
	struct mount_attr attr = {0};

	/* With nothing to set it does nothing, for anybody who may mount. */
	return result_of(mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof(attr)));
}

static int probe_filter(const struct probe_place *place)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	return result_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static int probe_listener(const struct probe_place *place)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	return result_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static int probe_ptrace(const struct probe_place *place)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid < 0)
		return errno;
	int code = result_of(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return code;
}

static int probe_landlock(const struct probe_place *place)
{
	return result_of(syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

#define LANDLOCK_ABI_SCOPES 6

static int probe_landlock_scope(const struct probe_place *place)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return errno;
	return abi >= LANDLOCK_ABI_SCOPES ? 0 : EOPNOTSUPP;
}

enum probe_id {
	PROBE_USERNS,
	PROBE_MANY_IDS,
	PROBE_NAMESPACES,
	PROBE_NET,
	PROBE_MOUNT,
	PROBE_OVERLAY,
	PROBE_PROC,
	PROBE_RBIND_PROC,
	PROBE_PIVOT,
	PROBE_MOUNT_SETATTR,
	PROBE_OPENAT2,
	PROBE_FILTER,
	PROBE_LISTENER,
	PROBE_PTRACE,
	PROBE_LANDLOCK,
	PROBE_LANDLOCK_SCOPE,
	PROBE_COUNT
};

static const struct {
	const char *name;
	bool inside; /* to be tried in a user namespace */
	int (*run)(const struct probe_place *place);
	const char *means;
} probes[PROBE_COUNT] = {
	[PROBE_USERNS] = {"user namespace", true, NULL, "no containers with namespaces"},
	[PROBE_MANY_IDS] = {"many ids", true, probe_many_ids,
			    "owners are recorded and shown instead of given, users of a step are not kept apart"},
	[PROBE_NAMESPACES] = {"pid, ipc, uts and cgroup namespaces", true, probe_namespaces,
			      "no containers with namespaces"},
	[PROBE_NET] = {"network namespace", true, probe_net, "no --network none or private"},
	[PROBE_MOUNT] = {"mount", true, probe_mount, "no containers with namespaces"},
	[PROBE_OVERLAY] = {"overlay", true, probe_overlay, "layers are copied instead of mounted"},
	[PROBE_PROC] = {"fresh /proc", true, probe_proc, "no pid namespace: a step sees the builder's processes"},
	[PROBE_RBIND_PROC] = {"shared /proc", true, probe_rbind_proc, "no /proc in a step"},
	[PROBE_PIVOT] = {"pivot_root", true, probe_pivot, "the root is moved instead"},
	[PROBE_MOUNT_SETATTR] = {"mount_setattr", true, probe_mount_setattr,
				 "mounts below a volume stay writable (Linux 5.12)"},
	[PROBE_OPENAT2] = {"openat2", false, probe_openat2, "paths of images are walked name by name, which is slower"},
	[PROBE_FILTER] = {"seccomp filter", false, probe_filter, "no system call filter in a step"},
	[PROBE_LISTENER] = {"seccomp listener", false, probe_listener, "no emulation of ids"},
	[PROBE_PTRACE] = {"ptrace", false, probe_ptrace, "no translated root"},
	[PROBE_LANDLOCK] = {"Landlock", false, probe_landlock, "no translated root"},
	[PROBE_LANDLOCK_SCOPE] = {"Landlock scopes", false, probe_landlock_scope,
				  "with --network host a step can reach the host's abstract sockets (Linux 6.12)"},
};
_Static_assert(PROBE_COUNT <= LADDER_PROBES_MAX, "the table of results is too small");

/* One process per probe: what it enters or takes on ends with it. */
static int run_probe(enum probe_id id, const struct probe_place *place)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(probes[id].run(place));
	return pid < 0 ? errno : wait_for(pid);
}

/* In a child: enters the namespace once, for newuidmap is most of the cost, and tries the rest in it. */
static void run_inside(const struct probe_place *place, int results)
{
	struct error *err = NULL;
	int codes[PROBE_COUNT] = {0};

	if (userns_enter(place->map, &err) < 0)
		codes[PROBE_USERNS] = error_code(err);
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (probes[i].inside && probes[i].run)
			codes[i] = codes[PROBE_USERNS] ? codes[PROBE_USERNS] : run_probe((enum probe_id)i, place);
	_exit(fd_write_all(results, codes, sizeof(codes), NULL) < 0);
}

static int find_inside(const struct probe_place *place, int codes[PROBE_COUNT], struct error **err)
{
	int results[2];

	if (pipe2(results, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	pid_t pid = fork();
	if (pid == 0)
		run_inside(place, results[1]);
	close(results[1]);
	cleanup_close int from = results[0];
	if (pid < 0)
		return error_set_errno(err, "start a process to try the kernel");
	ssize_t got = fd_read_full(from, codes, PROBE_COUNT * sizeof(codes[0]), err);
	if (wait_for(pid) != 0 || got != (ssize_t)(PROBE_COUNT * sizeof(codes[0])))
		return error_set(err, EIO, "the process that tries the kernel has died");
	return 0;
}

/* ---- What the results mean ---- */

static bool works(const struct ladder *ladder, enum probe_id id)
{
	return ladder->probes[id].code == 0;
}

static enum rung choose_rung(const struct ladder *ladder)
{
	bool namespaces = works(ladder, PROBE_USERNS) && works(ladder, PROBE_NAMESPACES) && works(ladder, PROBE_MOUNT);
	bool many = works(ladder, PROBE_MANY_IDS);

	if (namespaces && works(ladder, PROBE_PROC))
		return many ? RUNG_1 : RUNG_2;
	if (namespaces && works(ladder, PROBE_RBIND_PROC))
		return many ? RUNG_1P : RUNG_2P;
	if (works(ladder, PROBE_LISTENER) && works(ladder, PROBE_PTRACE) && works(ladder, PROBE_LANDLOCK))
		return owner_is_root() ? RUNG_3 : RUNG_4;
	return RUNG_NONE;
}

/* The namespace is had and only root, without CAP_SETFCAP, cannot be mapped into it (userns.c). */
static bool root_stands_in_the_way(const struct ladder *ladder)
{
	if (works(ladder, PROBE_USERNS) || geteuid() != 0 || owner_is_root())
		return false;
	pid_t pid = fork();
	if (pid == 0)
		_exit(result_of(unshare(CLONE_NEWUSER)));
	return pid > 0 && wait_for(pid) == 0;
}

static char *choose_remedy(const struct ladder *ladder, const struct idmap *map)
{
	switch (ladder->rung) {
	case RUNG_1:
		return NULL;
	case RUNG_2:
	case RUNG_2P:
		return mem_strdup(map->reason ? map->reason
					      : "give this user subordinate ids in /etc/subuid and "
						"/etc/subgid");
	case RUNG_1P:
		return mem_strdup("unmask /proc for this container (Kubernetes: procMount: Unmasked with hostUsers: "
				  "false; podman: --security-opt unmask=ALL)");
	default:
		break;
	}
	if (root_stands_in_the_way(ladder))
		return mem_strdup("run as a user other than root, who may map himself without CAP_SETFCAP (Kubernetes: "
				  "runAsUser: 1000)");
	/* A filter is around us, as around every container: it is asked before any sysctl is. */
	if (ladder->probes[PROBE_USERNS].code == EPERM && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER)
		return mem_strdup("the container's seccomp profile forbids user namespaces: give it cooper's "
				  "(contrib/seccomp/cooper.json; Kubernetes: seccompProfile of the type Localhost, "
				  "docs/kubernetes.md)");
	if (userns_is_restricted_by_apparmor())
		return mem_strdup("install cooper's AppArmor profile (make install), or run as root: sysctl -w "
				  "kernel.apparmor_restrict_unprivileged_userns=0 (docs/rootless.md)");
	return mem_strdup("allow user namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone; "
			  "in a container a seccomp profile that has "
			  "unshare, clone, mount and pivot_root");
}

int ladder_find(const struct idmap *map, int upper_dir, struct ladder *ladder, struct error **err)
{
	char self[FD_PROC_PATH_SIZE];
	cleanup_free char *path = realpath(fd_proc_path(upper_dir, self), NULL);
	const struct probe_place place = {.map = map, .upper_dir = upper_dir, .upper_path = path ? path : "."};
	struct ladder found = {.probe_count = PROBE_COUNT};
	int inside[PROBE_COUNT] = {0};
	int rc = find_inside(&place, inside, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		found.probes[i] = (struct ladder_probe){
			.name = probes[i].name,
			.code = probes[i].inside ? inside[i] : run_probe((enum probe_id)i, &place),
			.means = probes[i].means,
		};
	found.rung = choose_rung(&found);
	found.remedy = choose_remedy(&found, map);
	*ladder = found;
	return 0;
}

/*
 * The first process of a step, from the fork to the exec of its init: one walk, top to bottom. In: a plan and a channel
 * to the parent. Out: a process that cannot see or reach what is not the step's.
 *
 * What fails is told to the parent over the channel, with its text; this process prints nothing but warnings and leaves
 * by _exit().
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "run/channel.h"
#include "run/child_internal.h"
#include "run/fallback.h"
#include "run/ociruntime.h"
#include "run/supervisor.h"

/* Dies with the parent. Where the parent is dead already the channel shows it: our signal would never come. */
static int follow_parent(struct child *child, struct error **err)
{
	struct pollfd channel = {.fd = child->plan->channel, .events = 0};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return error_set_errno(err, "ask to end with the parent");
	if (poll(&channel, 1, 0) > 0 && channel.revents & (POLLHUP | POLLERR))
		_exit(125);
	return 0;
}

/* The layers are in the root that the parent has made. Hundreds of descriptors would be in the way of the limits. */
static int close_layers(struct child *child, struct error **err)
{
	for (size_t i = 0; i < child->spec->root.lower_count; i++)
		fd_close(child->spec->root.lowers[i]);
	return 0;
}

static int wait_for_maps(struct child *child, struct error **err)
{
	int rc = 0;

	if (child->plan->sealed) {
		/* /proc/PID/uid_map of what cannot be dumped belongs to the host's root: the parent could not write it.
		 * What we hold of its memory is out of reach for other steps all the same: their capabilities count in
		 * their own namespaces only (ptrace(2), "PTRACE_MODE_READ"). */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		rc = channel_send(child->plan->channel, CHANNEL_READY, 0, NULL, 0, -1);
	}
	return rc < 0 ? error_set(err, -rc, "say that we are ready")
		      : channel_expect(child->plan->channel, CHANNEL_GO, err);
}

static int make_late_cgroup(struct child *child, struct error **err)
{
	/* Its root is the cgroup that the parent has just put us into. */
	if (child->plan->namespaces & CHILD_LATE_CGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return error_set_errno(err, "make a cgroup namespace");
	return 0;
}

static int set_hostname(struct child *child, struct error **err)
{
	const char *usual = "cooper";
	const char *name = child->spec->hostname ? child->spec->hostname : usual;

	if (!(child->plan->namespaces & CHILD_OWN_UTS) || sethostname(name, strlen(name)) == 0)
		return 0;
	/* Nobody refuses it to root of a namespace but a filter around us: Podman's has it for CAP_SYS_ADMIN alone. */
	if (errno != EPERM || strcmp(name, usual) != 0)
		return error_set_errno(err, "set the host name '%s'", name);
	channel_send(child->plan->channel, CHANNEL_WARN, FALLBACK_HOSTNAME, NULL, 0, -1);
	return 0;
}

/* A new network namespace has its loopback interface down. Where a helper brings more, it comes after this. */
static int raise_loopback(struct child *child, struct error **err)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (!(child->plan->namespaces & CHILD_OWN_NET))
		return 0;
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_set_errno(err, "bring the loopback interface up");
	return 0;
}

static int find_user(struct child *child, struct error **err)
{
	return user_find(child->root, child->spec->user, &child->user, err);
}

static int send_stubs(struct child *child, struct error **err)
{
	int rc = stubs_send(&child->stubs, child->plan->channel, err);

	stubs_done(&child->stubs); /* the parent holds the descriptors now */
	return rc;
}

/* The root becomes "/", and the tree that we came from is laid over it and taken off, with everything that is mounted
 * in it (pivot_root(2), "pivot_root(".", ".")"): first the staging place, which lies over the old "/", then that. */
static int pivot(int root)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		return -errno;
	return 0;
}

/* Where pivot_root is filtered, or "/" is the initial ramdisk: the root is moved over "/". What it covers cannot be
 * reached by a path: ".." at a mount that lies over "/" stays there. */
static int move_over(int root)
{
	if (fchdir(root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return -errno;
	return 0;
}

/* The proof that nothing is left: above "/" there is only "/" itself. */
static int check_root(struct error **err)
{
	struct statx root;
	struct statx above;

	if (statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &root) < 0 ||
	    statx(AT_FDCWD, "/..", 0, STATX_INO | STATX_MNT_ID, &above) < 0)
		return error_set_errno(err, "look at the root");
	if (root.stx_ino != above.stx_ino || root.stx_mnt_id != above.stx_mnt_id)
		return error_set(err, EXDEV, "the host is still above the root");
	return 0;
}

static int enter_root(struct child *child, struct error **err)
{
	int rc = child->spec->no_pivot ? -EPERM : pivot(child->root);

	if (rc == -EPERM || rc == -EINVAL || rc == -ENOSYS) {
		if (!child->spec->no_pivot)
			channel_send(child->plan->channel, CHANNEL_WARN, FALLBACK_PIVOT, NULL, 0, -1);
		rc = move_over(child->root);
	}
	if (rc < 0)
		return error_set(err, -rc, "enter the root: %s", strerror(-rc));
	if (chdir("/") < 0)
		return error_set_errno(err, "enter the root");
	return check_root(err);
}

/* The directory is opened as root of the step (its user may be allowed into it, but not to all above it), in the root,
 * and not through /proc's magic links, which could lead outside (CVE-2024-21626). */
static int change_directory(struct child *child, struct error **err)
{
	const char *cwd = child->spec->cwd ? child->spec->cwd : "/";
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int dir = root < 0 ? -errno : rootpath_open(root, cwd, O_PATH | O_DIRECTORY, 0, NULL);
	cleanup_free char *text = mem_alloc(PATH_MAX);

	if (dir < 0)
		return error_set(err, -dir, "working directory '%s': %s", cwd, strerror(-dir));
	if (fchdir(dir) < 0)
		return error_set_errno(err, "working directory '%s' for user %u", cwd, child->user.uid);
	/* The kernel's own view, as the last word: "(unreachable)/..." is outside. */
	if (syscall(SYS_getcwd, text, PATH_MAX) < 0 || text[0] != '/')
		return error_set(err, ENOENT, "working directory '%s' is outside of the root", cwd);
	return 0;
}

static int wait_for_network(struct child *child, struct error **err)
{
	if (child->spec->network != RUN_NETWORK_PRIVATE)
		return 0;
	return channel_expect(child->plan->channel, CHANNEL_NETWORK_UP, err);
}

/* The three standard descriptors are first copied out of the way: they may be each other's sources. */
static int set_standard_fds(struct child *child, struct error **err)
{
	const int *standard = child->plan->standard;
	int wanted[3] = {standard[0], standard[1], standard[2]};
	cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++) {
		if (child->terminal >= 0)
			wanted[i] = child->terminal;
		int copy = fcntl(wanted[i] < 0 ? null : wanted[i], F_DUPFD_CLOEXEC, INIT_CHANNEL + 1);
		/* A caller without one of them has nothing to lose. */
		if (copy < 0)
			copy = fcntl(null, F_DUPFD_CLOEXEC, INIT_CHANNEL + 1);
		if (copy < 0)
			return error_set_errno(err, "open '/dev/null'");
		wanted[i] = copy;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(wanted[i], i) < 0)
			return error_set_errno(err, "set descriptor %d", i);
	return 0;
}

typedef int step_of_walk(struct child *child, struct error **err);

/* The walk. Each step says why it stands where it stands. */
static step_of_walk *const walk[] = {
	/* Before anything can be left behind. */
	follow_parent,
	close_layers,
	/* Until the maps are written we are nobody: every file would look foreign. */
	wait_for_maps,
	/* Needs the cgroup that the parent has chosen, and comes before /sys shows it. */
	make_late_cgroup,
	set_hostname,
	raise_loopback,
	/* The image first, because its files say who the user is, and the user owns terminal and volumes. */
	mounts_make_root,
	find_user,
	/* From outside: the devices and directories of the host are still there to be bound. */
	mounts_fill_root,
	/* All places are made: the parent hears what it has to remove. After pivot_root it would still work, but a
	 * failure there must not leave them. */
	send_stubs,
	/* Written to /proc while it is known by descriptor; taken up at exec. */
	confine_label,
	/* From here on no path leads outside. */
	enter_root,
	/* As root, who may set them. That on descriptors comes last of all (become_init()). */
	confine_limits,
	/* A keyring belongs to its maker; it is made by root and inherited. */
	confine_keyring,
	/* The last look at files of the image as root was above. */
	confine_identity,
	/* Both want CAP_SYS_ADMIN in this namespace, or no_new_privs, which would disarm su and sudo in the step. */
	confine_landlock,
	confine_filter,
	/* Nothing after this needs any. */
	confine_capabilities,
	/* Changing ids has cleared it (prctl(2), PR_SET_PDEATHSIG). */
	follow_parent,
	/* As the user, in the finished root. */
	change_directory,
	/* The helper has had all this time; the command must not start without its network. */
	wait_for_network,
	/* Last, so that warnings above go to cooper's own stderr. */
	set_standard_fds,
};

/* The walk to an OCI runtime: what it would do itself is left out. */
static step_of_walk *const runtime_walk[] = {
	follow_parent,
	close_layers,
	wait_for_maps,
	/* Its root is what the runtime finds as the root of cgroups. */
	make_late_cgroup,
	raise_loopback,
	mounts_make_root,
	find_user,
	oci_make_bundle,
	confine_check_labels,
	send_stubs,
	/* Both are inherited by all that the runtime starts. */
	confine_keyring,
	confine_landlock,
	wait_for_network,
	set_standard_fds,
};

/* The walk into a translated root. Everything stays the host's, and out of reach. */
static step_of_walk *const translated_walk[] = {
	follow_parent,
	/* The parent traces us from here on. */
	wait_for_maps,
	translated_root,
	find_user,
	translated_places,
	send_stubs,
	translated_directory,
	translated_terminal,
	confine_limits,
	confine_keyring,
	/* Whom the step believes to be. */
	confine_identity,
	/* Opens /dev/null. */
	set_standard_fds,
	confine_capabilities,
	/* From here on nothing can be opened. */
	translated_confine,
};

/* Dispositions and masks are inherited by exec; a step starts with none of ours. The mask stays: the init wants all
 * signals blocked, and clears it for the command. */
static void reset_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
}

void child_environment(const struct child *child, struct strlist *env)
{
	if (child->spec->env)
		strlist_append_all(env, child->spec->env);
	if (!strlist_env_get(env, "HOME"))
		strlist_env_set(env, "HOME", child->user.home);
}

/* What the init is to start. */
static void make_command(const struct child *child, struct strlist *argv, struct strlist *env)
{
	const struct run_spec *spec = child->spec;

	if (!child->plan->runtime) {
		strlist_append_all(argv, spec->argv);
		child_environment(child, env);
		return;
	}
	ociruntime_arguments(child->plan->runtime, spec->runtime_flags, spec->runtime_dir, spec->no_pivot, argv);
	/* The runtime's is ours; the command's stands in the bundle. */
	for (char **variable = environ; *variable; variable++)
		strlist_append(env, *variable);
}

static int become_init(struct child *child, struct error **err)
{
	const char flags[] = {child->terminal >= 0 ? INIT_FLAG_TERMINAL : INIT_FLAG_NONE, '\0'};
	cleanup(strlist_done) struct strlist argv = {0};
	cleanup(strlist_done) struct strlist env = {0};
	cleanup_close int init = fcntl(child->plan->init, F_DUPFD_CLOEXEC, INIT_CHANNEL + 1);
	cleanup_close int listener =
		child->listener < 0 ? -1 : fcntl(child->listener, F_DUPFD_CLOEXEC, INIT_CHANNEL + 1);

	strlist_append(&argv, "cooper-init");
	strlist_append(&argv, flags);
	make_command(child, &argv, &env);
	umask(child->spec->umask ? child->spec->umask : 022);
	/* Away from the caller's terminal and process group (CVE-2017-5226). */
	setsid();
	reset_signals();
	if (init < 0)
		return error_set_errno(err, "keep the init open");
	if (child->plan->channel != INIT_CHANNEL && dup2(child->plan->channel, INIT_CHANNEL) < 0)
		return error_set_errno(err, "hand on the channel");
	fcntl(INIT_CHANNEL, F_SETFD, 0);
	/* All else ends at exec, also what a library has opened behind our back. Where the call is unknown (a filter
	 * around us) every descriptor of ours is O_CLOEXEC anyway. */
	close_range(INIT_CHANNEL + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (child->plan->translation && translated_finish(child, err) < 0)
		return -EIO;
	int limited = child->plan->runtime ? 0 : confine_files(child, err);
	if (limited < 0)
		return limited;
	if (child->plan->translation) {
		/* Now: what comes after it is the step's, but for our own exec. */
		listener = supervisor_install(child->plan->supervisor, err);
		if (listener < 0)
			return listener;
	}
	/* Without it no call of the step's would be answered: it is not started. Nor would ours while we hold it; behind
	 * that they fail, and the parent ends us when it has heard why (step_watch.c). */
	int sent = channel_send(INIT_CHANNEL, CHANNEL_START, 0, NULL, 0, listener);
	if (sent < 0) {
		close(listener);
		return error_set(err, -sent, "hand the listener over: %s", strerror(-sent));
	}
	syscall(SYS_execveat, init, "", strlist_argv(&argv), strlist_argv(&env), AT_EMPTY_PATH);
	int rc = error_set_errno(err, "start the step's init");
	fcntl(INIT_CHANNEL, F_SETFD, FD_CLOEXEC);
	return rc;
}

void child_main(const struct child_plan *plan)
{
	struct child child = {.plan = plan,
			      .spec = plan->spec,
			      .staging = -1,
			      .root = -1,
			      .record = -1,
			      .empty = -1,
			      .null = -1,
			      .proc = -1,
			      .listener = -1,
			      .terminal = -1};
	struct error *err = NULL;
	int rc = 0;

	umask(0); /* modes of what is made are meant exactly */
	step_of_walk *const *steps = plan->translation ? translated_walk : plan->runtime ? runtime_walk : walk;
	size_t count = plan->translation ? ARRAY_COUNT(translated_walk)
		       : plan->runtime	 ? ARRAY_COUNT(runtime_walk)
					 : ARRAY_COUNT(walk);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = steps[i](&child, &err);
	if (rc == 0)
		rc = become_init(&child, &err);
	/* Only failures come here. The parent hears what was made before, then why. */
	stubs_send(&child.stubs, plan->channel, NULL);
	if (child.proc_is_refused)
		channel_send(plan->channel, CHANNEL_NO_PROC, 0, NULL, 0, -1);
	else
		channel_send(plan->channel, CHANNEL_FAIL, -rc, error_message(err), strlen(error_message(err)), -1);
	_exit(125);
}

/*
 * Enters the user namespace in which everything with layers happens. In: an id map and a process with one thread. Out:
 * the same process, root among its ids, with a mount namespace of its own.
 *
 * The map of a new namespace is written by somebody who stands outside: a child that was forked before. For
 * subordinate ids it becomes newuidmap or newgidmap (one child each, so that they start while the other does), which
 * would not gain privileges from inside: root of the host, whose set-user-ID bit or capabilities they have, is no id
 * of the new namespace (user_namespaces(7)).
 */
#include "run/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/strlist.h"
#include "run/idmap_internal.h"

#define MARK "_COOPER_USERNS"
#define HELPER_OUTPUT_MAX ((size_t)4096)

/* The namespace's inode number: unlike a plain flag it cannot be inherited by a process in another namespace. */
static char *namespace_mark(void)
{
	struct stat st;

	if (stat("/proc/self/ns/user", &st) < 0)
		return mem_strdup("unknown");
	return mem_printf("%llu", (unsigned long long)st.st_ino);
}

bool userns_is_inside(void)
{
	const char *claimed = getenv(MARK);

	if (!claimed)
		return false;
	cleanup_free char *mark = namespace_mark();
	return strcmp(claimed, mark) == 0;
}

void userns_seal(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool sysctl_is(const char *path, const char *value)
{
	cleanup(buf_done) struct buf text = BUF_INIT(64);

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return false;
	return strncmp(buf_str(&text), value, strlen(value)) == 0 && buf_str(&text)[strlen(value)] == '\n';
}

/* Ubuntu's AppArmor lets the namespace be made and then denies what a root of it does. */
bool userns_is_restricted_by_apparmor(void)
{
	return sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1");
}

/* Adds what would allow a user namespace here to an error that says that it was refused. */
static int explain_refusal(struct error **err)
{
	if (sysctl_is("/proc/sys/user/max_user_namespaces", "0"))
		return error_hint(err, "user.max_user_namespaces is 0; run as root: sysctl -w "
				       "user.max_user_namespaces=28633");
	if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return error_hint(err, "run as root: sysctl -w kernel.unprivileged_userns_clone=1");
	if (userns_is_restricted_by_apparmor())
		return error_hint(err, "AppArmor allows user namespaces only to programs with a profile; install "
				       "cooper's with make install, or run as root: sysctl -w "
				       "kernel.apparmor_restrict_unprivileged_userns=0");
	if (error_code(*err) == ENOSPC || error_code(*err) == EUSERS)
		return error_hint(err, "the limit user.max_user_namespaces or the nesting depth is reached");
	return error_hint(err, "in a container its seccomp profile forbids user namespaces; see docs/rootless.md");
}

/* What becomes newuidmap or newgidmap. */
struct helper {
	int start[2], output;
	struct strlist argv;
};
#define HELPER_STACK_SIZE ((size_t)64 << 10) /* execvp(3) puts a path on it */

/* One process that writes maps for us from outside, waiting for its start signal. */
struct map_writer {
	pid_t pid;
	const char *name;
	int output;	      /* its stderr, so that its complaint becomes part of our error */
	struct helper helper; /* of one that has a program, with its stack: its own until it executes or ends */
	void *stack;
};

/* In the child: true when the parent says that its namespace exists; false when it has died or given up. */
static bool wait_for_start(int start)
{
	char byte;
	ssize_t got;

	do
		got = read(start, &byte, 1);
	while (got < 0 && errno == EINTR);
	return got == 1;
}

static void write_own_maps(pid_t target, const struct idmap *map)
{
	cleanup_free char *uids = idmap_lines(&map->uids);
	cleanup_free char *gids = idmap_lines(&map->gids);
	cleanup_free char *uid_path = mem_printf("/proc/%d/uid_map", target);
	cleanup_free char *gid_path = mem_printf("/proc/%d/gid_map", target);
	cleanup_close int uid_fd = open(uid_path, O_WRONLY | O_CLOEXEC);
	cleanup_close int gid_fd = open(gid_path, O_WRONLY | O_CLOEXEC);

	/* A map is taken in one write or not at all. */
	if (gid_fd < 0 || write(gid_fd, gids, strlen(gids)) < 0 || uid_fd < 0 ||
	    write(uid_fd, uids, strlen(uids)) < 0) {
		dprintf(STDERR_FILENO, "write the id maps: %s", strerror(errno));
		_exit(1);
	}
	_exit(0);
}

static void add_helper_args(struct strlist *argv, const char *helper, pid_t target, const struct id_extents *extents)
{
	strlist_append(argv, helper);
	strlist_printf(argv, "%d", target);
	for (size_t i = 0; i < extents->count; i++) {
		strlist_printf(argv, "%u", extents->items[i].inside);
		strlist_printf(argv, "%u", extents->items[i].outside);
		strlist_printf(argv, "%u", extents->items[i].count);
	}
}

/* In a child that shares our memory, not our descriptors: it writes to nothing but its stack. */
static int be_helper(void *context)
{
	const struct helper *helper = context;

	close(helper->start[1]); /* or we would never see the parent give up */
	dup2(helper->output, STDERR_FILENO);
	if (!wait_for_start(helper->start[0]))
		_exit(1);
	execvp(helper->argv.items[0], helper->argv.items);
	dprintf(STDERR_FILENO, "%s", strerror(errno));
	_exit(127);
}

/* A helper shares our memory until it executes: to copy it, twice, costs a tenth of the whole way into the namespace.
 * Direct maps are written by a copy of us; `program` is NULL for them. */
static int start_writer(const int start[2], const char *program, const struct idmap *map,
			const struct id_extents *extents, struct map_writer *writer, struct error **err)
{
	int output[2];
	pid_t us = getpid();

	if (pipe2(output, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	*writer = (struct map_writer){.name = program ? program : "the id map", .output = output[0]};
	if (program) {
		struct helper *helper = &writer->helper;
		*helper = (struct helper){.start = {start[0], start[1]}, .output = output[1]};
		add_helper_args(&helper->argv, program, us, extents);
		writer->stack = mem_grow(NULL, HELPER_STACK_SIZE, 1);
		writer->pid = clone(be_helper, (char *)writer->stack + HELPER_STACK_SIZE, CLONE_VM | SIGCHLD, helper);
	} else {
		writer->pid = fork();
		if (writer->pid == 0) {
			close(start[1]);
			if (!wait_for_start(start[0]))
				_exit(1);
			dup2(output[1], STDERR_FILENO);
			write_own_maps(us, map);
		}
	}
	close(output[1]);
	return writer->pid < 0 ? error_set_errno(err, "start a process") : 0;
}

static int finish_writer(struct map_writer *writer, struct error **err)
{
	cleanup_close int output = take_fd(&writer->output);
	cleanup(buf_done) struct buf text = BUF_INIT(HELPER_OUTPUT_MAX);
	int status = 0;

	fd_read_all(output, &text, NULL); /* what is cut off is only more complaint */
	int rc = process_wait(writer->pid, &status, err);
	writer->pid = 0;
	if (rc < 0)
		return error_prefix(err, "%s", writer->name);
	if (status == 0)
		return 0;
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	return error_set(err, EPERM, "%s failed with status %d: %s", writer->name, status, buf_str(&text));
}

/* Writes one of our own files of /proc. */
static int write_own(const char *path, const char *text, struct error **err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_set_errno(err, "write '%s'", path);
	return 0;
}

/* A single id needs nobody outside, but then setgroups(2) must be given up first (user_namespaces(7)). */
static int write_single_maps(const struct idmap *map, struct error **err)
{
	cleanup_free char *uids = idmap_lines(&map->uids);
	cleanup_free char *gids = idmap_lines(&map->gids);
	int rc = write_own("/proc/self/setgroups", "deny", err);

	if (rc == 0)
		rc = write_own("/proc/self/gid_map", gids, err);
	if (rc == 0)
		rc = write_own("/proc/self/uid_map", uids, err);
	/* verify_root_map(), Linux 5.12: files of the outer root could be given capabilities from inside. */
	if (rc == -EPERM && map->uids.items[0].outside == 0)
		return error_hint(err, "root may map itself with CAP_SETFCAP only; run as another user (Kubernetes: "
				       "runAsUser: 1000)");
	return rc;
}

static int leave_namespaces(struct error **err)
{
	/* Both at once: the user namespace is made first and owns the mount namespace, whose mounts the kernel makes
	 * slaves of the host's (mount_namespaces(7), "Restrictions"). */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0)
		return 0;
	int rc = error_set_errno(err, "make a user namespace");
	if (err && !userns_is_restricted_by_apparmor()) /* that is said once, for all of userns_enter() */
		explain_refusal(err);
	return rc;
}

static void end_writer(struct map_writer *writer)
{
	fd_close(writer->output);
	if (writer->pid > 0)
		waitpid(writer->pid, NULL, 0);
	free(writer->stack);
	strlist_done(&writer->helper.argv);
}

static int unshare_with_writers(const struct idmap *map, struct error **err)
{
	struct map_writer writers[2] = {{.output = -1}, {.output = -1}};
	size_t count = map->kind == IDMAP_DIRECT ? 1 : 2;
	int start[2];
	int rc = 0;

	if (pipe2(start, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	if (map->kind == IDMAP_DIRECT) {
		rc = start_writer(start, /* helper */ NULL, map, NULL, &writers[0], err);
	} else {
		rc = start_writer(start, "newuidmap", map, &map->uids, &writers[0], err);
		if (rc == 0)
			rc = start_writer(start, "newgidmap", map, &map->gids, &writers[1], err);
	}
	if (rc == 0)
		rc = leave_namespaces(err);
	/* Closing without a byte sends the writers home. */
	if (rc == 0 && write(start[1], "xx", count) < 0)
		rc = error_set_errno(err, "start the id map helpers");
	close(start[0]);
	close(start[1]);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = finish_writer(&writers[i], err);
	for (size_t i = 0; i < count; i++)
		end_writer(&writers[i]);
	return rc;
}

/* Our ids are still what they were outside; become root of the new namespace. The supplementary groups stay, unmapped
 * but with their rights: what the user may read by a group can still be copied into a container. A step gets those of
 * its image instead (confine.c). */
static int become_root(struct error **err)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set_errno(err, "become root of the user namespace");
	return 0;
}

/* AppArmor lets the namespace be made and denies its root every capability: asked for one by a call that changes nothing.
 * Another reason to refuse that call (a filter around us) is none to stop here. */
static int try_capability(struct error **err)
{
	if (chroot("/") == 0)
		return 0;
	int code = errno;
	if ((code != EPERM && code != EACCES) || !userns_is_restricted_by_apparmor())
		return 0;
	errno = code;
	return error_set_errno(err, "act as root of the user namespace");
}

static void leave_mark(uid_t uid)
{
	cleanup_free char *mark = namespace_mark();
	cleanup_free char *number = mem_printf("%u", uid);

	setenv(MARK, mark, 1);
	/* What Buildah, Podman and Skopeo look at before they would make a namespace of their own. */
	setenv("_CONTAINERS_USERNS_CONFIGURED", "1", 1);
	setenv("_CONTAINERS_ROOTLESS_UID", number, 1);
}

static int enter(const struct idmap *map, struct error **err)
{
	int rc;

	if (map->kind == IDMAP_SINGLE) {
		rc = leave_namespaces(err);
		if (rc == 0)
			rc = write_single_maps(map, err);
	} else {
		rc = unshare_with_writers(map, err);
	}
	if (rc == 0)
		rc = become_root(err);
	return rc < 0 ? rc : try_capability(err);
}

int userns_enter(const struct idmap *map, struct error **err)
{
	uid_t uid = geteuid();

	if (userns_is_inside())
		return 0;
	int rc = enter(map, err);
	if (rc < 0) {
		if (err && (rc == -EPERM || rc == -EACCES) && userns_is_restricted_by_apparmor())
			explain_refusal(err);
		return rc;
	}
	leave_mark(uid);
	log_debug("in a user namespace with %zu ranges of users and %zu of groups", map->uids.count, map->gids.count);
	return 0;
}

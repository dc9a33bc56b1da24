/*
 * The life of a translated root, and the table of every call that a step may make in it.
 */
#include "run/translate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "run/landlock.h"
#include "run/loader/protocol.h"
#include "run/loader_image.h"
#include "run/translate_calls.h"
#include "run/translate_internal.h"

/* ---- What can be had here ---- */

static int check_kernel(struct error **err)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	/* WAIT_KILLABLE_RECV; without it a call that a signal interrupts is carried out twice. */
	if (uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 && major * 1000 + minor < 5019)
		return error_set(err, ENOTSUP, "a root without namespaces needs Linux 5.19, this is %s", name.release);
	return 0;
}

int translation_check(struct error **err)
{
#if !defined(__x86_64__)
	return error_set(err, ENOTSUP, "a root without namespaces is not there for this architecture, only for x86-64");
#endif
	return check_kernel(err);
}

static int refuse(const char *what, struct error **err)
{
	return error_set(err, ENOTSUP, "%s cannot be had in a root without namespaces (see 'cooper info')", what);
}

static bool has_any(const struct strlist *list)
{
	return list && list->count > 0;
}

int translation_check_wishes(const struct run_spec *spec, struct error **err)
{
	if (spec->runtime)
		return refuse("an OCI runtime", err);
	if (spec->network == RUN_NETWORK_PRIVATE)
		return refuse("--network private", err);
	if (spec->device_count > 0)
		return refuse("--device", err);
	if (spec->cgroup.is_set)
		return refuse("a limit of memory, processors or processes", err);
	if (has_any(spec->sysctls))
		return refuse("a sysctl", err);
	if (spec->share & RUN_SHARE_PID)
		return refuse("--pid host", err);
	if (has_any(spec->mask) || has_any(spec->unmask))
		return refuse("--security-opt mask and unmask", err);
	if (spec->apparmor_profile)
		return refuse("an AppArmor profile of the step's own", err);
	if (spec->selinux_label)
		return refuse("an SELinux label of the step's own", err);
	if (spec->allow_nested_userns)
		return refuse("security=nested", err);
	for (size_t i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].type == RUN_MOUNT_OVERLAY && spec->mounts[i].upper >= 0)
			return error_set(err, ENOTSUP,
					 "mount on '%s': an overlay whose changes are kept cannot be had in a root "
					 "without namespaces (see 'cooper info')",
					 spec->mounts[i].target);
	return 0;
}

static int check_root(const struct run_root *root, struct error **err)
{
	if (root->mounted < 0 && (root->upper < 0 || root->lower_count > 0))
		return error_set(err, EINVAL, "the root of a step without namespaces is not one tree");
	if (root->scratch < 0)
		return error_set(err, EINVAL, "the step has no place for what is made for it alone");
	return 0;
}

/* There is no memory file system, and so none that is full. */
static void warn_of_sizes(const struct run_spec *spec)
{
	if (spec->shm_size)
		log_warn("--shm-size has no effect in a root without namespaces: /dev/shm is a directory, as large as "
			 "its disk");
	for (size_t i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].type == RUN_MOUNT_TMPFS && spec->mounts[i].size)
			log_warn("the size of '%s' has no effect in a root without namespaces: it is a directory, as "
				 "large as "
				 "its disk",
				 spec->mounts[i].target);
}

/* ---- Life ---- */

static int make_scratch(struct translation *t, struct error **err)
{
	t->scratch_name = mem_printf("translated-%d", getpid());
	t->scratch_parent = fcntl(t->spec->root.scratch, F_DUPFD_CLOEXEC, 0);
	int rc = t->scratch_parent < 0 ? -errno : tree_remove(t->scratch_parent, t->scratch_name, err);
	if (rc < 0)
		return rc;
	if (mkdirat(t->scratch_parent, t->scratch_name, 0700) < 0)
		return error_set_errno(err, "make a directory for the step");
	t->scratch = fd_open_dir(t->scratch_parent, t->scratch_name, err);
	return t->scratch < 0 ? t->scratch : 0;
}

int translation_new(const struct run_spec *spec, struct translation **translation, struct error **err)
{
	const struct emulation_options options = {.scope = EMULATE_IDS, .owners = spec->owners, .upper = -1};
	int rc = translation_check(err);

	if (rc == 0)
		rc = check_root(&spec->root, err);
	if (rc == 0)
		rc = translation_check_wishes(spec, err);
	if (rc < 0)
		return rc;
	warn_of_sizes(spec);
	cleanup(translation_free) struct translation *t = mem_alloc(sizeof(*t));
	t->spec = spec;
	t->scratch = t->scratch_parent = t->loader = -1;
	t->self = getpid();
	t->own_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	t->uid = geteuid();
	t->gid = getegid();
	t->has_signal_scope = landlock_has_scopes();
	buf_init(&t->cwd, (size_t)2 * PATH_MAX);
	emulation_init(&t->emulation, &options);
	t->emulation.shares_pids = t->emulation.is_told_of_all = true;
	trace_new(t);
	rc = make_scratch(t, err);
	if (rc == 0)
		rc = view_open(t, err);
	if (rc == 0)
		rc = t->loader = loader_image_open(err);
	if (rc < 0)
		return rc;
	*translation = take_ptr(&t);
	return 0;
}

void translation_free(struct translation *t)
{
	if (!t)
		return;
	translation_end(t);
	trace(RUN, "%llu calls answered, %llu stops, %llu programs",
	      (unsigned long long)t->emulation.supervisor.answered, (unsigned long long)t->stops,
	      (unsigned long long)t->execs);
	trace_free(t);
	private_free(t);
	free(t->plain);
	places_free(t);
	free(t->proc_list);
	names_free(t);
	ipc_free(t);
	emulation_done(&t->emulation);
	view_close(t);
	fd_close(t->loader);
	fd_close(t->own_fds);
	fd_close(t->scratch);
	if (t->scratch_parent >= 0)
		tree_remove(t->scratch_parent, t->scratch_name, NULL);
	fd_close(t->scratch_parent);
	free(t->scratch_name);
	free(t->scratch_path);
	buf_done(&t->cwd);
	free(t);
}

int translation_root(const struct translation *t)
{
	return t->mounts[0].fd;
}

int translation_loader(const struct translation *t)
{
	return t->loader;
}

struct supervisor *translation_supervisor(struct translation *t)
{
	return &t->emulation.supervisor;
}

int translation_set_directory(struct translation *t, const char *dir, struct error **err)
{
	cleanup_free char *where = NULL;

	buf_clear(&t->cwd);
	if (!dir || strcmp(dir, "/") == 0)
		return 0;
	cleanup_close int fd = rootpath_open(translation_root(t), dir, O_PATH | O_DIRECTORY, 0, NULL);
	if (fd == -ENOENT)
		fd = rootpath_mkdirs(translation_root(t), dir, /* 0755, root */ NULL, err);
	else if (fd < 0)
		error_set(err, -fd, "%s", strerror(-fd));
	int rc = fd < 0 ? fd : rootpath_resolve(translation_root(t), dir, &where, err);
	if (rc < 0)
		return error_prefix(err, "working directory '%s'", dir);
	buf_append_str(&t->cwd, strcmp(where, "/") == 0 ? "" : where);
	return 0;
}

int translation_start(struct translation *t, int listener, struct credentials *credentials, struct error **err)
{
	cleanup_close int fd = listener;
	cleanup(credentials_free) struct credentials *initial = credentials;
	struct emulation *e = &t->emulation;
	struct statx st;
	int rc = supervisor_init(&e->supervisor, translation_table(), t, err);

	if (rc < 0)
		return rc;
	initial->no_new_privs = t->spec->no_new_privs;
	e->tasks = tasks_new(t->first, initial);
	e->first = t->first;
	if (statx(translation_root(t), "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0)
		e->root_mount = st.stx_mnt_id;
	struct task *task = tasks_find(e->tasks, t->first);
	int cwd = task ? view_open_canonical(t, buf_str(&t->cwd), 0) : -ESRCH;
	if (cwd < 0)
		return error_set(err, -cwd, "working directory: %s", strerror(-cwd));
	task->fs = task_fs_new(cwd, /* root */ -1, t->spec->umask ? t->spec->umask : 022);
	e->supervisor.stays = true;
	supervisor_take(&e->supervisor, take_fd(&fd));
	supervisor_arm(&e->supervisor);
	trace_release(t);
	return 0;
}

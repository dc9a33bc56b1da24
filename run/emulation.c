/*
 * The life of the root emulation, and the table of what it answers.
 */
#include "run/emulation.h"

#include <errno.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/emul_compat.h"
#include "run/emul_internal.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#else
#error "name this architecture as audit does"
#endif

/* Newer than the headers of Debian 12; one number everywhere. */
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define DEVICES                                                                    \
	{                                                                          \
		.arg = 1, .mask = S_IFMT, .values = {S_IFCHR, S_IFBLK}, .count = 2 \
	}
#define DEVICES_AT                                                                 \
	{                                                                          \
		.arg = 2, .mask = S_IFMT, .values = {S_IFCHR, S_IFBLK}, .count = 2 \
	}
#define MAKES(n)                                      \
	{                                             \
		.arg = (n), .mask = EMUL_MAKING_FLAGS \
	}
#define LINKS_DESCRIPTOR                        \
	{                                       \
		.arg = 4, .mask = AT_EMPTY_PATH \
	}
#define OWN_PRCTL                                                                                    \
	{                                                                                            \
		.mask = UINT32_MAX, .values = {EMUL_PRCTL_OPTIONS}, .count = EMUL_PRCTL_OPTION_COUNT \
	}

#define TRAP(name, function)                                               \
	{                                                                  \
		.arch = NATIVE, .number = SYS_##name, .handle = (function) \
	}
/* The handlers that may be called inside of the step's root (emul_inside.c). */
#define TRAP_ANYWHERE(name, function)                                                            \
	{                                                                                        \
		.arch = NATIVE, .number = SYS_##name, .handle = (function), .is_anywhere = true, \
	}
#define TRAP_WHEN(name, function, condition)                                                  \
	{                                                                                     \
		.arch = NATIVE, .number = SYS_##name, .handle = (function), .when = condition \
	}
#define TRAP_OTHER(name, function)                                                                                  \
	{                                                                                                           \
		.arch = NATIVE, .number = SYS_##name, .handle = (function), .when = {.arg = 0, .mask = UINT32_MAX}, \
	}
#define REFUSE(name)                                 \
	{                                            \
		.arch = NATIVE, .number = SYS_##name \
	}

static const struct trap_entry id_entries[] = {
#ifdef SYS_chown
	TRAP(chown, emul_chown),
	TRAP(lchown, emul_lchown),
#endif
	TRAP(fchown, emul_fchown),
#ifdef SYS_stat
	TRAP_ANYWHERE(stat, emul_stat_call),
	TRAP_ANYWHERE(lstat, emul_lstat),
#endif
	TRAP_ANYWHERE(fstat, emul_fstat),
	TRAP_ANYWHERE(newfstatat, emul_fstatat),
	TRAP_ANYWHERE(statx, emul_statx),
	TRAP(getuid, emul_getuid),
	TRAP(geteuid, emul_geteuid),
	TRAP(getgid, emul_getgid),
	TRAP(getegid, emul_getegid),
	TRAP(getresuid, emul_getresuid),
	TRAP(getresgid, emul_getresgid),
	TRAP(getgroups, emul_getgroups),
	TRAP(setuid, emul_setuid),
	TRAP(setgid, emul_setgid),
	TRAP(setreuid, emul_setreuid),
	TRAP(setregid, emul_setregid),
	TRAP(setresuid, emul_setresuid),
	TRAP(setresgid, emul_setresgid),
	TRAP(setfsuid, emul_setfsuid),
	TRAP(setfsgid, emul_setfsgid),
	TRAP(setgroups, emul_setgroups),
	TRAP_WHEN(prctl, emul_prctl, OWN_PRCTL),
#ifdef SYS_mknod
	TRAP(mknod, emul_mknod),
#endif
#ifdef SYS_open
	TRAP_WHEN(open, emul_open_call, MAKES(1)),
	TRAP(creat, emul_creat),
	TRAP(mkdir, emul_mkdir),
	TRAP(symlink, emul_symlink),
#endif
	TRAP_WHEN(openat, emul_openat, MAKES(2)),
	/* Programs fall back to those above. */
	REFUSE(setxattrat),
	REFUSE(getxattrat),
	REFUSE(listxattrat),
	REFUSE(removexattrat),
	EMUL_CALLS_OF_EVERY_ABI,
	EMUL_CALLS_ABOUT_OTHERS,
	/* Calls that no filter sees. */
	REFUSE(io_uring_setup),
};

static const struct trap_entry node_entries[] = {
#ifdef SYS_mknod
	TRAP_WHEN(mknod, emul_record_mknod, DEVICES),
#endif
	TRAP_WHEN(mknodat, emul_record_mknodat, DEVICES_AT),
	EMUL_CALLS_ABOUT_OTHERS,
};

static const struct trap_entry move_entries[] = {
#ifdef SYS_rename
	TRAP(rename, emul_move),      TRAP(link, emul_link),	     TRAP(chmod, emul_chmod),
	TRAP(utime, emul_change),     TRAP(utimes, emul_change),     TRAP(futimesat, emul_changeat),
#endif
#ifdef SYS_renameat
	TRAP(renameat, emul_moveat),
#endif
	TRAP(renameat2, emul_moveat), TRAP(linkat, emul_linkat),     TRAP(utimensat, emul_utimensat),
	TRAP(fchmod, emul_fchmod),    TRAP(fchmodat, emul_fchmodat), TRAP(fchmodat2, emul_fchmodat2),
};

/* Where nothing has to be followed, only a descriptor that gets a name. */
static const struct trap_entry link_entries[] = {
	TRAP_WHEN(linkat, emul_linkat, LINKS_DESCRIPTOR),
};

static const struct trap_table links = {
	.entries = link_entries, .count = ARRAY_COUNT(link_entries), .also = EMUL_COMPAT_TABLE};

static const struct trap_table moves = {
	.entries = move_entries, .count = ARRAY_COUNT(move_entries), .also = EMUL_COMPAT_TABLE};

static const struct trap_table tables[] = {
	[EMULATE_NODES] = {.entries = node_entries,
			   .count = ARRAY_COUNT(node_entries),
			   .also = EMUL_COMPAT_OTHERS,
			   .others_pass = true},
	[EMULATE_IDS_AND_MOVES] = {.entries = id_entries, .count = ARRAY_COUNT(id_entries), .also = &moves},
	[EMULATE_IDS] = {.entries = id_entries, .count = ARRAY_COUNT(id_entries), .also = &links},
};

const struct trap_table *emulation_table(enum emulation_scope scope)
{
	return &tables[scope];
}

/* ---- Life ---- */

struct emulation *emulation_new(const struct emulation_options *options)
{
	struct emulation *e = mem_alloc(sizeof(*e));

	emulation_init(e, options);
	return e;
}

void emulation_init(struct emulation *e, const struct emulation_options *options)
{
	e->options = *options;
	e->supervisor = SUPERVISOR_INIT;
	e->root = e->own_root = e->own_cwd = -1;
	e->proc = AT_FDCWD;
	e->roots_differ = options->may_change_root;
	e->shows_others = options->without_namespace && geteuid() != 0;
	struct stat proc;
	e->proc_device = e->shows_others && stat("/proc", &proc) == 0 ? proc.st_dev : 0;
	if (!options->owners)
		e->options.owners = &e->none;
}

void emulation_done(struct emulation *e)
{
	supervisor_done(&e->supervisor);
	tasks_free(e->tasks);
	fd_close(e->root);
	fd_close(e->own_root);
	fd_close(e->own_cwd);
	if (e->proc != AT_FDCWD)
		fd_close(e->proc);
	owner_table_done(&e->kept);
	owner_table_done(&e->none);
	free(e->plain);
}

void emulation_free(struct emulation *e)
{
	if (!e)
		return;
	emulation_done(e);
	free(e);
}

int emulation_start(struct emulation *e, int listener, pid_t pid, struct credentials *credentials, struct error **err)
{
	cleanup_close int fd = listener;
	cleanup(credentials_free) struct credentials *initial = credentials;
	int rc = supervisor_init(&e->supervisor, emulation_table(e->options.scope), e, err);

	if (rc < 0)
		return rc;
	if (e->options.scope != EMULATE_NODES)
		e->tasks = tasks_new(pid, initial);
	e->first = pid;
	supervisor_take(&e->supervisor, take_fd(&fd));
	return 0;
}

void emulation_arm(struct emulation *e)
{
	/* Of a thousand steps one makes a device: it is looked up then. */
	if (e->options.scope != EMULATE_NODES)
		emul_find_root(e, e->first);
	supervisor_arm(&e->supervisor);
}

struct supervisor *emulation_supervisor(struct emulation *e)
{
	return &e->supervisor;
}

/* ---- For the handlers ---- */

void emul_return(struct answer *answer, int64_t value)
{
	answer->kind = ANSWER_RETURN;
	answer->value = value;
}

struct task *emul_task(struct emulation *e, const struct trap *trap)
{
	emul_come_back(e);
	return tasks_find(e->tasks, trap->tid);
}

/* The caller's memory; `own` where nothing is kept, for want of a table of threads. */
static struct taskmem *memory_of(struct emulation *e, const struct trap *trap, struct taskmem *own)
{
	/* Most calls need no more than their caller's memory. A descriptor that is kept reads nothing of a process that
	 * has ended, so who calls need not be looked up for it. */
	struct task *task = e->tasks ? tasks_known(e->tasks, trap->tid) : NULL;
	if (e->tasks && (!task || task->mem.fd < 0))
		task = emul_task(e, trap);
	struct taskmem *mem = task ? &task->mem : own;

	mem->proc = e->proc;
	/* Without a call to answer it stands before its tracer, and cannot end. */
	mem->listener = trap->id ? e->supervisor.listener : -1;
	mem->call = trap->id;
	return mem;
}

static int move(struct emulation *e, const struct trap *trap, uint64_t address, void *in, const void *out, size_t size)
{
	struct taskmem own = TASKMEM_INIT;
	struct taskmem *mem = memory_of(e, trap, &own);
	int rc = in ? taskmem_read(mem, trap->tid, address, in, size)
		    : taskmem_write(mem, trap->tid, address, out, size);

	taskmem_drop(&own);
	return rc;
}

int emul_read(struct emulation *e, const struct trap *trap, uint64_t address, void *data, size_t size)
{
	return move(e, trap, address, data, NULL, size);
}

int emul_write(struct emulation *e, const struct trap *trap, uint64_t address, const void *data, size_t size)
{
	return move(e, trap, address, NULL, data, size);
}

ssize_t emul_read_text(struct emulation *e, const struct trap *trap, uint64_t address, char *text, size_t size)
{
	struct taskmem own = TASKMEM_INIT;
	ssize_t length = taskmem_read_string(memory_of(e, trap, &own), trap->tid, address, text, size);

	taskmem_drop(&own);
	return length;
}

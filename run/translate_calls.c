/*
 * The table of calls. What is not in it fails with ENOSYS: a call that nobody here has thought about could name a file
 * of the host's. So it lists what is harmless, too, and says of what is refused how, in the kernel's own words where
 * programs know them.
 */
#include "run/translate_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "run/loader/protocol.h"
#include "run/translate_internal.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

/* Newer than the headers of Debian 12; one number everywhere. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define ANSWER(name, function)                                             \
	{                                                                  \
		.arch = NATIVE, .number = SYS_##name, .handle = (function) \
	}
#define ALLOW(name)                                                        \
	{                                                                  \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_ALLOW \
	}
#define TRACE(name)                                                       \
	{                                                                 \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_STOP \
	}
#define REFUSE(name, error)                                                                  \
	{                                                                                    \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_REFUSE, .code = (error) \
	}
/* Nothing is done to the loader's descriptor. */
#define IS_LOADER(n)                                                                      \
	{                                                                                 \
		.arg = (n), .mask = UINT32_MAX, .values = {LOADER_DESCRIPTOR}, .count = 1 \
	}
#define GUARD(name, n)                                                                                                 \
	{                                                                                                              \
		.arch = NATIVE, .number = SYS_##name, .action = TRAP_ALLOW, .guard = IS_LOADER(n), .guard_code = EBADF \
	}
/* Another process by its number; 0 is the caller. */
#define OTHER(name)                                                                  \
	{                                                                            \
		.arch = NATIVE, .number = SYS_##name, .handle = emul_change_process, \
		.when = {.arg = 0, .mask = UINT32_MAX},                              \
	}
#define NEW_NAMESPACES                                                                                            \
	{                                                                                                         \
		.mask = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | \
			CLONE_NEWCGROUP | CLONE_UNTRACED                                                          \
	}
#define OWN_PRCTL                                                                                          \
	{                                                                                                  \
		.mask = UINT32_MAX,                                                                        \
		.values = {EMUL_PRCTL_OPTIONS, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS}, \
		.count = EMUL_PRCTL_OPTION_COUNT + 3                                                       \
	}

#define TELLS_ADDRESS(name, n)                                                                                      \
	{                                                                                                           \
		.arch = NATIVE, .number = SYS_##name, .when = {.arg = (n), .mask = UINT32_MAX}, .action = TRAP_STOP \
	}

/* Of the types that file systems have (ioctl(2), _IOC_TYPE): 'f', 'v', 'X', btrfs', f2fs'; and sockets'. */
#define FILE_REQUESTS(name, function)                                                      \
	{                                                                                  \
		.arch = NATIVE, .number = SYS_##name,                                      \
		.when = {.arg = 1,                                                         \
			 .mask = 0xff00,                                                   \
			 .values = {'f' << 8, 'v' << 8, 'X' << 8, 0x9400, 0xf500, 0x8900}, \
			 .count = 6},                                                      \
		.handle = (function), .guard = IS_LOADER(0), .guard_code = EBADF           \
	}

/* What only names a thing is opened where it is used. */
#define OPEN(name, n, function)                                                                                  \
	{                                                                                                        \
		.arch = NATIVE, .number = SYS_##name, .when = {.arg = (n), .mask = O_PATH}, .action = TRAP_STOP, \
		.handle = (function), .handles_rest = true                                                       \
	}

static const struct trap_entry entries[] = {
/* Files by path. */
#ifdef SYS_open
	OPEN(open, 1, tr_open),
	ANSWER(creat, tr_creat),
	ANSWER(stat, tr_stat),
	ANSWER(lstat, tr_lstat),
	ANSWER(access, tr_access),
	ANSWER(readlink, tr_readlink),
	ANSWER(mkdir, tr_mkdir),
	ANSWER(rmdir, tr_rmdir),
	ANSWER(unlink, tr_unlink),
	ANSWER(rename, tr_rename),
	ANSWER(link, tr_link),
	ANSWER(symlink, tr_symlink),
	ANSWER(mknod, tr_mknod),
	ANSWER(chmod, tr_chmod),
	ANSWER(chown, tr_chown),
	ANSWER(lchown, tr_lchown),
	ANSWER(utime, tr_utime),
	ANSWER(utimes, tr_utimes),
	ANSWER(futimesat, tr_futimesat),
#endif
	OPEN(openat, 2, tr_openat),
	ANSWER(openat2, tr_openat2),
	ANSWER(fstat, tr_fstat),
	ANSWER(newfstatat, tr_fstatat),
	ANSWER(statx, tr_statx),
	ANSWER(faccessat, tr_faccessat),
	ANSWER(faccessat2, tr_faccessat2),
	ANSWER(readlinkat, tr_readlinkat),
	ANSWER(mkdirat, tr_mkdirat),
	ANSWER(unlinkat, tr_unlinkat),
	ANSWER(renameat, tr_renameat),
	ANSWER(renameat2, tr_renameat2),
	ANSWER(linkat, tr_linkat),
	ANSWER(symlinkat, tr_symlinkat),
	ANSWER(mknodat, tr_mknodat),
	ANSWER(fchmod, tr_fchmod),
	ANSWER(fchmodat, tr_fchmodat),
	ANSWER(fchmodat2, tr_fchmodat2),
	ANSWER(fchown, tr_fchown),
	ANSWER(fchownat, tr_fchownat),
	ANSWER(truncate, tr_truncate),
	ANSWER(utimensat, tr_utimensat),
	ANSWER(statfs, tr_statfs),
	ANSWER(getxattr, tr_getxattr),
	ANSWER(lgetxattr, tr_lgetxattr),
	ANSWER(fgetxattr, tr_fgetxattr),
	ANSWER(setxattr, tr_setxattr),
	ANSWER(lsetxattr, tr_lsetxattr),
	ANSWER(fsetxattr, tr_fsetxattr),
	ANSWER(listxattr, tr_listxattr),
	ANSWER(llistxattr, tr_llistxattr),
	ANSWER(flistxattr, tr_flistxattr),
	ANSWER(removexattr, tr_removexattr),
	ANSWER(lremovexattr, tr_lremovexattr),
	ANSWER(fremovexattr, tr_fremovexattr),
	/* fs_struct. */
	ANSWER(chdir, tr_chdir),
	ANSWER(fchdir, tr_fchdir),
	ANSWER(getcwd, tr_getcwd),
	ANSWER(umask, tr_umask),
	ANSWER(chroot, tr_chroot),
	/* Ids: the emulation's own. */
	ANSWER(getuid, emul_getuid),
	ANSWER(geteuid, emul_geteuid),
	ANSWER(getgid, emul_getgid),
	ANSWER(getegid, emul_getegid),
	ANSWER(getresuid, emul_getresuid),
	ANSWER(getresgid, emul_getresgid),
	ANSWER(getgroups, emul_getgroups),
	ANSWER(setuid, emul_setuid),
	ANSWER(setgid, emul_setgid),
	ANSWER(setreuid, emul_setreuid),
	ANSWER(setregid, emul_setregid),
	ANSWER(setresuid, emul_setresuid),
	ANSWER(setresgid, emul_setresgid),
	ANSWER(setfsuid, emul_setfsuid),
	ANSWER(setfsgid, emul_setfsgid),
	ANSWER(setgroups, emul_setgroups),
	ANSWER(capget, emul_capget),
	ANSWER(capset, emul_capset),
	{.arch = NATIVE, .number = SYS_prctl, .when = OWN_PRCTL, .handle = tr_prctl},
	/* Processes and signals. */
	TRACE(execve),
	TRACE(execveat),
	{.arch = NATIVE, .number = SYS_clone, .when = NEW_NAMESPACES, .action = TRAP_REFUSE, .code = EPERM},
	REFUSE(clone3, ENOSYS), /* its arguments cannot be seen; libraries fall back to clone */
	REFUSE(unshare, EPERM),
	REFUSE(setns, EPERM),
	ANSWER(kill, tr_kill),
	ANSWER(tkill, tr_kill),
	ANSWER(tgkill, tr_kill),
	ANSWER(rt_sigqueueinfo, tr_kill),
	ANSWER(rt_tgsigqueueinfo, tr_kill),
#ifdef SYS_fork
	ALLOW(fork),
	ALLOW(vfork),
	ALLOW(pause),
	ALLOW(alarm),
	ALLOW(getpgrp),
	ALLOW(time),
	ALLOW(arch_prctl),
#endif
	ALLOW(exit),
	ALLOW(exit_group),
	ALLOW(wait4),
	ALLOW(waitid),
	ALLOW(getpid),
	ALLOW(getppid),
	ALLOW(gettid),
	ALLOW(getpgid),
	ALLOW(setpgid),
	ALLOW(getsid),
	ALLOW(setsid),
	ALLOW(rt_sigaction),
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigreturn),
	ALLOW(rt_sigpending),
	ALLOW(rt_sigtimedwait),
	ALLOW(rt_sigsuspend),
	ALLOW(sigaltstack),
	ALLOW(restart_syscall),
	ALLOW(set_tid_address),
	ALLOW(set_robust_list),
	ALLOW(get_robust_list),
	ALLOW(rseq),
	ALLOW(futex),
	ALLOW(futex_waitv),
	ALLOW(futex_wake),
	ALLOW(futex_wait),
	ALLOW(futex_requeue),
	ALLOW(membarrier),
	ALLOW(getpriority),
	ANSWER(setpriority, emul_setpriority),
	ALLOW(ioprio_get),
	ANSWER(ioprio_set, emul_ioprio_set),
	ALLOW(sched_yield),
	OTHER(sched_setparam),
	ALLOW(sched_getparam),
	OTHER(sched_setscheduler),
	ALLOW(sched_getscheduler),
	ALLOW(sched_get_priority_max),
	ALLOW(sched_get_priority_min),
	ALLOW(sched_rr_get_interval),
	OTHER(sched_setaffinity),
	ALLOW(sched_getaffinity),
	OTHER(sched_setattr),
	ALLOW(sched_getattr),
	ALLOW(getcpu),
	ALLOW(personality),
	ALLOW(getrlimit),
	ALLOW(setrlimit),
	OTHER(prlimit64),
	ALLOW(getrusage),
	ALLOW(times),
	ALLOW(sysinfo),
	ANSWER(uname, tr_uname),
	ANSWER(pidfd_open, tr_pidfd_open),
	ALLOW(pidfd_send_signal), /* to what pidfd_open gives; Landlock's scope holds there, too */
	REFUSE(pidfd_getfd, EPERM),
	REFUSE(ptrace, EPERM), /* everybody is traced already */
	REFUSE(process_vm_readv, EPERM),
	REFUSE(process_vm_writev, EPERM),
	REFUSE(kcmp, EPERM),
	/* Memory. */
	ALLOW(mmap),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(mprotect),
	ALLOW(madvise),
	ALLOW(msync),
	ALLOW(mincore),
	ALLOW(mlock),
	ALLOW(mlock2),
	ALLOW(munlock),
	ALLOW(mlockall),
	ALLOW(munlockall),
	ALLOW(brk),
	ALLOW(pkey_mprotect),
	ALLOW(pkey_alloc),
	ALLOW(pkey_free),
	ALLOW(memfd_create),
	ALLOW(mbind),
	ALLOW(get_mempolicy),
	ALLOW(set_mempolicy),
	ALLOW(remap_file_pages),
	ALLOW(mseal),
	/* Objects of the machine's. */
	ANSWER(shmget, tr_shmget),
	ANSWER(shmat, tr_use_memory),
	ALLOW(shmdt),
	ANSWER(shmctl, tr_shmctl),
	ANSWER(semget, tr_semget),
	ANSWER(semop, tr_use_semaphores),
	ANSWER(semtimedop, tr_use_semaphores),
	ANSWER(semctl, tr_semctl),
	ANSWER(msgget, tr_msgget),
	ANSWER(msgsnd, tr_use_messages),
	ANSWER(msgrcv, tr_use_messages),
	ANSWER(msgctl, tr_msgctl),
	/* Descriptors. */
	GUARD(close, 0),
	TRACE(close_range),
#ifdef SYS_dup2
	GUARD(dup2, 1),
	ALLOW(pipe),
	ALLOW(poll),
	ALLOW(select),
	ALLOW(epoll_create),
	ALLOW(epoll_wait),
	ALLOW(eventfd),
	ALLOW(signalfd),
	ALLOW(inotify_init),
	ALLOW(getdents),
#endif
	GUARD(dup3, 1),
	{.arch = NATIVE,
	 .number = SYS_fcntl,
	 .when = {.arg = 1, .mask = UINT32_MAX, .values = {F_SETOWN, F_SETOWN_EX, F_SETLEASE}, .count = 3},
	 .handle = tr_fcntl,
	 .otherwise = TRAP_ALLOW,
	 .guard = IS_LOADER(0),
	 .guard_code = EBADF},
	FILE_REQUESTS(ioctl, tr_ioctl),
	ALLOW(dup),
	ALLOW(pipe2),
	ALLOW(read),
	ALLOW(write),
	ALLOW(readv),
	ALLOW(writev),
	ALLOW(pread64),
	ALLOW(pwrite64),
	ALLOW(preadv),
	ALLOW(pwritev),
	ALLOW(preadv2),
	ALLOW(pwritev2),
	ALLOW(lseek),
	ALLOW(getdents64),
	ALLOW(ftruncate),
	ALLOW(fallocate),
	ALLOW(fadvise64),
	ALLOW(readahead),
	ALLOW(sendfile),
	ALLOW(copy_file_range),
	ALLOW(splice),
	ALLOW(tee),
	ALLOW(vmsplice),
	ALLOW(sync),
	ANSWER(fsync, tr_fsync),
	ANSWER(fdatasync, tr_fsync),
	ALLOW(syncfs),
	ALLOW(sync_file_range),
	ANSWER(flock, tr_flock),
	ALLOW(fstatfs),
	ALLOW(cachestat),
	ALLOW(pselect6),
	ALLOW(ppoll),
	ALLOW(epoll_create1),
	ALLOW(epoll_ctl),
	ALLOW(epoll_pwait),
	ALLOW(epoll_pwait2),
	ALLOW(eventfd2),
	ALLOW(signalfd4),
	ALLOW(timerfd_create),
	ALLOW(timerfd_settime),
	ALLOW(timerfd_gettime),
	ALLOW(inotify_init1),
	TRACE(inotify_add_watch),
	ALLOW(inotify_rm_watch),
	/* They write into a memory long after the call, when nobody can be held still (trace_hold_others()). */
	REFUSE(io_setup, ENOSYS),
	REFUSE(io_destroy, ENOSYS),
	REFUSE(io_submit, ENOSYS),
	REFUSE(io_cancel, ENOSYS),
	REFUSE(io_getevents, ENOSYS),
	REFUSE(io_uring_setup, ENOSYS), /* calls that no filter sees */
	REFUSE(io_uring_enter, ENOSYS),
	REFUSE(io_uring_register, ENOSYS),
	ANSWER(mq_open, tr_mq_open),
	ANSWER(mq_unlink, tr_mq_unlink),
	ALLOW(mq_timedsend),
	ALLOW(mq_timedreceive),
	ALLOW(mq_notify),
	ALLOW(mq_getsetattr),
	/* Sockets. */
	ALLOW(socket),
	ALLOW(socketpair),
	TRACE(bind),
	TRACE(connect),
	/* By the length: of the address itself a filter sees the low half only. */
	{.arch = NATIVE, .number = SYS_sendto, .when = {.arg = 5, .mask = UINT32_MAX}, .action = TRAP_STOP},
	ALLOW(listen),
	/* What the kernel calls a socket, or its user, the step would call otherwise. */
	TELLS_ADDRESS(accept, 1),
	TELLS_ADDRESS(accept4, 1),
	TRACE(getsockname),
	TRACE(getpeername),
	TELLS_ADDRESS(recvfrom, 4),
	TRACE(sendmsg),
	TRACE(recvmsg),
	TRACE(sendmmsg),
	TRACE(recvmmsg),
	ALLOW(shutdown),
	ALLOW(setsockopt),
	{.arch = NATIVE,
	 .number = SYS_getsockopt,
	 .when = {.arg = 2, .mask = UINT32_MAX, .values = {SO_PEERCRED}, .count = 1},
	 .action = TRAP_STOP},
	/* Time. */
	ALLOW(nanosleep),
	ALLOW(clock_nanosleep),
	ALLOW(clock_gettime),
	ALLOW(clock_getres),
	ALLOW(gettimeofday),
	ALLOW(getitimer),
	ALLOW(setitimer),
	ALLOW(timer_create),
	ALLOW(timer_settime),
	ALLOW(timer_gettime),
	ALLOW(timer_getoverrun),
	ALLOW(timer_delete),
	ALLOW(getrandom),
	/* A further filter of the step's own; it comes before ours, and can only take away. */
	ALLOW(seccomp),
	ALLOW(landlock_create_ruleset),
	ALLOW(landlock_add_rule),
	ALLOW(landlock_restrict_self),
	/* What a container does not have. */
	REFUSE(mount, EPERM),
	REFUSE(umount2, EPERM),
	REFUSE(pivot_root, EPERM),
	REFUSE(open_tree, EPERM),
	REFUSE(move_mount, EPERM),
	REFUSE(fsopen, EPERM),
	REFUSE(fsconfig, EPERM),
	REFUSE(fsmount, EPERM),
	REFUSE(fspick, EPERM),
	REFUSE(mount_setattr, EPERM),
	REFUSE(swapon, EPERM),
	REFUSE(swapoff, EPERM),
	REFUSE(reboot, EPERM),
	REFUSE(sethostname, EPERM),
	REFUSE(setdomainname, EPERM),
	REFUSE(settimeofday, EPERM),
	REFUSE(clock_settime, EPERM),
	REFUSE(clock_adjtime, EPERM),
	REFUSE(adjtimex, EPERM),
	REFUSE(acct, EPERM),
	REFUSE(quotactl, EPERM),
	REFUSE(init_module, EPERM),
	REFUSE(finit_module, EPERM),
	REFUSE(delete_module, EPERM),
	REFUSE(kexec_load, EPERM),
	REFUSE(bpf, EPERM),
	REFUSE(perf_event_open, EPERM),
	REFUSE(userfaultfd, EPERM),
	REFUSE(fanotify_init, EPERM),
	REFUSE(fanotify_mark, EPERM),
	REFUSE(open_by_handle_at, EPERM),
	REFUSE(name_to_handle_at, EOPNOTSUPP),
	REFUSE(syslog, EPERM),
	REFUSE(vhangup, EPERM),
	REFUSE(add_key, EPERM),
	REFUSE(request_key, EPERM),
	REFUSE(keyctl, EPERM),
};

static const struct trap_table table = {.entries = entries, .count = ARRAY_COUNT(entries), .closed = true};

const struct trap_table *translation_table(void)
{
	return &table;
}

bool translation_answers(int number)
{
	for (size_t i = 0; i < ARRAY_COUNT(entries); i++)
		if (entries[i].number == number)
			return entries[i].handle != NULL;
	return false;
}

/* Without a network there are no sockets but those of the step's own. */
static void close_network(struct trap_entry *socket)
{
	socket->when = (struct trap_condition){.arg = 0, .mask = UINT32_MAX, .values = {AF_UNIX}, .count = 1};
	socket->otherwise = TRAP_REFUSE;
	socket->code = EAFNOSUPPORT;
}

int translation_program(const struct run_spec *spec, struct buf *program, struct error **err)
{
	cleanup_free struct trap_entry *own = mem_dup(entries, sizeof(entries));
	struct trap_table closed = table;

	for (size_t i = 0; i < ARRAY_COUNT(entries); i++)
		if (own[i].number == SYS_socket && spec->network == RUN_NETWORK_NONE)
			close_network(&own[i]);
	closed.entries = own;
	return supervisor_program(&closed, program, err);
}

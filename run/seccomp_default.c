/*
 * cooper's own list of system calls, as data. Three answers: what a build step needs is allowed; what is known to
 * widen the way into the kernel or the host is refused with EPERM; all else, above all what is newer than this list, is
 * ENOSYS, because programs fall back on that. A capability that the step has been given opens what it is for, as in
 * Docker's profile.
 *
 * A step is root in a user namespace of its own, so the kernel refuses most dangerous calls by itself. The list is
 * there for the day when one of them has a bug: what was reachable only behind a new namespace or a rare subsystem was
 * behind most of the escapes of the last ten years.
 */
#include "run/seccomp_policy.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>

#define REFUSE(code) (SECCOMP_RET_ERRNO | (code))
#define CAP(name) (UINT64_C(1) << CAP_##name)

#if defined(__x86_64__) && !defined(__ILP32__)
const char *const seccomp_native_arch = "x86_64";
const char *const seccomp_native_go_arch = "amd64";
const char *const seccomp_compat_arches[] = {"x86", "x32", NULL};
#elif defined(__aarch64__)
const char *const seccomp_native_arch = "aarch64";
const char *const seccomp_native_go_arch = "arm64";
const char *const seccomp_compat_arches[] = {"arm", NULL};
#elif defined(__i386__)
const char *const seccomp_native_arch = "x86";
const char *const seccomp_native_go_arch = "x86";
const char *const seccomp_compat_arches[] = {NULL};
#elif defined(__arm__)
const char *const seccomp_native_arch = "arm";
const char *const seccomp_native_go_arch = "arm";
const char *const seccomp_compat_arches[] = {NULL};
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
const char *const seccomp_native_arch = "ppc64le";
const char *const seccomp_native_go_arch = "ppc64le";
const char *const seccomp_compat_arches[] = {NULL};
#elif defined(__riscv) && __riscv_xlen == 64
const char *const seccomp_native_arch = "riscv64";
const char *const seccomp_native_go_arch = "riscv64";
const char *const seccomp_compat_arches[] = {NULL};
#elif defined(__s390x__)
const char *const seccomp_native_arch = "s390x";
const char *const seccomp_native_go_arch = "s390x";
const char *const seccomp_compat_arches[] = {"s390", NULL};
#else
#error "name this architecture as libseccomp and Go do"
#endif

/* clone(2): s390 has the stack first, all others the flags. */
#ifdef __s390x__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* ---- Calls ---- */

struct call_group {
	const char *why;
	uint64_t capabilities; /* any of them opens the group; 0: open to all */
	const char *calls;     /* separated by spaces; names that an architecture lacks do not count there */
};

static const struct call_group allowed[] = {
	{"files by name", 0,
	 "access chdir chmod chown chown32 creat faccessat faccessat2 fchmodat fchmodat2 fchownat futimesat getcwd "
	 "lchown lchown32 link linkat lstat lstat64 mkdir mkdirat mknod mknodat newfstatat fstatat64 open openat "
	 "openat2 "
	 "readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs statfs64 statx symlink symlinkat "
	 "truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes name_to_handle_at"},
	{"open files", 0,
	 "_llseek close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64 arm_fadvise64_64 fallocate "
	 "fchdir "
	 "fchmod fchown fchown32 fcntl fcntl64 fdatasync flock fstat fstat64 fstatfs fstatfs64 fsync ftruncate "
	 "ftruncate64 "
	 "getdents getdents64 ioctl lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readdir "
	 "readv "
	 "sendfile sendfile64 splice sync sync_file_range sync_file_range2 arm_sync_file_range syncfs tee vmsplice "
	 "write "
	 "writev cachestat"},
	{"extended attributes", 0,
	 "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr "
	 "lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat"},
	{"waiting for events", 0,
	 "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	 "epoll_wait_old "
	 "eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pipe pipe2 poll "
	 "ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4"},
	{"the older asynchronous input and output, which databases use; io_uring is refused below", 0,
	 "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit"},
	{"memory", 0,
	 "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 "
	 "mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages"},
	{"memory placement: numactl and databases ask; the kernel checks the step's own limits", 0,
	 "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
	{"processes and threads; clone and unshare pass the gates, clone3 hides its flags in memory and is ENOSYS", 0,
	 "clone execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv "
	 "futex_wake "
	 "get_robust_list get_thread_area getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid "
	 "gettid ioprio_get ioprio_set kill nice pidfd_open pidfd_send_signal personality prctl prlimit64 "
	 "process_madvise "
	 "process_mrelease rseq set_robust_list set_thread_area set_tid_address set_tls setpgid setpriority setrlimit "
	 "setsid tgkill times tkill ugetrlimit unshare vfork wait4 waitid waitpid arch_prctl modify_ldt cacheflush "
	 "breakpoint riscv_flush_icache riscv_hwprobe swapcontext s390_guarded_storage s390_runtime_instr"},
	{"debuggers, strace, sanitizers: within the step's own namespaces", 0,
	 "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd"},
	{"scheduling", 0,
	 "sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam "
	 "sched_getscheduler "
	 "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
	 "sched_setscheduler sched_yield"},
	{"signals", 0,
	 "pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
	 "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sgetmask sigaction sigaltstack signal sigpending "
	 "sigprocmask sigreturn sigsuspend ssetmask uretprobe"},
	{"who I am", 0,
	 "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid "
	 "getresgid32 "
	 "getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups "
	 "setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid "
	 "setuid32"},
	{"a smaller view of the world for children: the kernel asks for CAP_SYS_CHROOT itself", 0,
	 "chroot landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"},
	{"time; adjtimex and clock_adjtime only read without CAP_SYS_TIME of the host", 0,
	 "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
	 "clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create "
	 "timer_delete "
	 "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd timerfd_create "
	 "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64"},
	/* socketcall takes its arguments from memory, so the gate on socket does not see them. Docker refused it in
	 * 2026 and took that back: every 32-bit glibc program reaches the network through it. */
	{"sockets", 0,
	 "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 "
	 "recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket socketcall socketpair"},
	{"System V and POSIX IPC, in a namespace of the step's own", 0,
	 "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 "
	 "mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt "
	 "shmget"},
	{"questions to the kernel", 0,
	 "getrandom sysinfo uname oldolduname olduname oldfstat oldlstat oldstat listmount statmount syslog"},
};

/* EPERM unless a capability opens it. */
static const struct call_group guarded[] = {
	{"what is mounted, and where the root is", CAP(SYS_ADMIN),
	 "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr umount umount2"},
	/* Docker's profile never allows this one: a step that may mount gets along with MS_MOVE and chroot. */
	{"the root of the mount namespace", 0, "pivot_root"},
	{"other namespaces and the names of this one", CAP(SYS_ADMIN), "setns sethostname setdomainname"},
	{"programs in the kernel", CAP(SYS_ADMIN) | CAP(BPF), "bpf"},
	{"counters that have leaked and escaped", CAP(SYS_ADMIN) | CAP(PERFMON), "perf_event_open"},
	{"rare ways into file systems", CAP(SYS_ADMIN), "fanotify_init lookup_dcookie quotactl quotactl_fd"},
	{"files of any mount by number: how Docker was escaped in 2014", CAP(DAC_READ_SEARCH), "open_by_handle_at"},
	{"keyrings are not divided by user namespaces everywhere", 0, "add_key keyctl request_key"},
	{"page faults stopped at will: half of the kernel exploits need it", 0, "userfaultfd"},
	{"asynchronous calls past this filter", 0, "io_uring_enter io_uring_register io_uring_setup"},
	{"another kernel", 0, "kexec_file_load kexec_load"},
	{"power", CAP(SYS_BOOT), "reboot"},
	{"kernel modules", CAP(SYS_MODULE), "create_module delete_module finit_module init_module query_module"},
	{"the machine's accounting, clock, ports, terminal", CAP(SYS_PACCT), "acct"},
	{"the clock", CAP(SYS_TIME), "clock_settime clock_settime64 settimeofday stime"},
	{"ports of the hardware", CAP(SYS_RAWIO), "ioperm iopl"},
	{"the terminal", CAP(SYS_TTY_CONFIG), "vhangup"},
	{"memory of other processes, moved", CAP(SYS_NICE), "migrate_pages move_pages"},
	{"swap", 0, "swapoff swapon"},
	{"relics", 0,
	 "bdflush nfsservctl sysfs uselib ustat vm86 vm86old pciconfig_iobase pciconfig_read pciconfig_write"},
};

/* Opened by allow_nested_userns: what a builder or a sandbox inside the step needs. */
static const char nested_calls[] =
	"clone3 fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root "
	"setdomainname sethostname setns umount umount2";

/* ---- Gates ---- */

#define CLONE_NEW_ANY \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const struct seccomp_gate clone_any_namespace = {
	.name = "clone",
	.arg = CLONE_FLAGS_ARG,
	.kind = SECCOMP_GATE_ANY_BIT,
	.action = REFUSE(EPERM),
	.values = {CLONE_NEW_ANY},
	.value_count = 1,
};
/* Threads take back their file table and working directory with unshare (Samba does); only namespaces are refused.
 * CLONE_NEWTIME is a part of the signal number in clone, and a flag here. */
static const struct seccomp_gate unshare_any_namespace = {
	.name = "unshare",
	.kind = SECCOMP_GATE_ANY_BIT,
	.action = REFUSE(EPERM),
	.values = {CLONE_NEW_ANY | CLONE_NEWTIME},
	.value_count = 1,
};
/* With CAP_SYS_ADMIN all but the namespace in which a step would have every capability. */
static const struct seccomp_gate clone_user_namespace = {
	.name = "clone",
	.arg = CLONE_FLAGS_ARG,
	.kind = SECCOMP_GATE_ANY_BIT,
	.action = REFUSE(EPERM),
	.values = {CLONE_NEWUSER},
	.value_count = 1,
};
static const struct seccomp_gate unshare_user_namespace = {
	.name = "unshare",
	.kind = SECCOMP_GATE_ANY_BIT,
	.action = REFUSE(EPERM),
	.values = {CLONE_NEWUSER},
	.value_count = 1,
};
/* Linux and 32-bit Linux, with or without the old version number, and the question. The other bits turn off address
 * randomisation or let memory be read as executable. */
static const struct seccomp_gate personality_gate = {
	.name = "personality",
	.kind = SECCOMP_GATE_UNLISTED,
	.action = REFUSE(EPERM),
	.values = {PER_LINUX, PER_LINUX32, UNAME26, PER_LINUX32 | UNAME26, 0xffffffff},
	.value_count = 5,
};
/* AF_VSOCK reaches the hypervisor from any namespace; AF_ALG was CVE-2026-31431; the others are families that nobody
 * builds with and that are loaded on demand. The answer is the one of a kernel that lacks them. */
static const struct seccomp_gate socket_gate = {
	.name = "socket",
	.kind = SECCOMP_GATE_LISTED,
	.action = REFUSE(EAFNOSUPPORT),
	.values = {AF_ALG, AF_VSOCK, /* AF_DECnet */ 12, AF_ECONET, AF_ATMSVC, AF_IRDA, AF_WANPIPE, AF_ISDN, AF_CAIF},
	.value_count = 9,
};
/* Typing into the terminal that one was started from (CVE-2017-5226). The kernel takes the low half of the argument,
 * so the comparison must as well (CVE-2019-10063). */
static const struct seccomp_gate ioctl_gate = {
	.name = "ioctl",
	.arg = 1,
	.kind = SECCOMP_GATE_LISTED,
	.action = REFUSE(EPERM),
	.values = {TIOCSTI, TIOCLINUX},
	.value_count = 2,
};

static const struct seccomp_gate *const all_gates[] = {
	&clone_any_namespace, &unshare_any_namespace, &clone_user_namespace, &unshare_user_namespace,
	&personality_gate,    &socket_gate,	      &ioctl_gate,
};

/* ---- Putting it together ---- */

static void add_gate(struct seccomp_policy *policy, const struct seccomp_gate *gate)
{
	policy->gates[policy->gate_count++] = gate;
}

static void add_calls(struct seccomp_policy *policy, const char *calls, uint32_t action, const struct strlist *except)
{
	cleanup(strlist_done) struct strlist names = {0};
	strlist_split(&names, calls, ' ');
	for (size_t i = 0; i < names.count; i++)
		if (!strlist_contains(except, names.items[i]))
			seccomp_policy_add(policy, names.items[i], action);
}

void seccomp_default_policy(const struct seccomp_subject *subject, struct seccomp_policy *policy)
{
	cleanup(strlist_done) struct strlist nested = {0};
	const struct strlist nothing = {0};
	if (subject->allow_nested_userns)
		strlist_split(&nested, nested_calls, ' ');

	policy->default_action = REFUSE(ENOSYS);
	policy->is_table = true;
	for (const char *const *arch = seccomp_compat_arches; *arch; arch++)
		strlist_append(&policy->arches, *arch);
	for (size_t i = 0; i < ARRAY_COUNT(allowed); i++)
		add_calls(policy, allowed[i].calls, SECCOMP_RET_ALLOW, &nothing);
	for (size_t i = 0; i < ARRAY_COUNT(guarded); i++) {
		bool open = (guarded[i].capabilities & subject->capabilities) != 0;
		add_calls(policy, guarded[i].calls, open ? SECCOMP_RET_ALLOW : REFUSE(EPERM), &nested);
	}
	for (size_t i = 0; i < nested.count; i++)
		seccomp_policy_add(policy, nested.items[i], SECCOMP_RET_ALLOW);

	if (!subject->allow_nested_userns) {
		bool admin = subject->capabilities & CAP(SYS_ADMIN);
		add_gate(policy, admin ? &clone_user_namespace : &clone_any_namespace);
		add_gate(policy, admin ? &unshare_user_namespace : &unshare_any_namespace);
	}
	add_gate(policy, &personality_gate);
	add_gate(policy, &socket_gate);
	add_gate(policy, &ioctl_gate);
}

static void describe_groups(const struct call_group *groups, size_t count, struct buf *into)
{
	for (size_t i = 0; i < count; i++) {
		buf_append(into, &groups[i].capabilities, sizeof(groups[i].capabilities));
		buf_append_str(into, groups[i].calls);
		buf_append_char(into, '\n');
	}
}

void seccomp_default_describe(struct buf *into)
{
	describe_groups(allowed, ARRAY_COUNT(allowed), into);
	describe_groups(guarded, ARRAY_COUNT(guarded), into);
	buf_append_str(into, nested_calls);
	for (size_t i = 0; i < ARRAY_COUNT(all_gates); i++) {
		const struct seccomp_gate *gate = all_gates[i];
		uint32_t numbers[] = {gate->arg, gate->kind, gate->action};
		buf_append_str(into, gate->name);
		buf_append(into, numbers, sizeof(numbers));
		buf_append(into, gate->values, sizeof(gate->values));
	}
}

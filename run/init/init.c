/*
 * The first process of a step's pid namespace: starts the command, reaps what is orphaned, passes signals on, and ends
 * with the command's status. When it ends, the kernel kills everything else in the namespace (pid_namespaces(7)).
 *
 * No C library: a few kilobytes that start in microseconds and have nothing in them to attack. It runs from a sealed
 * memory file, so /proc/1/exe is nothing that the step could write (CVE-2019-5736), and under the step's own ids,
 * capabilities and filter.
 */
#include "run/init/protocol.h"

#include <asm/ioctls.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>

/* ---- System calls ---- */

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

/* At the entry the stack pointer points at argc, argv, NULL, envp, NULL (System V ABI, "Process Initialization"). */
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n\thlt\n");

/* clone(2) with a stack: `child` starts on it. The system call keeps all registers but rax, rcx and r11. */
static long clone_onto(void *stack, unsigned long flags, void (*child)(void *), void *argument)
{
	long result;
	register void (*r8)(void *) __asm__("r8") = child;
	register void *r9 __asm__("r9") = argument;

	__asm__ volatile(
		"syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r9, %%rdi\n\tcall *%%r8\n\t"
		"hlt\n1:"
		: "=a"(result)
		: "a"(__NR_clone), "D"(flags), "S"(stack), "d"(0), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tbl start\n\tbrk #1\n");

/* clone(2) with a stack: `child` starts on it. The system call keeps all registers but x0. */
static long clone_onto(void *stack, unsigned long flags, void (*child)(void *), void *argument)
{
	register long x8 __asm__("x8") = __NR_clone;
	register long x0 __asm__("x0") = (long)flags;
	register void *x1 __asm__("x1") = stack;
	register void (*x9)(void *) __asm__("x9") = child;
	register void *x10 __asm__("x10") = argument;

	__asm__ volatile("svc #0\n\tcbnz x0, 1f\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, x10\n\tblr x9\n\tbrk #1\n1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x9), "r"(x10)
			 : "memory");
	return x0;
}
#else
#error "the init of a step is written for x86-64 and aarch64"
#endif

/* The kernel's signal set, not the C library's. */
typedef unsigned long kernel_signals;
#define SIGNALS_SIZE sizeof(kernel_signals)

#define STACK_GAP 4096UL

static __attribute__((noreturn)) void leave(int status)
{
	for (;;)
		call(__NR_exit_group, status, 0, 0, 0, 0);
}

/* ---- Text ---- */

static unsigned long length(const char *text)
{
	unsigned long n = 0;

	while (text[n])
		n++;
	return n;
}

static int has_slash(const char *text)
{
	for (; *text; text++)
		if (*text == '/')
			return 1;
	return 0;
}

static const char *find_path(char **env)
{
	for (; *env; env++) {
		const char *e = *env;
		if (e[0] == 'P' && e[1] == 'A' && e[2] == 'T' && e[3] == 'H' && e[4] == '=')
			return e + 5;
	}
	return INIT_PATH_DEFAULT;
}

static void *copy(char *to, const char *from, unsigned long size)
{
	for (unsigned long i = 0; i < size; i++)
		to[i] = from[i];
	return to + size;
}

/* ---- The command ---- */

static int execute(const char *path, char **argv, char **env)
{
	return (int)-call(__NR_execve, (long)path, (long)argv, (long)env, 0, 0);
}

/* As execvp(3) does: the first that can be executed; EACCES is kept in mind over "not found". A file without a known
 * format is an error, not a script: no shell of ours is started behind the user's back. */
static int search(char **argv, char **env)
{
	char candidate[PATH_MAX];
	const char *path = find_path(env);
	unsigned long name_length = length(argv[0]);
	int code = ENOENT;

	while (*path) {
		unsigned long n = 0;
		while (path[n] && path[n] != ':')
			n++;
		if (n + name_length + 2 <= sizeof(candidate)) {
			char *end = copy(candidate, path, n);
			if (n > 0)
				*end++ = '/';
			end = copy(end, argv[0], name_length);
			*end = '\0';
			int failure = execute(candidate, argv, env);
			if (failure == EACCES)
				code = EACCES;
			else if (failure != ENOENT && failure != ENOTDIR)
				return failure;
		}
		path += n + (path[n] == ':');
	}
	return code;
}

struct command {
	const char *flags;
	char **argv, **env;
	unsigned is_alone; /* a futex(2): 1 once the init has closed its end of the channel */
};

/* Shares our memory, and writes to none of it but its stack. Executes nothing before the init has closed its end of the
 * channel: the command could take it from there (pidfd_getfd(2)). */
static __attribute__((noreturn)) void be_command(void *argument)
{
	struct command *command = argument;
	char **argv = command->argv;
	kernel_signals none = 0;
	struct init_report report = {.kind = INIT_REPORT_EXEC};

	/* Should the init be killed where there is no pid namespace, its command goes with it. */
	call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* A session of its own: signals can then be sent to all of its foreground, and a terminal can be its own. */
	call(__NR_setsid, 0, 0, 0, 0, 0);
	if (command->flags[0] == INIT_FLAG_TERMINAL)
		call(__NR_ioctl, 0, TIOCSCTTY, 0, 0, 0);
	call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, SIGNALS_SIZE, 0);
	while (!__atomic_load_n(&command->is_alone, __ATOMIC_ACQUIRE))
		call(__NR_futex, (long)&command->is_alone, FUTEX_WAIT, 0, 0, 0);
	report.code = argv[0][0] == '\0'   ? ENOENT
		      : has_slash(argv[0]) ? execute(argv[0], argv, command->env)
					   : search(argv, command->env);
	call(__NR_write, INIT_CHANNEL, (long)&report, sizeof(report), 0, 0);
	leave(report.code == ENOENT || report.code == ENOTDIR ? 127 : 126);
}

/* Nothing is copied: the command's process has our memory until it executes. We do not stand still meanwhile, as for
 * vfork(2): there is our end of the channel to close. Its stack lies below ours, and the rest of ours is far smaller
 * than the gap. */
static long start_command(struct command *command)
{
	unsigned long below = ((unsigned long)__builtin_frame_address(0) - STACK_GAP) & ~15UL;

	return clone_onto((void *)below, CLONE_VM | SIGCHLD, be_command, command);
}

/* ---- The first process ---- */

static int status_of(int status)
{
	int number = status & 0x7f;

	return number ? 128 + number : (status >> 8) & 0xff;
}

/* Everything that has ended is taken off the process table; the command's end is ours. */
static void reap(long command)
{
	for (;;) {
		int status = 0;
		long pid = call(__NR_wait4, -1, (long)&status, WNOHANG, 0, 0);
		if (pid == command)
			leave(status_of(status));
		if (pid <= 0)
			return;
	}
}

/* What a terminal would send goes to the whole foreground, as it would from there; SIGTERM to the command alone, which
 * may have children to end in order. No group yet: to the command. */
static void pass_on(long command, int number)
{
	if (number == SIGTERM || call(__NR_kill, -command, number, 0, 0, 0) == -ESRCH)
		call(__NR_kill, command, number, 0, 0, 0);
}

__attribute__((noreturn, used)) void start(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1);
	struct command step = {.flags = argv[1], .argv = argv + 2, .env = argv + argc + 1};
	kernel_signals all = ~(kernel_signals)0;

	if (argc < 3)
		leave(125);
	/* Blocked, they wait for us: the first process of a namespace would otherwise lose what it has no handler for.
	 */
	call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, SIGNALS_SIZE, 0);
	call(__NR_fcntl, INIT_CHANNEL, F_SETFD, FD_CLOEXEC, 0, 0);
	long command = start_command(&step);
	if (command < 0) {
		struct init_report report = {.kind = INIT_REPORT_EXEC, .code = (int)-command};
		call(__NR_write, INIT_CHANNEL, (long)&report, sizeof(report), 0, 0);
		leave(126);
	}
	call(__NR_close, INIT_CHANNEL, 0, 0, 0, 0);
	__atomic_store_n(&step.is_alone, 1, __ATOMIC_RELEASE);
	call(__NR_futex, (long)&step.is_alone, FUTEX_WAKE, 1, 0, 0);
	for (;;) {
		long number = call(__NR_rt_sigtimedwait, (long)&all, 0, 0, SIGNALS_SIZE, 0);
		if (number == SIGCHLD)
			reap(command);
		else if (number > 0)
			pass_on(command, (int)number);
	}
}

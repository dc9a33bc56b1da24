/*
 * The registers of a stopped thread: its call, the arguments, the result. The one place here that knows an
 * architecture.
 */
#include <errno.h>
#include <linux/elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "run/translate_trace_internal.h"

#if defined(__x86_64__)
int trace_read_regs(pid_t tid, struct trace_regs *regs)
{
	struct user_regs_struct native;
	struct iovec area = {.iov_base = &native, .iov_len = sizeof(native)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &area) < 0)
		return -errno;
	_Static_assert(sizeof(native) <= sizeof(regs->native), "the registers do not fit");
	memcpy(regs->native, &native, sizeof(native));
	regs->number = (int64_t)native.orig_rax;
	regs->result = (int64_t)native.rax;
	const uint64_t args[TRAP_ARGS] = {native.rdi, native.rsi, native.rdx, native.r10, native.r8, native.r9};
	memcpy(regs->args, args, sizeof(args));
	return 0;
}

int trace_write_regs(pid_t tid, const struct trace_regs *regs)
{
	struct user_regs_struct native;
	struct iovec area = {.iov_base = &native, .iov_len = sizeof(native)};

	memcpy(&native, regs->native, sizeof(native));
	native.orig_rax = (unsigned long long)regs->number;
	native.rax = (unsigned long long)regs->result;
	native.rdi = regs->args[0];
	native.rsi = regs->args[1];
	native.rdx = regs->args[2];
	native.r10 = regs->args[3];
	native.r8 = regs->args[4];
	native.r9 = regs->args[5];
	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &area) < 0 ? -errno : 0;
}

void trace_go_back(struct trace_regs *regs, int64_t number)
{
	struct user_regs_struct native;

	memcpy(&native, regs->native, sizeof(native));
	native.rip -= 2; /* syscall */
	memcpy(regs->native, &native, sizeof(native));
	regs->result = number;
	regs->number = -1;
}
#else
int trace_read_regs(pid_t tid, struct trace_regs *regs)
{
	return -ENOTSUP;
}

int trace_write_regs(pid_t tid, const struct trace_regs *regs)
{
	return -ENOTSUP;
}

void trace_go_back(struct trace_regs *regs, int64_t number)
{
}
#endif

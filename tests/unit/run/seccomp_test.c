/*
 * The filter by what it answers: programs are run in a small interpreter of classic BPF, so no test looks at
 * instructions and none is filtered itself. Calls are named by number, as the kernel sees them.
 */
#include "run/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/tree.h"
#include "run/seccomp_cache.h"
#include "run/seccomp_gate.h"
#include "run/seccomp_profile.h"
#include "run/seccomp_table.h"
#include "run/siphash.h"

#define ALLOW SECCOMP_RET_ALLOW
#define FAILS(code) (SECCOMP_RET_ERRNO | (code))
#define CAP(name) (UINT64_C(1) << CAP_##name)

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define FOREIGN AUDIT_ARCH_AARCH64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#define FOREIGN AUDIT_ARCH_X86_64
#else
#error "say what is native and what is foreign here"
#endif

#define PROGRAM_INIT BUF_INIT(BUF_MAX_DEFAULT)

/* ---- The kernel's side ---- */

static uint32_t word_at(const struct seccomp_data *data, uint32_t offset)
{
	uint32_t word;
	assert_true(offset % 4 == 0 && offset + 4 <= sizeof(*data));
	memcpy(&word, (const char *)data + offset, sizeof(word));
	return word;
}

static bool jump_is_taken(const struct sock_filter *at, uint32_t a)
{
	switch (BPF_OP(at->code)) {
	case BPF_JEQ:
		return a == at->k;
	case BPF_JGT:
		return a > at->k;
	case BPF_JGE:
		return a >= at->k;
	case BPF_JSET:
		return (a & at->k) != 0;
	}
	fail_msg("jump 0x%x", at->code);
	return false;
}

static uint32_t interpret(const struct buf *program, const struct seccomp_data *data)
{
	const struct sock_filter *code = (const void *)program->data;
	size_t count = program->len / sizeof(*code);
	uint32_t a = 0;
	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *at = &code[pc];
		switch (BPF_CLASS(at->code)) {
		case BPF_RET:
			return at->k;
		case BPF_LD:
			assert_int_equal(at->code, BPF_LD | BPF_W | BPF_ABS);
			a = word_at(data, at->k);
			break;
		case BPF_ALU:
			assert_int_equal(at->code, BPF_ALU | BPF_AND | BPF_K);
			a &= at->k;
			break;
		case BPF_JMP:
			if (at->code == (BPF_JMP | BPF_JA))
				pc += at->k;
			else
				pc += jump_is_taken(at, a) ? at->jt : at->jf;
			break;
		default:
			fail_msg("instruction 0x%x", at->code);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

static uint32_t verdict(const struct buf *program, uint32_t arch, long number, uint64_t arg0, uint64_t arg1)
{
	struct seccomp_data data = {.nr = (int)number, .arch = arch, .args = {arg0, arg1}};
	return interpret(program, &data);
}

static void load(struct seccomp_options options, struct buf *program)
{
	cleanup_error struct error *err = NULL;
	buf_clear(program);
	if (seccomp_load(&options, program, &err) < 0)
		fail_msg("%s", error_message(err));
	assert_int_equal(program->len % sizeof(struct sock_filter), 0);
	assert_in_range(program->len / sizeof(struct sock_filter), 1, BPF_MAXINSNS);
}

static void load_profile(const char *text, struct buf *program)
{
	load((struct seccomp_options){.profile = text, .profile_size = strlen(text), .cache = -1}, program);
}

struct expectation {
	long number;
	uint64_t arg0, arg1;
	uint32_t verdict;
};

static void expect_all(const struct buf *program, uint32_t arch, const struct expectation *expected, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct expectation *e = &expected[i];
		uint32_t got = verdict(program, arch, e->number, e->arg0, e->arg1);
		if (got != e->verdict)
			fail_msg("arch 0x%x call %ld(0x%lx, 0x%lx): 0x%x, expected 0x%x", arch, e->number,
				 (unsigned long)e->arg0, (unsigned long)e->arg1, got, e->verdict);
	}
}

/* ---- cooper's own list ---- */

static void allows_what_a_build_step_needs(void **state)
{
	static const struct expectation expected[] = {
		{SYS_read, 0, 0, ALLOW},      {SYS_openat, 0, 0, ALLOW},
		{SYS_execve, 0, 0, ALLOW},    {SYS_fchownat, 0, 0, ALLOW},
		{SYS_mknodat, 0, 0, ALLOW},   {SYS_chroot, 0, 0, ALLOW},
		{SYS_ptrace, 0, 0, ALLOW},    {SYS_setgroups, 0, 0, ALLOW},
		{SYS_seccomp, 0, 0, ALLOW},   {SYS_copy_file_range, 0, 0, ALLOW},
		{SYS_getrandom, 0, 0, ALLOW}, {SYS_prctl, 0, 0, ALLOW},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

static void refuses_what_is_dangerous(void **state)
{
	static const struct expectation expected[] = {
		{SYS_mount, 0, 0, FAILS(EPERM)},
		{SYS_umount2, 0, 0, FAILS(EPERM)},
		{SYS_pivot_root, 0, 0, FAILS(EPERM)},
		{SYS_fsopen, 0, 0, FAILS(EPERM)},
		{SYS_setns, 0, 0, FAILS(EPERM)},
		{SYS_bpf, 0, 0, FAILS(EPERM)},
		{SYS_keyctl, 0, 0, FAILS(EPERM)},
		{SYS_add_key, 0, 0, FAILS(EPERM)},
		{SYS_request_key, 0, 0, FAILS(EPERM)},
		{SYS_userfaultfd, 0, 0, FAILS(EPERM)},
		{SYS_perf_event_open, 0, 0, FAILS(EPERM)},
		{SYS_io_uring_setup, 0, 0, FAILS(EPERM)},
		{SYS_io_uring_enter, 0, 0, FAILS(EPERM)},
		{SYS_kexec_load, 0, 0, FAILS(EPERM)},
		{SYS_init_module, 0, 0, FAILS(EPERM)},
		{SYS_finit_module, 0, 0, FAILS(EPERM)},
		{SYS_open_by_handle_at, 0, 0, FAILS(EPERM)},
		{SYS_reboot, 0, 0, FAILS(EPERM)},
		{SYS_swapon, 0, 0, FAILS(EPERM)},
		{SYS_clock_settime, 0, 0, FAILS(EPERM)},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

static void answers_unknown_and_foreign_calls_with_enosys(void **state)
{
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	assert_int_equal(verdict(&program, NATIVE, 999, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, NATIVE, -1, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, NATIVE, SYS_clone3, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, FOREIGN, SYS_read, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, AUDIT_ARCH_S390X, 3, 0, 0), FAILS(ENOSYS));
}

static void refuses_namespaces_but_not_threads(void **state)
{
	static const struct expectation expected[] = {
		{SYS_clone, SIGCHLD, 0, ALLOW},
		{SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, ALLOW},
		{SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, FAILS(EPERM)},
		{SYS_clone, CLONE_NEWNS, 0, FAILS(EPERM)},
		{SYS_clone, CLONE_NEWCGROUP, 0, FAILS(EPERM)},
		{SYS_clone, UINT64_C(0x100000000) | CLONE_NEWPID, 0, FAILS(EPERM)},
		{SYS_unshare, CLONE_FILES | CLONE_FS, 0, ALLOW},
		{SYS_unshare, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{SYS_unshare, CLONE_NEWNET | CLONE_FS, 0, FAILS(EPERM)},
		{SYS_unshare, /* CLONE_NEWTIME */ 0x80, 0, FAILS(EPERM)},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

static void masks_personality(void **state)
{
	static const struct expectation expected[] = {
		{SYS_personality, 0, 0, ALLOW},
		{SYS_personality, 8, 0, ALLOW},
		{SYS_personality, 0x20000, 0, ALLOW},
		{SYS_personality, 0x20008, 0, ALLOW},
		{SYS_personality, 0xffffffff, 0, ALLOW},
		{SYS_personality, UINT64_MAX, 0, ALLOW},
		{SYS_personality, 0x40000, 0, FAILS(EPERM)},
		{SYS_personality, 0x400000, 0, FAILS(EPERM)},
		{SYS_personality, 1, 0, FAILS(EPERM)},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

/* The kernel takes an int: what stands in the upper half must not get anything past the filter. */
static void compares_the_half_of_an_argument_that_the_kernel_reads(void **state)
{
	static const struct expectation expected[] = {
		{SYS_socket, AF_INET, 0, ALLOW},
		{SYS_socket, AF_UNIX, 0, ALLOW},
		{SYS_socket, AF_NETLINK, 0, ALLOW},
		{SYS_socket, AF_PACKET, 0, ALLOW},
		{SYS_socket, AF_ALG, 0, FAILS(EAFNOSUPPORT)},
		{SYS_socket, AF_VSOCK, 0, FAILS(EAFNOSUPPORT)},
		{SYS_socket, UINT64_C(0x700000000) | AF_VSOCK, 0, FAILS(EAFNOSUPPORT)},
		{SYS_socket, UINT64_C(0x700000000) | AF_INET, 0, ALLOW},
		{SYS_ioctl, 0, TCGETS, ALLOW},
		{SYS_ioctl, 0, TIOCSTI, FAILS(EPERM)},
		{SYS_ioctl, 0, TIOCLINUX, FAILS(EPERM)},
		{SYS_ioctl, 0, UINT64_C(0xdeadbeef00000000) | TIOCSTI, FAILS(EPERM)},
		{SYS_ioctl, TIOCSTI, 0, ALLOW},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

/* What an OCI runtime is given, compiled by libseccomp as the runtime will. Not what is only there: CLONE_NEWTIME. */
static void as_text_for_a_runtime_it_is_the_same_filter(void **state)
{
	static const struct expectation expected[] = {
		{SYS_read, 0, 0, ALLOW},
		{SYS_mount, 0, 0, FAILS(EPERM)},
		{SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, 0, ALLOW},
		{SYS_clone, UINT64_C(0x100000000) | CLONE_NEWPID | CLONE_NEWUSER, 0, FAILS(EPERM)},
		{SYS_unshare, CLONE_FILES | CLONE_FS, 0, ALLOW},
		{SYS_unshare, CLONE_NEWNET | CLONE_FS, 0, FAILS(EPERM)},
		{SYS_personality, 0x20008, 0, ALLOW},
		{SYS_personality, UINT64_MAX, 0, ALLOW},
		{SYS_personality, 0x400000, 0, FAILS(EPERM)},
		{SYS_personality, 1, 0, FAILS(EPERM)},
		{SYS_socket, AF_INET, 0, ALLOW},
		{SYS_socket, AF_PACKET, 0, ALLOW},
		{SYS_socket, UINT64_C(0x700000000) | AF_INET, 0, ALLOW},
		{SYS_socket, AF_ALG, 0, FAILS(EAFNOSUPPORT)},
		{SYS_socket, UINT64_C(0x700000000) | AF_VSOCK, 0, FAILS(EAFNOSUPPORT)},
		{SYS_ioctl, 0, TCGETS, ALLOW},
		{SYS_ioctl, 0, 0xffffffff, ALLOW},
		{SYS_ioctl, 0, TIOCSTI ^ 1, ALLOW},
		{SYS_ioctl, 0, TIOCSTI, FAILS(EPERM)},
		{SYS_ioctl, 0, UINT64_C(0xdeadbeef00000000) | TIOCSTI, FAILS(EPERM)},
		{SYS_ioctl, 0, TIOCLINUX, FAILS(EPERM)},
	};
	const struct seccomp_options options = {.cache = -1};
	cleanup(buf_done) struct buf text = BUF_INIT(SECCOMP_PROFILE_SIZE_MAX);
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	assert_int_equal(seccomp_describe(&options, &text, NULL), 0);
	load_profile(buf_str(&text), &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
	for (uint64_t family = 0; family < 64; family++)
		assert_true(verdict(&program, NATIVE, SYS_socket, family, 0) == ALLOW ||
			    verdict(&program, NATIVE, SYS_socket, family, 0) == FAILS(EAFNOSUPPORT));
}

static void capabilities_open_what_they_are_for(void **state)
{
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.capabilities = CAP(SYS_ADMIN), .cache = -1}, &program);
	static const struct expectation admin[] = {
		{SYS_mount, 0, 0, ALLOW},
		{SYS_setns, 0, 0, ALLOW},
		{SYS_unshare, CLONE_NEWNS, 0, ALLOW},
		{SYS_clone, CLONE_NEWPID, 0, ALLOW},
		{SYS_unshare, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{SYS_clone, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{SYS_clone3, 0, 0, FAILS(ENOSYS)},
		{SYS_keyctl, 0, 0, FAILS(EPERM)},
		{SYS_open_by_handle_at, 0, 0, FAILS(EPERM)},
		{SYS_pivot_root, 0, 0, FAILS(EPERM)},
	};
	expect_all(&program, NATIVE, admin, ARRAY_COUNT(admin));

	load((struct seccomp_options){.capabilities = CAP(DAC_READ_SEARCH) | CAP(SYS_TIME), .cache = -1}, &program);
	static const struct expectation others[] = {
		{SYS_open_by_handle_at, 0, 0, ALLOW},
		{SYS_clock_settime, 0, 0, ALLOW},
		{SYS_mount, 0, 0, FAILS(EPERM)},
	};
	expect_all(&program, NATIVE, others, ARRAY_COUNT(others));
}

static void nested_containers_get_what_they_need(void **state)
{
	static const struct expectation expected[] = {
		{SYS_clone3, 0, 0, ALLOW},
		{SYS_clone, CLONE_NEWUSER, 0, ALLOW},
		{SYS_unshare, CLONE_NEWUSER, 0, ALLOW},
		{SYS_mount, 0, 0, ALLOW},
		{SYS_pivot_root, 0, 0, ALLOW},
		{SYS_setns, 0, 0, ALLOW},
		{SYS_sethostname, 0, 0, ALLOW},
		{SYS_bpf, 0, 0, FAILS(EPERM)},
		{SYS_keyctl, 0, 0, FAILS(EPERM)},
		{SYS_ioctl, 0, TIOCSTI, FAILS(EPERM)},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.allow_nested_userns = true, .cache = -1}, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

#if defined(__x86_64__)
/* i386: read 3, mount 21, clone 120, ioctl 54, socketcall 102, socket 359, unshare 310, clone3 435.
 * x32: the numbers of x86-64 with a bit, ioctl 514. */
static void serves_the_second_architectures_of_the_machine(void **state)
{
	static const struct expectation i386[] = {
		{3, 0, 0, ALLOW},
		{21, 0, 0, FAILS(EPERM)},
		{120, SIGCHLD, 0, ALLOW},
		{120, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{54, 0, TIOCSTI, FAILS(EPERM)},
		{102, 1, 0, ALLOW},
		{359, AF_ALG, 0, FAILS(EAFNOSUPPORT)},
		{359, AF_INET, 0, ALLOW},
		{310, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{435, 0, 0, FAILS(ENOSYS)},
		{212, 0, 0, ALLOW}, /* chown32 */
		{9999, 0, 0, FAILS(ENOSYS)},
	};
	static const struct expectation x32[] = {
		{SECCOMP_X32_BIT | SYS_openat, 0, 0, ALLOW},
		{SECCOMP_X32_BIT | SYS_mount, 0, 0, FAILS(EPERM)},
		{SECCOMP_X32_BIT | SYS_clone, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{SECCOMP_X32_BIT | 514, 0, TIOCSTI, FAILS(EPERM)},
		{SECCOMP_X32_BIT | 514, 0, TCGETS, ALLOW},
		{SECCOMP_X32_BIT | SYS_clone3, 0, 0, FAILS(ENOSYS)},
		/* What the kernel does not have is refused no less: the gates stand before both numbers of a call. */
		{SECCOMP_X32_BIT | SYS_ioctl, 0, TIOCSTI, FAILS(EPERM)},
		{514, 0, TIOCSTI, FAILS(EPERM)},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, AUDIT_ARCH_I386, i386, ARRAY_COUNT(i386));
	expect_all(&program, AUDIT_ARCH_X86_64, x32, ARRAY_COUNT(x32));
}
#else
/* arm: read 3, mount 21, clone 120, socket 281, unshare 337. */
static void serves_the_second_architectures_of_the_machine(void **state)
{
	static const struct expectation arm[] = {
		{3, 0, 0, ALLOW},
		{21, 0, 0, FAILS(EPERM)},
		{120, CLONE_NEWUSER, 0, FAILS(EPERM)},
		{281, AF_ALG, 0, FAILS(EAFNOSUPPORT)},
		{337, CLONE_NEWUSER, 0, FAILS(EPERM)},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load((struct seccomp_options){.cache = -1}, &program);
	expect_all(&program, AUDIT_ARCH_ARM, arm, ARRAY_COUNT(arm));
}
#endif

/* ---- Profiles ---- */

static void reads_rules_of_a_profile(void **state)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
		"{\"names\":[\"getcwd\",\"no_such_call\"],\"action\":\"SCMP_ACT_ERRNO\"},"
		"{\"name\":\"uname\",\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13},"
		"{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1,\"errno\":\"EBUSY\"},"
		"{\"names\":[\"getppid\"],\"action\":\"SCMP_ACT_KILL\"},"
		"{\"names\":[\"getuid\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		"{\"names\":[\"getgid\"],\"action\":\"SCMP_ACT_TRAP\"},"
		"{\"names\":[\"geteuid\"],\"action\":\"SCMP_ACT_LOG\",\"args\":null,\"includes\":{},\"excludes\":{}}]}";
	static const struct expectation expected[] = {
		{SYS_read, 0, 0, ALLOW},
		{SYS_getcwd, 0, 0, FAILS(EPERM)},
		{SYS_uname, 0, 0, FAILS(EACCES)},
		{SYS_getpid, 0, 0, FAILS(EBUSY)},
		{SYS_getppid, 0, 0, SECCOMP_RET_KILL_THREAD},
		{SYS_getuid, 0, 0, SECCOMP_RET_KILL_PROCESS},
		{SYS_getgid, 0, 0, SECCOMP_RET_TRAP},
		{SYS_geteuid, 0, 0, SECCOMP_RET_LOG},
		{9999, 0, 0, ALLOW},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load_profile(text, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

static void reads_every_operator(void **state)
{
	static const struct {
		const char *operator;
		uint64_t value, value_two;
		uint64_t hit, miss;
	} cases[] = {
		{"NE", 5, 0, 6, 5}, {"LT", 5, 0, 4, 5}, {"LE", 5, 0, 5, 6},	     {"EQ", 5, 0, 5, 4},
		{"GE", 5, 0, 5, 4}, {"GT", 5, 0, 6, 5}, {"MASKED_EQ", 12, 4, 7, 12},
	};
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup(buf_done) struct buf program = PROGRAM_INIT;
		cleanup_free char *text = mem_printf(
			"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"umask\"],"
			"\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"value\":%ju,\"valueTwo\":%ju,"
			"\"op\":\"SCMP_CMP_%s\"}]}]}",
			(uintmax_t)cases[i].value, (uintmax_t)cases[i].value_two, cases[i].operator);
		load_profile(text, &program);
		assert_int_equal(verdict(&program, NATIVE, SYS_umask, cases[i].hit, 0), FAILS(EPERM));
		assert_int_equal(verdict(&program, NATIVE, SYS_umask, cases[i].miss, 0), ALLOW);
	}
}

static void conditions_on_different_arguments_must_all_hold_and_on_one_any(void **state)
{
	static const char text[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
				   "{\"names\":[\"dup3\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
				   "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
				   "{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]},"
				   "{\"names\":[\"umask\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
				   "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
				   "{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}";
	static const struct expectation expected[] = {
		{SYS_dup3, 1, 2, FAILS(EPERM)},	 {SYS_dup3, 1, 3, ALLOW},	  {SYS_dup3, 2, 2, ALLOW},
		{SYS_umask, 1, 0, FAILS(EPERM)}, {SYS_umask, 2, 0, FAILS(EPERM)}, {SYS_umask, 3, 0, ALLOW},
	};
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load_profile(text, &program);
	expect_all(&program, NATIVE, expected, ARRAY_COUNT(expected));
}

static uint32_t verdict_for(const char *condition, uint64_t capabilities, unsigned major, unsigned minor)
{
	cleanup_free char *text =
		mem_printf("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getcwd\"],"
			   "\"action\":\"SCMP_ACT_ERRNO\",%s}]}",
			   condition);
	struct seccomp_subject subject = {.capabilities = capabilities, .kernel_major = major, .kernel_minor = minor};
	cleanup(seccomp_policy_done) struct seccomp_policy policy = {0};
	cleanup_error struct error *err = NULL;
	if (seccomp_profile_parse(text, strlen(text), "p", &subject, &policy, &err) < 0)
		fail_msg("%s", error_message(err));
	return policy.rule_count ? policy.rules[0].action : policy.default_action;
}

static void applies_rules_to_whom_they_are_for(void **state)
{
	const char *admin = "\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}";
	const char *both = "\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}";
	const char *not_admin = "\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}";
	assert_int_equal(verdict_for(admin, 0, 6, 1), ALLOW);
	assert_int_equal(verdict_for(admin, CAP(SYS_ADMIN), 6, 1), FAILS(EPERM));
	assert_int_equal(verdict_for(both, CAP(SYS_ADMIN), 6, 1), ALLOW);
	assert_int_equal(verdict_for(both, CAP(SYS_ADMIN) | CAP(CHOWN), 6, 1), FAILS(EPERM));
	assert_int_equal(verdict_for(not_admin, 0, 6, 1), FAILS(EPERM));
	assert_int_equal(verdict_for(not_admin, CAP(SYS_ADMIN), 6, 1), ALLOW);
	assert_int_equal(verdict_for("\"includes\":{\"caps\":[\"CAP_FROM_THE_FUTURE\"]}", UINT64_MAX, 6, 1), ALLOW);
	assert_int_equal(verdict_for("\"includes\":{\"minKernel\":\"4.8\"}", 0, 4, 7), ALLOW);
	assert_int_equal(verdict_for("\"includes\":{\"minKernel\":\"4.8\"}", 0, 4, 8), FAILS(EPERM));
	assert_int_equal(verdict_for("\"includes\":{\"minKernel\":\"4.8\"}", 0, 5, 0), FAILS(EPERM));
	assert_int_equal(verdict_for("\"excludes\":{\"minKernel\":\"4.8\"}", 0, 5, 0), ALLOW);
	assert_int_equal(verdict_for("\"includes\":{\"arches\":[\"no-such-machine\"]}", 0, 6, 1), ALLOW);
	cleanup_free char *here = mem_printf("\"includes\":{\"arches\":[\"%s\"]}", seccomp_native_go_arch);
	assert_int_equal(verdict_for(here, 0, 6, 1), FAILS(EPERM));
	cleanup_free char *elsewhere = mem_printf("\"excludes\":{\"arches\":[\"%s\"]}", seccomp_native_go_arch);
	assert_int_equal(verdict_for(elsewhere, 0, 6, 1), ALLOW);
}

static void answers_calls_newer_than_the_profile_with_enosys(void **state)
{
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load_profile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		     "{\"names\":[\"read\",\"openat2\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		     &program);
	assert_int_equal(verdict(&program, NATIVE, SYS_read, 0, 0), ALLOW);
	assert_int_equal(verdict(&program, NATIVE, SYS_openat2, 0, 0), ALLOW);
	assert_int_equal(verdict(&program, NATIVE, SYS_getcwd, 0, 0), FAILS(EPERM));
	assert_int_equal(verdict(&program, NATIVE, SYS_openat2 + 1, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, NATIVE, 2000, 0, 0), FAILS(ENOSYS));
	load_profile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"syscalls\":[]}", &program);
	assert_int_equal(verdict(&program, NATIVE, SYS_read, 0, 0), FAILS(ENOSYS));
}

#if defined(__x86_64__)
static void takes_the_second_architectures_from_the_profile(void **state)
{
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	load_profile("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[]}", &program);
	assert_int_equal(verdict(&program, AUDIT_ARCH_X86_64, SYS_read, 0, 0), ALLOW);
	assert_int_equal(verdict(&program, AUDIT_ARCH_I386, 3, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, AUDIT_ARCH_X86_64, SECCOMP_X32_BIT | SYS_read, 0, 0), FAILS(ENOSYS));
	load_profile("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":\"SCMP_ARCH_AARCH64\","
		     "\"subArchitectures\":[\"SCMP_ARCH_ARM\"]},{\"architecture\":\"SCMP_ARCH_X86_64\","
		     "\"subArchitectures\":[\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"]}],"
		     "\"syscalls\":[{\"names\":[\"read\",\"socket\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		     &program);
	assert_int_equal(verdict(&program, AUDIT_ARCH_I386, 3, 0, 0), ALLOW);
	assert_int_equal(verdict(&program, AUDIT_ARCH_I386, 4, 0, 0), FAILS(EPERM));
	assert_int_equal(verdict(&program, AUDIT_ARCH_I386, 400, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, AUDIT_ARCH_X86_64, SECCOMP_X32_BIT | SYS_read, 0, 0), ALLOW);
	assert_int_equal(verdict(&program, AUDIT_ARCH_X86_64, SECCOMP_X32_BIT | SYS_socket, 0, 0), ALLOW);
	assert_int_equal(verdict(&program, AUDIT_ARCH_X86_64, SECCOMP_X32_BIT | 500, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, AUDIT_ARCH_X86_64, SYS_getpid, 0, 0), FAILS(EPERM));
	assert_int_equal(verdict(&program, AUDIT_ARCH_ARM, 3, 0, 0), FAILS(ENOSYS));
	load_profile(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\"]}",
		&program);
	assert_int_equal(verdict(&program, AUDIT_ARCH_I386, 3, 0, 0), ALLOW);
}
#endif

static void refuses_profiles_by_name_of_what_is_wrong(void **state)
{
#define CALL(rest) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{" rest "}]}"
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{"", "empty"},
		{"[]", "not an object"},
		{"{}", "defaultAction"},
		{"{\"defaultAction\":\"SCMP_ACT_MAYBE\"}", "unknown action 'SCMP_ACT_MAYBE'"},
		{"{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "SCMP_ACT_NOTIFY"},
		{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", "defaultErrnoRet"},
		{"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"EFOO\"}", "EFOO"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_NEW_LISTENER\"]}",
		 "NEW_LISTENER"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/x\"}", "listener"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}", "SCMP_ARCH_Z80"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{}]}", "archMap[0].architecture"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":{}}", "syscalls: not an array"},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[7]}", "syscalls[0]"},
		{CALL("\"action\":\"SCMP_ACT_ALLOW\""), "names no system call"},
		{CALL("\"names\":[\"read\"]"), "syscalls[0].action"},
		{CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_TRACE\""), "SCMP_ACT_TRACE"},
		{CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"includes\":[]"), "includes: not an object"},
		{CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"includes\":{\"minKernel\":\"new\"}"),
		 "'new'"},
		{CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"op\":\"SCMP_CMP_EQ\"}]"),
		 "args[0].index"},
		{CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}"
		      "]"),
		 "args[0].index"},
		{CALL("\"names\":[\"read\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":0,\"op\":\"SCMP_CMP_IS\"}"
		      "]"),
		 "SCMP_CMP_IS"},
	};
#undef CALL
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		cleanup_error struct error *err = NULL;
		cleanup(buf_done) struct buf program = PROGRAM_INIT;
		struct seccomp_options options = {.profile = cases[i].text,
						  .profile_size = strlen(cases[i].text),
						  .profile_name = "my.json",
						  .cache = -1};
		assert_int_equal(seccomp_load(&options, &program, &err), -EINVAL);
		if (!strstr(error_message(err), cases[i].message) || !strstr(error_message(err), "my.json"))
			fail_msg("case %zu: %s", i, error_message(err));
		assert_int_equal(program.len, 0);
	}
}

/* ---- The cache ---- */

struct fixture {
	char path[sizeof("/tmp/seccomp-test-XXXXXX")];
	int dir;
};

static int make_directory(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));
	memcpy(f->path, "/tmp/seccomp-test-XXXXXX", sizeof(f->path));
	*state = f;
	if (!mkdtemp(f->path))
		return -1;
	f->dir = fd_open_dir(AT_FDCWD, f->path, /* err */ NULL);
	return f->dir < 0 ? -1 : 0;
}

static int remove_directory(void **state)
{
	struct fixture *f = *state;
	fd_close(f->dir);
	int rc = tree_remove(AT_FDCWD, f->path, /* err */ NULL);
	free(f);
	return rc;
}

/* The name of the one file in the directory. */
static char *only_file(const struct fixture *f)
{
	char *name = NULL;
	DIR *dir = opendir(f->path);
	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		assert_null(name);
		name = mem_strdup(entry->d_name);
	}
	closedir(dir);
	assert_non_null(name);
	return name;
}

static void read_file(const struct fixture *f, const char *name, struct buf *bytes)
{
	buf_clear(bytes);
	assert_int_equal(fd_read_file(f->dir, name, bytes, /* err */ NULL), 0);
}

static void write_file(const struct fixture *f, const char *name, const void *data, size_t size)
{
	assert_int_equal(atomic_file_write(f->dir, name, 0600, data, size, /* flags */ 0, /* err */ NULL), 0);
}

static void assert_same(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
}

static void keeps_a_program_for_each_kind_of_step(void **state)
{
	const struct fixture *f = *state;
	cleanup(buf_done) struct buf first = PROGRAM_INIT;
	cleanup(buf_done) struct buf again = PROGRAM_INIT;
	cleanup(buf_done) struct buf admin = PROGRAM_INIT;
	load((struct seccomp_options){.cache = f->dir}, &first);
	cleanup_free char *name = only_file(f);
	load((struct seccomp_options){.cache = f->dir}, &again);
	assert_same(&first, &again);
	load((struct seccomp_options){.cache = f->dir, .capabilities = CAP(SYS_ADMIN)}, &admin);
	assert_int_equal(verdict(&admin, NATIVE, SYS_mount, 0, 0), ALLOW);
	load((struct seccomp_options){.cache = f->dir}, &again);
	assert_int_equal(verdict(&again, NATIVE, SYS_mount, 0, 0), FAILS(EPERM));
}

static void makes_a_damaged_cache_file_again(void **state)
{
	const struct fixture *f = *state;
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	cleanup(buf_done) struct buf again = PROGRAM_INIT;
	cleanup(buf_done) struct buf whole = PROGRAM_INIT;
	cleanup(buf_done) struct buf now = PROGRAM_INIT;
	load((struct seccomp_options){.cache = f->dir}, &program);
	cleanup_free char *name = only_file(f);
	read_file(f, name, &whole);
	/* in the sizes, the checksum, the inputs, the program */
	const size_t places[] = {0, 17, 33, 45, 200, whole.len / 2, whole.len - 1};
	for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
		cleanup_free char *bytes = mem_dup(whole.data, whole.len);
		bytes[places[i]] ^= 0x10;
		write_file(f, name, bytes, whole.len);
		load((struct seccomp_options){.cache = f->dir}, &again);
		assert_same(&again, &program);
		read_file(f, name, &now);
		assert_same(&now, &whole);
	}
	const size_t lengths[] = {0, 10, 64, whole.len - 8};
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		write_file(f, name, whole.data, lengths[i]);
		load((struct seccomp_options){.cache = f->dir}, &again);
		assert_same(&again, &program);
		read_file(f, name, &now);
		assert_same(&now, &whole);
	}
}

static void a_collision_of_names_does_not_load_another_program(void **state)
{
	const struct fixture *f = *state;
	cleanup(buf_done) struct buf ours = PROGRAM_INIT;
	cleanup(buf_done) struct buf theirs = PROGRAM_INIT;
	cleanup(buf_done) struct buf maker = PROGRAM_INIT;
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	cleanup(buf_done) struct buf file = PROGRAM_INIT;
	cleanup(buf_done) struct buf loaded = PROGRAM_INIT;
	const struct sock_filter allow_all = {BPF_RET | BPF_K, 0, 0, ALLOW};
	buf_append(&program, &allow_all, sizeof(allow_all));
	buf_append_str(&ours, "inputs of ours");
	buf_append_str(&theirs, "inputs of theirs");
	seccomp_maker_describe("/proc/self/exe", 2, 5, 4, &maker);
	assert_int_equal(seccomp_cache_save(f->dir, &theirs, &maker, &program, /* err */ NULL), 0);
	assert_true(seccomp_cache_load(f->dir, &theirs, &loaded));
	assert_same(&loaded, &program);

	cleanup_free char *their_name = seccomp_cache_name(&theirs);
	cleanup_free char *our_name = seccomp_cache_name(&ours);
	read_file(f, their_name, &file);
	write_file(f, our_name, file.data, file.len);
	assert_false(seccomp_cache_load(f->dir, &ours, &loaded));
	assert_same(&loaded, &program); /* nothing was appended */
}

static void a_program_of_another_libseccomp_is_made_again(void **state)
{
	const struct fixture *f = *state;
	cleanup(buf_done) struct buf inputs = PROGRAM_INIT;
	cleanup(buf_done) struct buf maker = PROGRAM_INIT;
	cleanup(buf_done) struct buf nobody = PROGRAM_INIT;
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	cleanup(buf_done) struct buf loaded = PROGRAM_INIT;
	const struct sock_filter allow_all = {BPF_RET | BPF_K, 0, 0, ALLOW};
	buf_append(&program, &allow_all, sizeof(allow_all));
	buf_append_str(&inputs, "inputs");
	write_file(f, "library", "one", 3);
	cleanup_free char *library = mem_printf("%s/library", f->path);
	seccomp_maker_describe(library, 2, 5, 4, &maker);
	assert_int_equal(seccomp_cache_save(f->dir, &inputs, &maker, &program, /* err */ NULL), 0);
	assert_true(seccomp_cache_load(f->dir, &inputs, &loaded));
	write_file(f, "library", "another", 7);
	assert_false(seccomp_cache_load(f->dir, &inputs, &loaded));
	seccomp_maker_describe("/no/such/library", 2, 5, 4, &nobody);
	assert_int_equal(seccomp_cache_save(f->dir, &inputs, &nobody, &program, /* err */ NULL), 0);
	assert_false(seccomp_cache_load(f->dir, &inputs, &loaded));
}

static void works_without_a_cache_that_can_be_written(void **state)
{
	cleanup_close int proc = fd_open_dir(AT_FDCWD, "/proc", /* err */ NULL);
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	assert_true(proc >= 0);
	load((struct seccomp_options){.cache = proc}, &program);
	assert_int_equal(verdict(&program, NATIVE, SYS_read, 0, 0), ALLOW);
}

/* The first, second and last of the reference's vectors that are worth a line: inputs 00 01 02 … of that length. */
/* 1500 ranges are a dozen blocks, and the jumps between them are long. Every call number is asked, and a few behind. */
static void a_long_table_answers_as_its_list_says(void **state)
{
	enum { CALLS = 1500, STRIDE = 3 };
	static const uint32_t answers[] = {ALLOW, FAILS(EPERM), FAILS(EACCES), SECCOMP_RET_KILL_PROCESS};
	static const struct seccomp_gate gates[] = {
		{.name = "a", .kind = SECCOMP_GATE_LISTED, .action = FAILS(EXDEV), .values = {5, 7}, .value_count = 2},
		{.name = "b", .kind = SECCOMP_GATE_UNLISTED, .action = FAILS(EIO), .values = {5}, .value_count = 1},
		{.name = "c", .kind = SECCOMP_GATE_ANY_BIT, .action = FAILS(ENXIO), .values = {4}, .value_count = 1},
	};
	struct seccomp_call calls[CALLS];
	cleanup(buf_done) struct buf program = PROGRAM_INIT;
	(void)state;

	for (size_t i = 0; i < CALLS; i++)
		calls[i] = (struct seccomp_call){.audit_arch = i % 2 ? NATIVE : FOREIGN,
						 .number = (uint32_t)(CALLS - i) * STRIDE,
						 .action = answers[i % ARRAY_COUNT(answers)],
						 .gate = i % 50 < ARRAY_COUNT(gates) ? &gates[i % 50] : NULL};
	seccomp_table_write(calls, CALLS, FAILS(ENOSYS), &program);
	for (size_t i = 0; i < CALLS; i++) {
		const struct seccomp_call *call = &calls[i];
		uint32_t refused = call->gate ? call->gate->action : call->action;
		bool is_listed = call->gate && call->gate->kind != SECCOMP_GATE_UNLISTED;
		assert_int_equal(verdict(&program, call->audit_arch, call->number, 5, 0),
				 is_listed ? refused : call->action);
		assert_int_equal(verdict(&program, call->audit_arch, call->number, 8, 0),
				 is_listed ? call->action : refused);
		assert_int_equal(verdict(&program, call->audit_arch, (long)call->number + 1, 5, 0), FAILS(ENOSYS));
		assert_int_equal(verdict(&program, call->audit_arch, (long)call->number - 1, 5, 0), FAILS(ENOSYS));
	}
	assert_int_equal(verdict(&program, NATIVE, UINT32_MAX, 0, 0), FAILS(ENOSYS));
	assert_int_equal(verdict(&program, 0, calls[0].number, 0, 0), FAILS(ENOSYS));
}

static void siphash_is_the_reference(void **state)
{
	static const struct {
		size_t size;
		struct siphash hash;
	} vectors[] = {
		{0, {{0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93}}},
		{1, {{0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45}}},
	};
	for (size_t i = 0; i < ARRAY_COUNT(vectors); i++) {
		struct siphash hash = siphash_of("\0\1\2\3\4\5\6\7", vectors[i].size);
		assert_memory_equal(&hash, &vectors[i].hash, sizeof(hash));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allows_what_a_build_step_needs),
		cmocka_unit_test(refuses_what_is_dangerous),
		cmocka_unit_test(answers_unknown_and_foreign_calls_with_enosys),
		cmocka_unit_test(refuses_namespaces_but_not_threads),
		cmocka_unit_test(masks_personality),
		cmocka_unit_test(compares_the_half_of_an_argument_that_the_kernel_reads),
		cmocka_unit_test(as_text_for_a_runtime_it_is_the_same_filter),
		cmocka_unit_test(capabilities_open_what_they_are_for),
		cmocka_unit_test(nested_containers_get_what_they_need),
		cmocka_unit_test(serves_the_second_architectures_of_the_machine),
		cmocka_unit_test(reads_rules_of_a_profile),
		cmocka_unit_test(reads_every_operator),
		cmocka_unit_test(conditions_on_different_arguments_must_all_hold_and_on_one_any),
		cmocka_unit_test(applies_rules_to_whom_they_are_for),
		cmocka_unit_test(answers_calls_newer_than_the_profile_with_enosys),
#if defined(__x86_64__)
		cmocka_unit_test(takes_the_second_architectures_from_the_profile),
#endif
		cmocka_unit_test(refuses_profiles_by_name_of_what_is_wrong),
		cmocka_unit_test_setup_teardown(keeps_a_program_for_each_kind_of_step, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(makes_a_damaged_cache_file_again, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(a_collision_of_names_does_not_load_another_program, make_directory,
						remove_directory),
		cmocka_unit_test_setup_teardown(a_program_of_another_libseccomp_is_made_again, make_directory,
						remove_directory),
		cmocka_unit_test(works_without_a_cache_that_can_be_written),
		cmocka_unit_test(a_long_table_answers_as_its_list_says),
		cmocka_unit_test(siphash_is_the_reference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

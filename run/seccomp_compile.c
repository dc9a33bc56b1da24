/*
 * Policy in, BPF out: the only file that knows libseccomp. It is loaded when a program has to be made, which is once
 * for each kind of step: three architectures of a user's profile cost it 10 ms and more, where a whole step costs 3.
 * For cooper's own list it only tells the numbers of the calls.
 */
#include "run/seccomp_policy.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/library.h"
#include "base/log.h"
#include "run/seccomp_cache.h"
#include "run/seccomp_gate.h"
#include "run/seccomp_table.h"

#define FUNCTIONS(X)                         \
	X(seccomp_init)                      \
	X(seccomp_release)                   \
	X(seccomp_arch_resolve_name)         \
	X(seccomp_arch_native)               \
	X(seccomp_arch_add)                  \
	X(seccomp_attr_set)                  \
	X(seccomp_syscall_resolve_name)      \
	X(seccomp_syscall_resolve_name_arch) \
	X(seccomp_rule_add_array)            \
	X(seccomp_export_bpf)                \
	X(seccomp_version)

struct seccomp_library {
	FUNCTIONS(LIBRARY_MEMBER)
};
static const char *const library_symbols[] = {FUNCTIONS(LIBRARY_SYMBOL)};

#define ARCHES_MAX 16

struct compiler {
	struct seccomp_library library;
	scmp_filter_ctx filter;
	uint32_t arches[ARCHES_MAX]; /* libseccomp's tokens, our own first */
	size_t arch_count;
};

static void compiler_done(struct compiler *c)
{
	if (c->filter)
		c->library.seccomp_release(c->filter);
}
CLEANUP_FOR_VALUE(struct compiler, compiler_done)

static int compiler_init(struct compiler *c, const struct seccomp_policy *policy, struct error **err)
{
	int rc = library_load("libseccomp.so.2", library_symbols, ARRAY_COUNT(library_symbols), &c->library, err);
	if (rc < 0)
		return rc;
	c->filter = c->library.seccomp_init(policy->default_action);
	if (!c->filter)
		return error_set(err, EINVAL, "libseccomp refuses the default action 0x%x", policy->default_action);
	/* A foreign architecture is an answer to the program, not a reason to kill it: binfmt handlers probe. */
	rc = c->library.seccomp_attr_set(c->filter, SCMP_FLTATR_ACT_BADARCH, SECCOMP_RET_ERRNO | ENOSYS);
	if (rc < 0)
		return error_set(err, -rc, "libseccomp refuses ENOSYS for foreign architectures: %s", strerror(-rc));
	/* A binary tree instead of a list loads three times faster. Since libseccomp 2.5; without it only slower. */
	if (c->library.seccomp_attr_set(c->filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
		log_debug("this libseccomp cannot make a binary tree, the filter is a list instead");
	return 0;
}

static int add_arches(struct compiler *c, const struct seccomp_policy *policy, struct error **err)
{
	c->arches[c->arch_count++] = c->library.seccomp_arch_native();
	for (size_t i = 0; i < policy->arches.count; i++) {
		const char *name = policy->arches.items[i];
		uint32_t token = c->library.seccomp_arch_resolve_name(name);
		if (token == 0) {
			log_debug("this libseccomp does not know the architecture '%s', its calls get ENOSYS", name);
			continue;
		}
		int rc = c->library.seccomp_arch_add(c->filter, token);
		if (rc == -EEXIST)
			continue;
		if (rc < 0 || c->arch_count == ARCHES_MAX)
			return error_set(err, EINVAL, "architecture '%s' does not go together with this machine's",
					 name);
		c->arches[c->arch_count++] = token;
	}
	return 0;
}

/* libseccomp refuses a rule that says what the default says. */
static int add_rule(struct compiler *c, const struct seccomp_policy *policy, const struct seccomp_rule *rule,
		    struct error **err)
{
	int number = c->library.seccomp_syscall_resolve_name(rule->name);
	if (number == __NR_SCMP_ERROR) {
		log_debug("this libseccomp does not know the system call '%s', it gets the default action", rule->name);
		return 0;
	}
	if (rule->action == policy->default_action)
		return 0;
	struct scmp_arg_cmp conditions[SECCOMP_ARGS];
	for (unsigned i = 0; i < rule->condition_count; i++)
		conditions[i] = (struct scmp_arg_cmp){
			.arg = rule->conditions[i].arg,
			.op = (enum scmp_compare)rule->conditions[i].compare,
			.datum_a = rule->conditions[i].value,
			.datum_b = rule->conditions[i].masked,
		};
	int rc = c->library.seccomp_rule_add_array(c->filter, rule->action, number, rule->condition_count, conditions);
	if (rc == -EEXIST)
		return error_set(err, EINVAL, "system call '%s' has two rules that contradict each other", rule->name);
	if (rc < 0)
		return error_set(err, -rc, "system call '%s': libseccomp refuses the rule: %s", rule->name,
				 strerror(-rc));
	return 0;
}

/* What socketcall and ipc did on i386 and s390 alone until Linux 4.3 and 5.1, and the calls that came then: libseccomp
 * answers these names with numbers of its own, which stand for both ways. */
static const struct {
	const char *name;
	int number;
} demultiplexed[] = {
	{"socket", 359},  {"socketpair", 360}, {"bind", 361},	    {"connect", 362},	  {"listen", 363},
	{"accept4", 364}, {"getsockopt", 365}, {"setsockopt", 366}, {"getsockname", 367}, {"getpeername", 368},
	{"sendto", 369},  {"sendmsg", 370},    {"recvfrom", 371},   {"recvmsg", 372},	  {"shutdown", 373},
	{"semget", 393},  {"semctl", 394},     {"shmget", 395},	    {"shmctl", 396},	  {"shmat", 397},
	{"shmdt", 398},	  {"msgget", 399},     {"msgsnd", 400},	    {"msgrcv", 401},	  {"msgctl", 402},
};

/* The number that the kernel sees; negative when there is no such call. */
static int kernel_number(struct compiler *c, uint32_t arch, const char *name)
{
	int number = c->library.seccomp_syscall_resolve_name_arch(arch, name);
	if (number >= 0 || (arch != SCMP_ARCH_X86 && arch != SCMP_ARCH_S390 && arch != SCMP_ARCH_S390X))
		return number;
	for (size_t i = 0; i < ARRAY_COUNT(demultiplexed); i++)
		if (strcmp(demultiplexed[i].name, name) == 0)
			return demultiplexed[i].number;
	return number;
}

/* libseccomp's tokens are the kernel's, but x32 has one of its own. */
static uint32_t audit_arch(uint32_t arch)
{
	return arch == SCMP_ARCH_X32 ? SCMP_ARCH_X86_64 : arch;
}

static int largest_known(struct compiler *c, uint32_t arch, const struct strlist *known)
{
	int largest = -1;
	for (size_t i = 0; i < known->count; i++) {
		int number = kernel_number(c, arch, known->items[i]);
		if (number > largest)
			largest = number;
	}
	return largest;
}

static void write_gates(struct compiler *c, const struct seccomp_policy *policy, struct buf *program)
{
	struct seccomp_numbers numbers[ARCHES_MAX];
	for (size_t i = 0; i < c->arch_count; i++) {
		uint32_t arch = c->arches[i];
		numbers[i].audit_arch = audit_arch(arch);
		numbers[i].bound = largest_known(c, arch, &policy->known);
		for (size_t g = 0; g < policy->gate_count; g++)
			numbers[i].gates[g] = kernel_number(c, arch, policy->gates[g]->name);
	}
	seccomp_gates_write(policy, numbers, c->arch_count, program);
}

/* libseccomp before 2.6 writes programs only to descriptors. */
static int export_program(struct compiler *c, struct buf *program, struct error **err)
{
	cleanup_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, "cannot make a memory file");
	int rc = c->library.seccomp_export_bpf(c->filter, fd);
	if (rc < 0)
		return error_set(err, -rc, "libseccomp cannot write the program: %s", strerror(-rc));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "cannot read the program back");
	return fd_read_all(fd, program, err);
}

/* The gate of a call on one architecture, or NULL. */
static const struct seccomp_gate *gate_of(struct compiler *c, uint32_t arch, const struct seccomp_policy *policy,
					  int number)
{
	for (size_t i = 0; i < policy->gate_count; i++)
		if (kernel_number(c, arch, policy->gates[i]->name) == number)
			return policy->gates[i];
	return NULL;
}

static void write_table(struct compiler *c, const struct seccomp_policy *policy, struct buf *program)
{
	cleanup_free struct seccomp_call *calls = mem_grow(NULL, policy->rule_count * c->arch_count, sizeof(*calls));
	size_t count = 0;
	for (size_t a = 0; a < c->arch_count; a++) {
		for (size_t i = 0; i < policy->rule_count; i++) {
			const struct seccomp_rule *rule = &policy->rules[i];
			int number = kernel_number(c, c->arches[a], rule->name);
			if (number < 0)
				continue;
			calls[count++] = (struct seccomp_call){.audit_arch = audit_arch(c->arches[a]),
							       .number = (uint32_t)number,
							       .action = rule->action,
							       .gate = gate_of(c, c->arches[a], policy, number)};
		}
	}
	seccomp_table_write(calls, count, policy->default_action, program);
}

static int write_rules(struct compiler *c, const struct seccomp_policy *policy, struct buf *program, struct error **err)
{
	for (size_t i = 0; i < policy->rule_count; i++) {
		int rc = add_rule(c, policy, &policy->rules[i], err);
		if (rc < 0)
			return rc;
	}
	return export_program(c, program, err);
}

int seccomp_compile(const struct seccomp_policy *policy, struct buf *program, struct buf *maker, struct error **err)
{
	cleanup(compiler_done) struct compiler c = {0};
	int rc = compiler_init(&c, policy, err);
	if (rc == 0)
		rc = add_arches(&c, policy, err);
	if (rc < 0)
		return rc;

	cleanup(buf_done) struct buf made = BUF_INIT(BUF_MAX_DEFAULT);
	if (policy->is_table) {
		write_table(&c, policy, &made);
	} else {
		write_gates(&c, policy, &made);
		rc = write_rules(&c, policy, &made, err);
	}
	if (rc < 0)
		return rc;
	size_t instructions = made.len / sizeof(struct sock_filter);
	if (instructions > BPF_MAXINSNS)
		return error_set(err, E2BIG, "the rules make a program of %zu instructions, the kernel takes %d",
				 instructions, BPF_MAXINSNS);
	buf_append(program, made.data, made.len);

	Dl_info where = {0};
	const struct scmp_version *version = c.library.seccomp_version();
	if (dladdr((void *)c.library.seccomp_init, &where) && where.dli_fname)
		seccomp_maker_describe(where.dli_fname, version->major, version->minor, version->micro, maker);
	return 0;
}

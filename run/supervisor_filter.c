/*
 * From a table of calls to the filter that traps them. What depends on an argument is asked first, call by call; all
 * others are a binary search over numbers (run/seccomp_table.h), which the kernel remembers as "always allowed" for
 * those that nobody traps.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "run/seccomp_table.h"
#include "run/supervisor.h"

#define X32_BIT 0x40000000
#define REFUSED (SECCOMP_RET_ERRNO | ENOSYS)

static void put(struct buf *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
	struct sock_filter instruction = {.code = code, .jt = yes, .jf = no, .k = value};

	buf_append(program, &instruction, sizeof(instruction));
}

/* x32 has the arch of x86-64 and numbers of its own: a second way to every call that we trap. */
static void answer_x32(uint32_t action, struct buf *program)
{
#ifdef __x86_64__
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, AUDIT_ARCH_X86_64);
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	put(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	put(program, BPF_RET | BPF_K, 0, 0, action);
#endif
}

static bool has_condition(const struct trap_condition *when)
{
	return when->mask != 0;
}

static bool is_conditional(const struct trap_entry *entry)
{
	return has_condition(&entry->when) || has_condition(&entry->guard) || has_condition(&entry->pass);
}

static uint32_t low_half(unsigned arg)
{
	uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	offset += sizeof(uint32_t);
#endif
	return offset;
}

static uint32_t verdict(const struct trap_entry *entry, enum trap_action action)
{
	switch (action) {
	case TRAP_ALLOW:
		return SECCOMP_RET_ALLOW;
	case TRAP_STOP:
		return SECCOMP_RET_TRACE;
	case TRAP_REFUSE:
		return SECCOMP_RET_ERRNO | (entry->code ? entry->code : ENOSYS);
	case TRAP_BY_HANDLER:
		break;
	}
	return entry->handle ? SECCOMP_RET_USER_NOTIF : REFUSED;
}

/* Where the condition does not hold. */
static uint32_t rest_verdict(const struct trap_entry *entry)
{
	if (!has_condition(&entry->when))
		return verdict(entry, entry->action);
	if (entry->otherwise == TRAP_BY_HANDLER && !entry->handles_rest)
		return SECCOMP_RET_ALLOW;
	return verdict(entry, entry->otherwise);
}

/* Loads the argument and, if it is as it should be, answers; else goes on behind. */
static void ask_argument(const struct trap_condition *when, uint32_t answer, struct buf *program)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, low_half(when->arg));
	put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, when->mask);
	if (when->count == 0)
		put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
	for (unsigned i = 0; i < when->count; i++) {
		/* To the answer, past the other values; the last one jumps over it. */
		bool is_last = i + 1 == when->count;
		put(program, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(when->count - i - 1), is_last ? 1 : 0,
		    when->values[i]);
	}
	put(program, BPF_RET | BPF_K, 0, 0, answer);
}

static size_t size_of_argument(const struct trap_condition *when)
{
	return has_condition(when) ? 2 + (when->count == 0 ? 1 : when->count) + 1 : 0;
}

static size_t size_of_entry(const struct trap_entry *entry)
{
	return 1 + size_of_argument(&entry->guard) + size_of_argument(&entry->pass) + size_of_argument(&entry->when) +
	       1;
}

/* The number, then the arguments; the instructions before have made sure of the architecture. */
static void ask_entry(const struct trap_entry *entry, struct buf *program)
{
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(size_of_entry(entry) - 1), (uint32_t)entry->number);
	if (has_condition(&entry->guard))
		ask_argument(&entry->guard, SECCOMP_RET_ERRNO | entry->guard_code, program);
	if (has_condition(&entry->pass))
		ask_argument(&entry->pass, SECCOMP_RET_ALLOW, program);
	if (has_condition(&entry->when))
		ask_argument(&entry->when, verdict(entry, entry->action), program);
	put(program, BPF_RET | BPF_K, 0, 0, rest_verdict(entry));
}

/* All conditional calls of one architecture. */
static void ask_architecture(const struct trap_table *table, uint32_t arch, struct buf *program)
{
	size_t size = 0;

	for (size_t i = 0; i < table->count; i++)
		if (is_conditional(&table->entries[i]))
			size += size_of_entry(&table->entries[i]);
	if (size == 0)
		return;
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, arch);
	put(program, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(1 + size));
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < table->count; i++)
		if (is_conditional(&table->entries[i]))
			ask_entry(&table->entries[i], program);
}

/* What is left is for the table. A conditional call that comes here is never met: it was answered before. */
static uint32_t action_of(const struct trap_entry *entry)
{
	return is_conditional(entry) ? SECCOMP_RET_ALLOW : verdict(entry, entry->action);
}

/* Of architectures that nobody has said anything about. */
static void pass_others(const struct trap_table *table, struct buf *program)
{
	size_t count = 0;

	for (const struct trap_table *at = table; at; at = at->also)
		count++;
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	for (const struct trap_table *at = table; at; at = at->also)
		put(program, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)count--, 0, at->entries[0].arch);
	put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

int supervisor_program(const struct trap_table *table, struct buf *program, struct error **err)
{
	size_t count = 0;

	for (const struct trap_table *at = table; at; at = at->also)
		count += at->count;
	cleanup_free struct seccomp_call *calls = mem_grow(NULL, count + 1, sizeof(*calls));
	count = 0;
	answer_x32(table->others_pass ? SECCOMP_RET_ALLOW : REFUSED, program);
	if (table->others_pass)
		pass_others(table, program);
	for (const struct trap_table *at = table; at; at = at->also) {
		ask_architecture(at, at->entries[0].arch, program);
		for (size_t i = 0; i < at->count; i++)
			calls[count++] = (struct seccomp_call){
				.audit_arch = at->entries[i].arch,
				.number = (uint32_t)at->entries[i].number,
				.action = action_of(&at->entries[i]),
			};
	}
	seccomp_table_write(calls, count, table->closed ? REFUSED : SECCOMP_RET_ALLOW, program);
	if (program->overflow || program->len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return error_set(err, E2BIG, "the filter of the supervisor is longer than the kernel takes");
	return 0;
}

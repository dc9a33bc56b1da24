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

static bool is_conditional(const struct trap_entry *entry)
{
	return entry->when.mask != 0;
}

static uint32_t low_half(unsigned arg)
{
	uint32_t offset = (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	offset += sizeof(uint32_t);
#endif
	return offset;
}

/* Loads the argument and answers; the instructions before have made sure that it is this call. */
static void ask_argument(const struct trap_condition *when, struct buf *program)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, low_half(when->arg));
	put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, when->mask);
	if (when->count == 0)
		put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0);
	for (unsigned i = 0; i < when->count; i++)
		/* Past the other values, and past "allow" unless it is the last. */
		put(program, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(when->count - i), 0, when->values[i]);
	if (when->count == 0) {
		put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
		put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	} else {
		put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
		put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
	}
}

/* arch, number, argument: five instructions around those of ask_argument(). */
static void ask_entry(const struct trap_entry *entry, struct buf *program)
{
	uint8_t rest = (uint8_t)(2 + (entry->when.count == 0 ? 1 : entry->when.count) + 2);

	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, rest, (uint32_t)entry->number);
	ask_argument(&entry->when, program);
}

static size_t size_of_entry(const struct trap_entry *entry)
{
	return 1 + 2 + (entry->when.count == 0 ? 1 : entry->when.count) + 2;
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
	if (!entry->handle)
		return REFUSED;
	return is_conditional(entry) ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;
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

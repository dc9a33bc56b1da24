/*
 * Writes the questions that are asked before libseccomp's program, in classic BPF (linux/filter.h, seccomp(2)). For
 * each architecture:
 *
 *	architecture? no: on to the next one
 *	number > bound: return ENOSYS
 *	for each gate: number? no: on to the next gate; load the argument's low half, ask, return or end
 *	end: libseccomp's program
 *
 * A conditional jump reaches 255 instructions; the two long ways (next architecture, end) are JA, filled in once the
 * distance is known.
 */
#include "run/seccomp_gate.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#define LONG_JUMPS_MAX 64

struct writer {
	struct buf *program;
	size_t start;		     /* of our part in the program, in bytes */
	size_t ends[LONG_JUMPS_MAX]; /* instructions that jump to the end */
	size_t end_count;
};

static size_t position(const struct writer *w)
{
	return (w->program->len - w->start) / sizeof(struct sock_filter);
}

static void put(struct writer *w, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
	struct sock_filter instruction = {.code = code, .jt = yes, .jf = no, .k = value};
	buf_append(w->program, &instruction, sizeof(instruction));
}

static void load(struct writer *w, size_t offset)
{
	put(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void answer(struct writer *w, uint32_t action)
{
	put(w, BPF_RET | BPF_K, 0, 0, action);
}

static void land(struct writer *w, size_t jump)
{
	struct sock_filter *program = (struct sock_filter *)(void *)(w->program->data + w->start);
	program[jump].k = (uint32_t)(position(w) - jump - 1);
}

static size_t low_half_of_argument(unsigned arg)
{
	size_t offset = offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	offset += sizeof(uint32_t);
#endif
	return offset;
}

size_t seccomp_gate_size(const struct seccomp_gate *gate)
{
	return 1 + gate->value_count;
}

void seccomp_gate_write_tests(const struct seccomp_gate *gate, uint8_t to_refused, uint8_t to_passed,
			      struct buf *program)
{
	struct writer w = {.program = program, .start = program->len};
	bool refuse_listed = gate->kind != SECCOMP_GATE_UNLISTED;
	uint16_t test = BPF_JMP | BPF_K | (gate->kind == SECCOMP_GATE_ANY_BIT ? BPF_JSET : BPF_JEQ);
	uint8_t to_matched = refuse_listed ? to_refused : to_passed;
	uint8_t to_unmatched = refuse_listed ? to_passed : to_refused;

	load(&w, low_half_of_argument(gate->arg));
	for (unsigned left = gate->value_count; left-- > 0;)
		put(&w, test, (uint8_t)(left + to_matched), left == 0 ? to_unmatched : 0,
		    gate->values[gate->value_count - 1 - left]);
}

/* Goes past its last instruction when the call is left to the rules; `number` has been loaded. Nothing after it needs
 * the number any more, so it ends with a jump to the end. */
static void write_gate(struct writer *w, const struct seccomp_gate *gate, uint32_t number)
{
	put(w, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(seccomp_gate_size(gate) + 2), number);
	seccomp_gate_write_tests(gate, /* to_refused */ 0, /* to_passed */ 1, w->program);
	answer(w, gate->action);
	w->ends[w->end_count++] = position(w);
	put(w, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* x32's numbers lie above all of x86-64's. Where x32 is not served, they are libseccomp's to refuse. */
static void write_bound(struct writer *w, const struct seccomp_numbers *numbers, bool is_x32)
{
	if (numbers->bound < 0)
		return;
	if (numbers->audit_arch == AUDIT_ARCH_X86_64 && !is_x32)
		put(w, BPF_JMP | BPF_JGE | BPF_K, 2, 0, SECCOMP_X32_BIT);
	put(w, BPF_JMP | BPF_JGT | BPF_K, 0, 1, (uint32_t)numbers->bound);
	answer(w, SECCOMP_RET_ERRNO | ENOSYS);
}

static bool asks_something(const struct seccomp_policy *policy, const struct seccomp_numbers *numbers)
{
	if (numbers->bound >= 0)
		return true;
	for (size_t i = 0; i < policy->gate_count; i++)
		if (numbers->gates[i] >= 0)
			return true;
	return false;
}

static void write_architecture(struct writer *w, const struct seccomp_policy *policy,
			       const struct seccomp_numbers *numbers)
{
	bool is_x32 = false;
	for (size_t i = 0; i < policy->gate_count; i++)
		is_x32 |= numbers->gates[i] >= 0 && (numbers->gates[i] & SECCOMP_X32_BIT);
	is_x32 |= numbers->bound >= 0 && (numbers->bound & SECCOMP_X32_BIT);

	load(w, offsetof(struct seccomp_data, arch));
	put(w, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, numbers->audit_arch);
	size_t next = position(w);
	put(w, BPF_JMP | BPF_JA, 0, 0, 0);
	load(w, offsetof(struct seccomp_data, nr));
	write_bound(w, numbers, is_x32);
	for (size_t i = 0; i < policy->gate_count; i++)
		if (numbers->gates[i] >= 0)
			write_gate(w, policy->gates[i], (uint32_t)numbers->gates[i]);
	land(w, next);
}

void seccomp_gates_write(const struct seccomp_policy *policy, const struct seccomp_numbers *numbers, size_t count,
			 struct buf *program)
{
	struct writer w = {.program = program, .start = program->len};
	for (size_t i = 0; i < count; i++)
		if (asks_something(policy, &numbers[i]))
			write_architecture(&w, policy, &numbers[i]);
	for (size_t i = 0; i < w.end_count; i++)
		land(&w, w.ends[i]);
}

/*
 * Numbers and actions to a binary search in classic BPF: for each architecture the borders between ranges of equal
 * answer, in order; each inner node of the tree asks "at or above this border?".
 *
 * A jump on a condition reaches 255 instructions. So the tree is cut into blocks of at most BLOCK_RANGES ranges, each
 * laid out as its inner nodes, parents first; then the gates that it leads to; then one return for each answer:
 *
 *	architecture? no: on to the next one
 *	number
 *	  above the first block's ranges? on to the second
 *	  inner nodes, gates, returns of the first
 *	  inner nodes, gates, returns of the second
 */
#include "run/seccomp_table.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "run/seccomp_gate.h"

#define SHORT_JUMP_MAX 255
#define BLOCK_RANGES 128

struct answer {
	uint32_t action;
	const struct seccomp_gate *gate;
};

struct range {
	uint32_t start; /* up to the next one's */
	struct answer answer;
};

static void put(struct buf *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
	struct sock_filter instruction = {.code = code, .jt = yes, .jf = no, .k = value};
	buf_append(program, &instruction, sizeof(instruction));
}

static size_t position(const struct buf *program)
{
	return program->len / sizeof(struct sock_filter);
}

/* ---- Ranges ---- */

static int compare_calls(const void *a, const void *b)
{
	const struct seccomp_call *x = a, *y = b;
	if (x->audit_arch != y->audit_arch)
		return x->audit_arch < y->audit_arch ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	if (x->action != y->action)
		return x->action < y->action ? -1 : 1;
	return (x->gate == NULL) - (y->gate == NULL);
}

static bool is_same(struct answer a, struct answer b)
{
	return a.action == b.action && a.gate == b.gate;
}

static size_t add_range(struct range *ranges, size_t count, uint32_t start, struct answer answer)
{
	if (count > 0 && is_same(ranges[count - 1].answer, answer))
		return count;
	ranges[count] = (struct range){start, answer};
	return count + 1;
}

/* Sorted calls of one architecture; `ranges` has room for two per call and one more. */
static size_t make_ranges(const struct seccomp_call *calls, size_t count, uint32_t default_action, struct range *ranges)
{
	const struct answer unlisted = {.action = default_action};
	size_t made = 0;
	uint64_t next = 0; /* first number that no range covers yet */
	for (size_t i = 0; i < count; i++) {
		if (calls[i].number < next)
			continue;
		if (calls[i].number > next)
			made = add_range(ranges, made, (uint32_t)next, unlisted);
		made = add_range(ranges, made, calls[i].number, (struct answer){calls[i].action, calls[i].gate});
		next = (uint64_t)calls[i].number + 1;
	}
	return next <= UINT32_MAX ? add_range(ranges, made, (uint32_t)next, unlisted) : made;
}

/* ---- One block ---- */

/* Where the answers of a block stand behind its inner nodes. The plain ones come last: gates end in them. */
struct tails {
	struct answer answers[2 * BLOCK_RANGES]; /* a gate's action may be one that no range has */
	size_t places[2 * BLOCK_RANGES];
	size_t count;
};

static void add_tail(struct tails *tails, struct answer answer)
{
	for (size_t i = 0; i < tails->count; i++)
		if (is_same(tails->answers[i], answer))
			return;
	tails->answers[tails->count++] = answer;
}

static size_t place_of(const struct tails *tails, struct answer answer)
{
	size_t i = 0;
	while (!is_same(tails->answers[i], answer))
		i++;
	return tails->places[i];
}

static void collect_tails(const struct range *ranges, size_t count, struct tails *tails)
{
	tails->count = 0;
	for (size_t i = 0; i < count; i++)
		if (ranges[i].answer.gate)
			add_tail(tails, ranges[i].answer);
	size_t gates = tails->count;
	for (size_t i = 0; i < gates; i++) {
		add_tail(tails, (struct answer){.action = tails->answers[i].action});
		add_tail(tails, (struct answer){.action = tails->answers[i].gate->action});
	}
	for (size_t i = 0; i < count; i++)
		add_tail(tails, ranges[i].answer);
	size_t at = count - 1;
	for (size_t i = 0; i < tails->count; i++) {
		tails->places[i] = at;
		at += tails->answers[i].gate ? seccomp_gate_size(tails->answers[i].gate) : 1;
	}
}

static size_t block_size(const struct range *ranges, size_t count)
{
	struct tails tails;
	collect_tails(ranges, count, &tails);
	size_t last = tails.count - 1; /* one plain answer there is always */
	return tails.places[last] + 1;
}

/* A block of 128 ranges with all gates is a third short of what a jump reaches: a list that comes near it has to make
 * the blocks smaller. */
static uint8_t distance(size_t from, size_t to)
{
	assert(to > from && to - from - 1 <= SHORT_JUMP_MAX);
	return (uint8_t)(to - from - 1);
}

/* The inner nodes of these ranges, of which the first is to stand at `at` in the block. */
static void write_nodes(const struct range *ranges, size_t count, size_t at, const struct tails *tails,
			struct buf *program)
{
	size_t below = count / 2;
	if (count == 1)
		return;
	size_t yes = count - below == 1 ? place_of(tails, ranges[below].answer) : at + below;
	size_t no = below == 1 ? place_of(tails, ranges[0].answer) : at + 1;
	put(program, BPF_JMP | BPF_JGE | BPF_K, distance(at, yes), distance(at, no), ranges[below].start);
	write_nodes(ranges, below, at + 1, tails, program);
	write_nodes(ranges + below, count - below, at + below, tails, program);
}

static void write_tail(const struct tails *tails, size_t i, struct buf *program)
{
	struct answer answer = tails->answers[i];
	if (!answer.gate) {
		put(program, BPF_RET | BPF_K, 0, 0, answer.action);
		return;
	}
	size_t last = tails->places[i] + seccomp_gate_size(answer.gate) - 1;
	seccomp_gate_write_tests(answer.gate,
				 distance(last, place_of(tails, (struct answer){.action = answer.gate->action})),
				 distance(last, place_of(tails, (struct answer){.action = answer.action})), program);
}

static void write_block(const struct range *ranges, size_t count, struct buf *program)
{
	struct tails tails;
	collect_tails(ranges, count, &tails);
	write_nodes(ranges, count, /* at */ 0, &tails, program);
	for (size_t i = 0; i < tails.count; i++)
		write_tail(&tails, i, program);
}

/* ---- Blocks ---- */

static size_t tree_size(const struct range *ranges, size_t count)
{
	if (count <= BLOCK_RANGES)
		return block_size(ranges, count);
	size_t below = tree_size(ranges, count / 2);
	return 1 + (below > SHORT_JUMP_MAX) + below + tree_size(ranges + count / 2, count - count / 2);
}

static void write_tree(const struct range *ranges, size_t count, struct buf *program)
{
	if (count <= BLOCK_RANGES) {
		write_block(ranges, count, program);
		return;
	}
	size_t below = tree_size(ranges, count / 2);
	uint32_t border = ranges[count / 2].start;
	if (below <= SHORT_JUMP_MAX) {
		put(program, BPF_JMP | BPF_JGE | BPF_K, (uint8_t)below, 0, border);
	} else {
		put(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, border);
		put(program, BPF_JMP | BPF_JA, 0, 0, (uint32_t)below);
	}
	write_tree(ranges, count / 2, program);
	write_tree(ranges + count / 2, count - count / 2, program);
}

/* x32's numbers are x86-64's with a bit more, but for some forty that it has for itself, from 512 on, in the place of
 * x86-64's. Without the bit the two lists are one: a number that only the other of the two has is no call, says the
 * kernel itself (two tables since Linux 5.4). True when there were any. */
static bool merge_x32(struct seccomp_call *calls, size_t count)
{
	bool merged = false;
	for (size_t i = 0; i < count && calls->audit_arch == AUDIT_ARCH_X86_64; i++) {
		merged |= calls[i].number & SECCOMP_X32_BIT;
		calls[i].number &= ~SECCOMP_X32_BIT;
	}
	if (merged)
		qsort(calls, count, sizeof(*calls), compare_calls);
	return merged;
}

static void write_architecture(struct seccomp_call *calls, size_t count, uint32_t default_action, struct buf *program)
{
	bool has_x32 = merge_x32(calls, count);
	cleanup_free struct range *ranges = mem_grow(NULL, 2 * count + 1, sizeof(*ranges));
	size_t range_count = make_ranges(calls, count, default_action, ranges);
	size_t size = tree_size(ranges, range_count);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, calls->audit_arch);
	put(program, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(1 + has_x32 + size));
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	if (has_x32)
		put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~SECCOMP_X32_BIT);
	size_t start = position(program);
	write_tree(ranges, range_count, program);
	assert(position(program) - start == size);
}

void seccomp_table_write(struct seccomp_call *calls, size_t count, uint32_t default_action, struct buf *program)
{
	qsort(calls, count, sizeof(*calls), compare_calls);
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	for (size_t start = 0, end; start < count; start = end) {
		for (end = start + 1; end < count && calls[end].audit_arch == calls[start].audit_arch; end++)
			;
		write_architecture(calls + start, end - start, default_action, program);
	}
	put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
}

/*
 * Numbers and actions to a binary search in classic BPF: for each architecture the borders between ranges of equal
 * action, in order; each inner node of the tree asks "at or above this border?", each leaf answers.
 */
#include "run/seccomp_table.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#define SHORT_JUMP_MAX 255

struct range {
	uint32_t start; /* up to the next one's */
	uint32_t action;
};

static void put(struct buf *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
	struct sock_filter instruction = {.code = code, .jt = yes, .jf = no, .k = value};
	buf_append(program, &instruction, sizeof(instruction));
}

static int compare_calls(const void *a, const void *b)
{
	const struct seccomp_call *x = a, *y = b;
	if (x->audit_arch != y->audit_arch)
		return x->audit_arch < y->audit_arch ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->action < y->action ? -1 : x->action > y->action;
}

static size_t add_range(struct range *ranges, size_t count, uint32_t start, uint32_t action)
{
	if (count > 0 && ranges[count - 1].action == action)
		return count;
	ranges[count] = (struct range){start, action};
	return count + 1;
}

/* Sorted calls of one architecture; `ranges` has room for two per call and one more. */
static size_t make_ranges(const struct seccomp_call *calls, size_t count, uint32_t default_action, struct range *ranges)
{
	size_t made = 0;
	uint64_t next = 0; /* first number that no range covers yet */
	for (size_t i = 0; i < count; i++) {
		if (calls[i].number < next)
			continue;
		if (calls[i].number > next)
			made = add_range(ranges, made, (uint32_t)next, default_action);
		made = add_range(ranges, made, calls[i].number, calls[i].action);
		next = (uint64_t)calls[i].number + 1;
	}
	return next <= UINT32_MAX ? add_range(ranges, made, (uint32_t)next, default_action) : made;
}

static size_t tree_size(size_t count)
{
	if (count == 1)
		return 1;
	size_t below = tree_size(count / 2);
	return 1 + (below > SHORT_JUMP_MAX) + below + tree_size(count - count / 2);
}

static void write_tree(const struct range *ranges, size_t count, struct buf *program)
{
	if (count == 1) {
		put(program, BPF_RET | BPF_K, 0, 0, ranges->action);
		return;
	}
	size_t below = tree_size(count / 2);
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

static void write_architecture(const struct seccomp_call *calls, size_t count, uint32_t default_action,
			       struct buf *program)
{
	cleanup_free struct range *ranges = mem_grow(NULL, 2 * count + 1, sizeof(*ranges));
	size_t range_count = make_ranges(calls, count, default_action, ranges);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, calls->audit_arch);
	put(program, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(1 + tree_size(range_count)));
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	write_tree(ranges, range_count, program);
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

/*
 * A filter for rules without conditions, as ranges of numbers. Calls that belong together have numbers that lie
 * together, so some 400 calls are some 80 ranges, and all ranges of one answer share an instruction: a seventh of what
 * libseccomp's tree of single calls has. The kernel's work at loading goes with their number, and every step loads it.
 */
#ifndef COOPER_RUN_SECCOMP_TABLE_H
#define COOPER_RUN_SECCOMP_TABLE_H

#include "base/buf.h"
#include "run/seccomp_policy.h"

#include <stddef.h>
#include <stdint.h>

struct seccomp_call {
	uint32_t audit_arch; /* AUDIT_ARCH_… */
	uint32_t number;
	uint32_t action;
	const struct seccomp_gate *gate; /* asked before the action is taken; borrowed, NULL: none */
};

/* Sorts the calls and appends the program, struct sock_filter[]. A call that stands there twice gets the action with
 * the smaller value, which is the stricter one, and the gate. Other numbers get default_action, other architectures
 * ENOSYS. Where both x86-64 and x32 are served, a number of either is answered alike with and without x32's bit. */
void seccomp_table_write(struct seccomp_call *calls, size_t count, uint32_t default_action, struct buf *program);

#endif

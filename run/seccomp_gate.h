/*
 * The part of a filter that stands before libseccomp's: gates, and the bound above which calls are newer than the
 * author of the list. Written here because libseccomp can neither refuse some values of an argument and allow all
 * others (a rule without conditions swallows those with), nor compare numbers of calls. It falls through to whatever
 * follows it, so the two programs are simply put one behind the other.
 */
#ifndef COOPER_RUN_SECCOMP_GATE_H
#define COOPER_RUN_SECCOMP_GATE_H

#include "run/seccomp_policy.h"

/* Numbers of calls on one architecture, looked up by the caller. */
struct seccomp_numbers {
	uint32_t audit_arch; /* AUDIT_ARCH_…: x86-64 and x32 share theirs, x32's numbers have a bit more */
	int bound;	     /* largest known number; -1 = none */
	int gates[8];	     /* of policy->gates, in order; negative where there is no such call */
};

#define SECCOMP_X32_BIT 0x40000000U

/* The question of one gate alone, for seccomp_table.h: how many instructions it takes, and the instructions. The
 * distances are from the last of them, as jumps count. */
size_t seccomp_gate_size(const struct seccomp_gate *gate);
void seccomp_gate_write_tests(const struct seccomp_gate *gate, uint8_t to_refused, uint8_t to_passed,
			      struct buf *program);

/* Appends struct sock_filter[] for all architectures in `numbers`; nothing when nothing is to be asked. */
void seccomp_gates_write(const struct seccomp_policy *policy, const struct seccomp_numbers *numbers, size_t count,
			 struct buf *program);

#endif

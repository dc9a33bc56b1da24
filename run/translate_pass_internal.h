/*
 * What translate_pass.c and translate_address.c share: calls that the kernel carries out with what we have written into
 * the caller's memory.
 */
#ifndef COOPER_RUN_TRANSLATE_PASS_INTERNAL_H
#define COOPER_RUN_TRANSLATE_PASS_INTERNAL_H

#include "run/translate_internal.h"

/* The caller's slot of the loader's area; 0 where it has none, or has put a memory in its place that others write to,
 * too: what we write there is for the kernel, as we have written it. */
uint64_t pass_slot_of(const struct task *task, pid_t tid);
/* The call is not made, and fails with this. */
void pass_leave_out(struct trace_regs *regs, int code);

/* ---- translate_address.c ---- */
/* The address is the arguments `at` and `at` + 1. One that is too short for a path or too long for the kernel is its
 * own to judge: it knows that by the argument. These are false where nothing was changed. */
bool address_pass(struct translation *t, const struct trap *trap, struct trace_regs *regs, size_t at, bool makes);
bool address_pass_message(struct translation *t, const struct trap *trap, struct trace_regs *regs);
/* Several at once: as many as have no names, or the first alone. Who sends them sends the rest then (sendmmsg(2),
 * "RETURN VALUE"). */
bool address_pass_messages(struct translation *t, const struct trap *trap, struct trace_regs *regs);
/* Behind the call: the lengths of several go where the step has them; that of one where the others would have theirs. */
void address_count_all(struct translation *t, const struct trap *trap, const struct trace_regs *regs);
void address_count_one(struct translation *t, const struct trap *trap, struct trace_regs *regs);
/* The socket that was made has the mode that the umask says; the kernel's own is 0. */
void address_dress_socket(struct translation *t, const struct trap *trap, uint64_t address, uint64_t size);
void address_forget_alias(struct translation *t, pid_t tid);

#endif

/*
 * ^C while something is under way that is better ended than cut: the signal is held back, seen as a descriptor, and
 * takes its course afterwards.
 *
 *	cleanup(interrupt_release) struct interrupt interrupt = INTERRUPT_INIT;
 *	interrupt_hold(&interrupt);			// interrupt.fd is readable when a signal is waiting
 *	...
 *	if (interrupt_take(&interrupt)) { interrupt_release(&interrupt); tidy_up(); interrupt_pass_on(&interrupt); }
 */
#ifndef COOPER_REGISTRY_INTERRUPT_H
#define COOPER_REGISTRY_INTERRUPT_H

#include "base/mem.h"

#include <signal.h>
#include <stdbool.h>

struct interrupt {
	int fd;	    /* -1: nothing is held back */
	int signal; /* the one that was taken, or 0 */
	sigset_t before;
};
#define INTERRUPT_INIT ((struct interrupt){.fd = -1})

/* Holds SIGINT, SIGTERM and SIGHUP back, those that are not ignored. Without descriptors to spare it does nothing. */
void interrupt_hold(struct interrupt *interrupt);
/* Takes a waiting signal; true when one has been taken, now or before. */
bool interrupt_take(struct interrupt *interrupt);
/* Holds nothing back any more: the next ^C ends the process at once. */
void interrupt_release(struct interrupt *interrupt);
CLEANUP_FOR_VALUE(struct interrupt, interrupt_release)
/* What was taken now does what it would have done then. */
void interrupt_pass_on(const struct interrupt *interrupt);

#endif

/*
 * cooper as process 1, which it is in a pod: the kernel delivers no signal to the first process of a pid namespace that
 * it has no handler for (pid_namespaces(7)), so a pod that is deleted would wait for its SIGKILL.
 */
#ifndef COOPER_CMD_FIRST_PROCESS_H
#define COOPER_CMD_FIRST_PROCESS_H

/* To be called before there are other processes. The signals that end any other process end this one as well, with a
 * shell's exit status for them, and the kernel ends the rest of the namespace; those that are ignored stay so. What a
 * signal finds unfinished is as after any other death: not there. Elsewhere it does nothing. */
void first_process_end_by_signals(void);

#endif

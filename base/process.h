/*
 * Other programs: newuidmap, pasta, credential helpers, gpg, tar filters. Never through a shell.
 */
#ifndef COOPER_BASE_PROCESS_H
#define COOPER_BASE_PROCESS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Descriptor `from` of ours becomes `to` in the child. */
struct process_fd {
	int from;
	int to;
};

struct process_spec {
	const char *program;	      /* searched in PATH unless it has a '/' */
	char *const *argv;	      /* argv[0] included, NULL at the end */
	char *const *envp;	      /* NULL: ours */
	const struct process_fd *fds; /* besides these nothing is inherited; 0, 1, 2 not named here become /dev/null */
	size_t fd_count;
};

/* Starts it (vfork semantics: safe and cheap whatever our size). *pid is to be waited for. -ENOENT when there is no
 * such program. It stays in our process group: what talks to the terminal may read from it and gets its ^C. */
int process_start(const struct process_spec *spec, pid_t *pid, struct error **err);
/* Waits. The exit status as a shell counts it: 0..255, 128+N for a signal. */
int process_wait(pid_t pid, int *status, struct error **err);

struct process_result {
	int status;	/* as process_wait() */
	bool timed_out; /* it was killed */
};

/* Starts it, feeds `input` to its stdin, collects stdout and stderr (each up to its buffer's limit; NULL discards), and
 * waits up to timeout_ms (0: for ever). When the time is over it is killed with all that it started. For that it runs
 * in a process group of its own, in the terminal's background, where reading from the terminal stops it: what may ask
 * the user gets no timeout. */
int process_run(const struct process_spec *spec, const void *input, size_t input_size, struct buf *out,
		struct buf *errors, int timeout_ms, struct process_result *result, struct error **err);

/* The full path of a program in PATH, newly allocated, or NULL. Entries of PATH that are relative do not count. */
MUST_CHECK char *process_find(const char *program);

#endif

/*
 * Standard input and output of a step where they are files or terminals of the caller's: the step gets pipes, and we
 * copy.
 *
 * A descriptor of a file is a way to the file: through /proc/self/fd it can be opened anew, for whatever the file's own
 * permissions allow, and root of a user namespace owns the user's files. So a step could write what it is given to
 * read, cut the log that it appends to, read what is typed at the terminal it prints on, or enter a directory of the
 * host. Pipes and sockets lead nowhere, neither do the memory devices (/dev/null); they are handed on as they are.
 */
#ifndef COOPER_RUN_RELAY_H
#define COOPER_RUN_RELAY_H

#include "base/error.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define RELAY_WAYS 3 /* one for each standard descriptor */
#define RELAY_CHUNK ((size_t)16 << 10)

struct relay {
	int given[RELAY_WAYS]; /* the step's ends of pipes, owned; -1: it gets the caller's own */
	int pipe[RELAY_WAYS];  /* our ends, owned; -1: none, or ended */
	int file[RELAY_WAYS];  /* the caller's, borrowed */
	char *pending; /* RELAY_CHUNK, read from the caller's input, not yet taken by the pipe; NULL: no input */
	size_t pending_size;
};

#define RELAY_INIT                                                                  \
	{                                                                           \
		.given = {-1, -1, -1}, .pipe = {-1, -1, -1}, .file = { -1, -1, -1 } \
	}

/* `files` are the three that the caller would give; -1 is none. */
int relay_open(struct relay *relay, const int files[RELAY_WAYS], struct error **err);
/* After the fork: the step has its ends. */
void relay_hand_over(struct relay *relay);
/* Adds what there is to wait for; gives how many (at most RELAY_WAYS). */
size_t relay_poll(const struct relay *relay, struct pollfd *fds);
/* Copies what is ready. */
void relay_copy(struct relay *relay, const struct pollfd *fds, size_t count);
/* Copies what the step has left to say. A file that was its input stands where the step has stopped reading. */
void relay_done(struct relay *relay);

#endif

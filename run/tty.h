/*
 * A step's own terminal as the user sees it: the user's terminal raw, its size passed on, bytes copied both ways.
 */
#ifndef COOPER_RUN_TTY_H
#define COOPER_RUN_TTY_H

#include "base/error.h"

#include <poll.h>
#include <stddef.h>
#include <termios.h>

struct tty {
	int master;	   /* of the step's terminal, owned; -1: it has none */
	int input, output; /* ours, borrowed; input -1: nothing to read */
	int raw;	   /* the terminal whose mode we have changed, borrowed; -1: none */
	struct termios before;
	char pending[4096]; /* read from input, not yet taken by the master */
	size_t pending_size;
};

#define TTY_INIT ((struct tty){.master = -1, .input = -1, .output = -1, .raw = -1})

/* Takes the master. What input's terminal had for a mode is set back by tty_done(). */
void tty_start(struct tty *tty, int master, int input, int output);
/* The size of the user's window becomes that of the step's. */
void tty_resize(const struct tty *tty);
/* Adds what there is to wait for; gives how many (at most 2). */
size_t tty_poll(const struct tty *tty, struct pollfd *fds);
/* Copies what is ready. */
void tty_copy(struct tty *tty, const struct pollfd *fds, size_t count);
/* Copies what the step has left to say, and gives the terminal back. */
void tty_done(struct tty *tty);

#endif

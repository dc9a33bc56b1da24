/*
 * Copies between the user's terminal and the step's.
 */
#include "run/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"

#define END_OF_INPUT '\004' /* what a terminal's user types for it */

void tty_start(struct tty *tty, int master, int input, int output)
{
	struct termios raw;

	tty->master = master;
	tty->input = input;
	tty->output = output;
	fcntl(master, F_SETFL, O_NONBLOCK);
	tty_resize(tty);
	if (input < 0 || tcgetattr(input, &tty->before) < 0)
		return;
	raw = tty->before;
	cfmakeraw(&raw);
	/* Ctrl-C is then a byte for the step's terminal, whose own foreground it interrupts. */
	tty->raw = tcsetattr(input, TCSANOW, &raw) == 0 ? input : -1;
}

void tty_resize(const struct tty *tty)
{
	struct winsize size;

	if (tty->master < 0)
		return;
	if (ioctl(tty->input, TIOCGWINSZ, &size) == 0 || ioctl(tty->output, TIOCGWINSZ, &size) == 0)
		ioctl(tty->master, TIOCSWINSZ, &size);
}

size_t tty_poll(const struct tty *tty, struct pollfd *fds)
{
	size_t count = 0;

	if (tty->master < 0)
		return 0;
	fds[count++] = (struct pollfd){.fd = tty->master, .events = POLLIN | (tty->pending_size ? POLLOUT : 0)};
	if (tty->input >= 0 && tty->pending_size == 0)
		fds[count++] = (struct pollfd){.fd = tty->input, .events = POLLIN};
	return count;
}

/* False when there is nothing (more) to read. */
static bool copy_out(const struct tty *tty)
{
	char chunk[4096];
	ssize_t got = read(tty->master, chunk, sizeof(chunk));

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0)
		return false;				     /* EAGAIN, or EIO when the last slave is closed */
	fd_write_all(tty->output, chunk, (size_t)got, NULL); /* nobody reads our stdout: the step need not stop */
	return true;
}

static void copy_in(struct tty *tty)
{
	ssize_t got = read(tty->input, tty->pending, sizeof(tty->pending));

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		tty->input = -1;
		tty->pending[0] = END_OF_INPUT;
		got = 1;
	}
	tty->pending_size = (size_t)got;
}

static void flush_in(struct tty *tty)
{
	ssize_t done = write(tty->master, tty->pending, tty->pending_size);

	if (done <= 0)
		return;
	tty->pending_size -= (size_t)done;
	memmove(tty->pending, tty->pending + done, tty->pending_size);
}

void tty_copy(struct tty *tty, const struct pollfd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fds[i].fd == tty->input && fds[i].revents)
			copy_in(tty);
		else if (fds[i].fd == tty->master && fds[i].revents & (POLLIN | POLLHUP))
			copy_out(tty);
	}
	if (tty->pending_size)
		flush_in(tty);
}

void tty_done(struct tty *tty)
{
	if (tty->master < 0)
		return;
	while (copy_out(tty))
		;
	/* TCSADRAIN: what the step has printed is shown in the mode it was printed in. */
	if (tty->raw >= 0)
		tcsetattr(tty->raw, TCSADRAIN, &tty->before);
	fd_close(tty->master);
	*tty = TTY_INIT;
}

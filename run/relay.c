/* Copies between the caller's files and a step's pipes. */
#include "run/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

#define MEMORY_DEVICES 1 /* major number of null, zero, full, random: Documentation/admin-guide/devices.txt */

static bool leads_somewhere(const struct stat *st)
{
	if (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode))
		return false;
	return !S_ISCHR(st->st_mode) || major(st->st_rdev) != MEMORY_DEVICES;
}

static int open_way(struct relay *relay, int way, int file, struct error **err)
{
	bool is_input = way == STDIN_FILENO;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe for the step");
	relay->given[way] = ends[is_input ? 0 : 1];
	relay->pipe[way] = ends[is_input ? 1 : 0];
	relay->file[way] = file;
	if (is_input)
		relay->pending = mem_grow(NULL, RELAY_CHUNK, 1);
	fcntl(relay->pipe[way], F_SETFL, O_NONBLOCK);
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int relay_open(struct relay *relay, const int files[RELAY_WAYS], struct error **err)
{
	struct stat st[RELAY_WAYS];

	for (int way = 0; way < RELAY_WAYS; way++) {
		if (files[way] < 0 || fstat(files[way], &st[way]) < 0 || !leads_somewhere(&st[way]))
			continue;
		/* "2>&1": through one pipe, or the order of what is said would be lost. */
		if (way == STDERR_FILENO && relay->given[STDOUT_FILENO] >= 0 &&
		    is_same_file(&st[STDOUT_FILENO], &st[way])) {
			relay->given[way] = fcntl(relay->given[STDOUT_FILENO], F_DUPFD_CLOEXEC, 3);
			if (relay->given[way] < 0)
				return error_set_errno(err, "make a pipe for the step");
			continue;
		}
		int rc = open_way(relay, way, files[way], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Of the input we keep the reading end, too: it tells how much the step has left, and while it is open a step that does
 * not read is no reason for SIGPIPE. */
void relay_hand_over(struct relay *relay)
{
	fd_close(take_fd(&relay->given[STDOUT_FILENO]));
	fd_close(take_fd(&relay->given[STDERR_FILENO]));
}

size_t relay_poll(const struct relay *relay, struct pollfd *fds)
{
	size_t count = 0;

	for (int way = 0; way < RELAY_WAYS; way++) {
		if (relay->pipe[way] < 0)
			continue;
		if (way != STDIN_FILENO)
			fds[count++] = (struct pollfd){.fd = relay->pipe[way], .events = POLLIN};
		else if (relay->pending_size)
			fds[count++] = (struct pollfd){.fd = relay->pipe[way], .events = POLLOUT};
		else
			fds[count++] = (struct pollfd){.fd = relay->file[way], .events = POLLIN};
	}
	return count;
}

static void end_way(struct relay *relay, int way)
{
	fd_close(take_fd(&relay->pipe[way]));
}

static void read_input(struct relay *relay)
{
	ssize_t got = read(relay->file[STDIN_FILENO], relay->pending, RELAY_CHUNK);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0)
		end_way(relay, STDIN_FILENO);
	else
		relay->pending_size = (size_t)got;
}

static void write_input(struct relay *relay)
{
	ssize_t done = write(relay->pipe[STDIN_FILENO], relay->pending, relay->pending_size);

	if (done <= 0)
		return;
	relay->pending_size -= (size_t)done;
	memmove(relay->pending, relay->pending + done, relay->pending_size);
}

/* False when there is nothing (more) to read now. */
static bool copy_out(struct relay *relay, int way)
{
	char chunk[RELAY_CHUNK];
	ssize_t got = read(relay->pipe[way], chunk, sizeof(chunk));

	if (got < 0 && errno == EINTR)
		return true;
	if (got == 0)
		end_way(relay, way);
	if (got <= 0)
		return false;
	fd_write_all(relay->file[way], chunk, (size_t)got, NULL); /* nobody reads our output: the step need not stop */
	return true;
}

void relay_copy(struct relay *relay, const struct pollfd *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!fds[i].revents)
			continue;
		if (fds[i].fd == relay->pipe[STDOUT_FILENO])
			copy_out(relay, STDOUT_FILENO);
		else if (fds[i].fd == relay->pipe[STDERR_FILENO])
			copy_out(relay, STDERR_FILENO);
		else if (fds[i].fd == relay->pipe[STDIN_FILENO])
			write_input(relay);
		else if (relay->pipe[STDIN_FILENO] >= 0)
			read_input(relay);
	}
}

/* Others may go on reading the file where the step has stopped: a shell's `while read` loop. */
static void give_back_input(struct relay *relay)
{
	int unread = 0;

	if (relay->given[STDIN_FILENO] < 0 || ioctl(relay->given[STDIN_FILENO], FIONREAD, &unread) < 0)
		return;
	off_t back = (off_t)unread + (off_t)relay->pending_size;
	if (back > 0)
		lseek(relay->file[STDIN_FILENO], -back, SEEK_CUR); /* a terminal has no place to go back to */
}

void relay_done(struct relay *relay)
{
	for (int way = STDOUT_FILENO; way < RELAY_WAYS; way++)
		while (relay->pipe[way] >= 0 && copy_out(relay, way))
			;
	give_back_input(relay);
	for (int way = 0; way < RELAY_WAYS; way++) {
		fd_close(take_fd(&relay->given[way]));
		fd_close(take_fd(&relay->pipe[way]));
	}
	free(take_ptr(&relay->pending));
}

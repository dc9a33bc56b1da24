/*
 * A question on the terminal whose answer nobody sees.
 */
#include "cmd/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

/* A terminal that does not show what is typed. What would end us waits until it shows it again: ^C at the prompt must
 * not leave the user's shell without echo. */
struct quiet_terminal {
	struct termios before;
	sigset_t mask;
	int signals; /* readable when one waits; -1: stdin is no terminal */
};

static void quiet_terminal_begin(struct quiet_terminal *terminal)
{
	struct termios quiet;
	sigset_t ending;

	terminal->signals = -1;
	if (tcgetattr(STDIN_FILENO, &terminal->before) < 0)
		return;
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGQUIT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	terminal->signals = signalfd(-1, &ending, SFD_CLOEXEC);
	if (terminal->signals < 0)
		return; /* shown, but asked for */
	sigprocmask(SIG_BLOCK, &ending, &terminal->mask);
	quiet = terminal->before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

/* A signal that has come takes effect here. */
static void quiet_terminal_end(struct quiet_terminal *terminal)
{
	if (terminal->signals < 0)
		return;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->before);
	fprintf(stderr, "\n");
	fd_close(terminal->signals);
	sigprocmask(SIG_SETMASK, &terminal->mask, NULL);
}

/* One character of stdin; 0 at its end; -1 with errno EINTR when a signal has come, which may be one that is ignored
 * (nohup, a shell's background): half an answer is none then, either. */
static ssize_t read_character(const struct quiet_terminal *terminal, char *c)
{
	struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = terminal->signals, .events = POLLIN}};

	if (poll(fds, ARRAY_COUNT(fds), -1) < 0)
		return -1;
	if (fds[1].revents) {
		errno = EINTR;
		return -1;
	}
	return read(STDIN_FILENO, c, 1);
}

int prompt_secret(const char *prompt, enum prompt_extent extent, struct buf *secret, struct error **err)
{
	struct quiet_terminal terminal;
	int rc = 0;
	char c;
	ssize_t n = 0;

	/* Quiet first: that drops what was typed before, and who types an answer to the prompt must not lose it. */
	quiet_terminal_begin(&terminal);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "%s: ", prompt);
	while ((n = read_character(&terminal, &c)) == 1 && (extent == PROMPT_WHOLE_INPUT || c != '\n') &&
	       !secret->overflow)
		buf_append_char(secret, c);
	if (n < 0)
		rc = error_set_errno(err, "read the %s", prompt);
	quiet_terminal_end(&terminal);
	while (secret->len > 0 && (secret->data[secret->len - 1] == '\n' || secret->data[secret->len - 1] == '\r'))
		secret->data[--secret->len] = '\0';
	return rc;
}

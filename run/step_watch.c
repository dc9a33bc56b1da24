/*
 * The parent beside its step: one loop that hears what the child has to say, answers for the kernel where the step is
 * supervised, carries terminal and pipes, passes signals on, and looks at the disk.
 */
#include "run/step_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/channel.h"
#include "run/fallback.h"
#include "run/supervisor.h"

void step_kill(struct step *step, const char *why)
{
	mem_replace(&step->killed_for, why);
	syscall(SYS_pidfd_send_signal, step->pidfd, SIGKILL, NULL, 0);
}

static void start_terminal(struct step *step, struct channel_message *message)
{
	const struct run_spec *spec = step->spec;

	tty_start(&step->tty, take_fd(&message->fd), spec->stdin_fd,
		  spec->stdout_fd < 0 ? STDOUT_FILENO : spec->stdout_fd);
}

static void warn_of(int which)
{
	if (which == FALLBACK_PIVOT)
		fallback_warn(FALLBACK_PIVOT, "pivot_root is refused here, moving the root over '/' instead");
	else if (which == FALLBACK_HOSTNAME)
		fallback_warn(FALLBACK_HOSTNAME, "sethostname is refused here, a step sees this machine's host name "
						 "instead of 'cooper'");
}

static void hear_identity(struct step *step, const struct channel_message *message)
{
	struct identity_record record;
	uint32_t groups[IDENTITY_GROUPS_MAX];

	if (message->size < sizeof(record))
		return;
	memcpy(&record, message->data, sizeof(record));
	if (record.group_count > IDENTITY_GROUPS_MAX ||
	    message->size != sizeof(record) + record.group_count * sizeof(groups[0]))
		return;
	memcpy(groups, message->data + sizeof(record), message->size - sizeof(record));
	credentials_free(step->identity);
	step->identity = credentials_new(record.uid, record.gid, groups, record.group_count, record.capabilities);
}

/* From here on the child waits for us at every call of the table. */
static int take_listener(struct step *step, struct channel_message *message, struct error **err)
{
	if ((!step->emulation && !step->translation) || message->fd < 0)
		return 0;
	if (!step->identity)
		step->identity = credentials_new(0, 0, NULL, 0, step->spec->capabilities);
	if (step->translation)
		return translation_start(step->translation, take_fd(&message->fd), take_ptr(&step->identity), err);
	return emulation_start(step->emulation, take_fd(&message->fd), step->pid, take_ptr(&step->identity), err);
}

/* The set-up is over: what comes now is the step's. The listener may come with it. */
static void start_step(struct step *step, struct channel_message *message, struct error **err)
{
	int rc = take_listener(step, message, err);

	if (rc < 0)
		step->failure = rc;
	step->is_set_up = true;
	if (step->emulation)
		emulation_arm(step->emulation);
}

static void hear(struct step *step, struct channel_message *message, struct error **err)
{
	switch (message->kind) {
	case CHANNEL_STUB:
		if (message->fd >= 0 && message->size == sizeof(struct stub_record))
			stubs_add(&step->stubs, (const struct stub_record *)(const void *)message->data,
				  take_fd(&message->fd));
		break;
	case CHANNEL_TERMINAL:
		if (message->fd >= 0)
			start_terminal(step, message);
		break;
	case CHANNEL_BUNDLE:
		step->bundle = take_fd(&message->fd);
		step->command_code = message->code;
		break;
	case CHANNEL_WARN:
		warn_of(message->code);
		break;
	case CHANNEL_FAIL:
		step->failure = error_set(err, message->code > 0 ? message->code : EIO, "%s", message->data);
		/* The last that it says. Under a filter whose listener nobody has it could not even end itself: there
		 * exit_group(2) is refused. */
		syscall(SYS_pidfd_send_signal, step->pidfd, SIGKILL, NULL, 0);
		break;
	case CHANNEL_NO_PROC:
		step->wants_no_pid = true;
		break;
	case CHANNEL_START:
		start_step(step, message, err);
		break;
	case CHANNEL_IDENTITY:
		hear_identity(step, message);
		break;
	case CHANNEL_LISTENER:
		step->failure = take_listener(step, message, err);
		break;
	case CHANNEL_EXEC:
		step->exec_code = message->code;
		break;
	case CHANNEL_END:
		fd_close(take_fd(&step->channel));
		break;
	default:
		break;
	}
	fd_close(message->fd);
}

/* Reads what is there to read. */
static int listen_once(struct step *step, struct error **err)
{
	struct channel_message message;
	int rc = channel_receive(step->channel, &message, err);

	if (rc == 0)
		hear(step, &message, err);
	return rc;
}

void step_pass_signals(struct step *step)
{
	struct signalfd_siginfo info;

	while (read(step->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			translation_wait(step->translation);
		else if (info.ssi_signo == SIGWINCH)
			tty_resize(&step->tty);
		else
			syscall(SYS_pidfd_send_signal, step->pidfd, info.ssi_signo, NULL, 0);
	}
}

/* After its end nothing more comes: what has not been heard is there now. */
static int listen_to_the_end(struct step *step, struct error **err)
{
	int rc = 0;

	while (rc == 0 && step->channel >= 0) {
		struct pollfd channel = {.fd = step->channel, .events = POLLIN};
		if (poll(&channel, 1, 0) <= 0)
			break;
		rc = listen_once(step, err);
	}
	return rc;
}

/* What answers for us, or NULL. */
static struct supervisor *supervisor_of(const struct step *step)
{
	if (step->translation)
		return translation_supervisor(step->translation);
	return step->emulation ? emulation_supervisor(step->emulation) : NULL;
}

static int supervised_fd(const struct step *step)
{
	const struct supervisor *supervisor = supervisor_of(step);

	return supervisor ? supervisor->listener : -1;
}

/* ---- Beside a supervised step ---- */

enum { WATCH_END, WATCH_SIGNALS, WATCH_CHANNEL, WATCH_SUPERVISOR, WATCH_TTY, WATCH_COUNT = WATCH_TTY + 2 + RELAY_WAYS };

/* A supervised step asks tens of thousands of times a second, and poll(2) costs by the descriptor: so all others are
 * looked at as one. -1: one of them is of a kind that cannot be waited for. */
static int gather(const struct pollfd *fds, size_t count)
{
	cleanup_close int all = epoll_create1(EPOLL_CLOEXEC);

	for (size_t i = 0; all >= 0 && i < count; i++) {
		/* The two have the same bits. */
		struct epoll_event event = {.events = (uint32_t)fds[i].events};
		if (fds[i].fd >= 0 && epoll_ctl(all, EPOLL_CTL_ADD, fds[i].fd, &event) < 0)
			return -1;
	}
	return take_fd(&all);
}

/* What was gathered last, and of what: most often it is the same when the next thing has been looked at. */
struct gathering {
	int all; /* -1: nothing yet, or it cannot be waited for */
	struct pollfd of[WATCH_COUNT];
	size_t count;
};

static void gathering_done(struct gathering *gathering)
{
	fd_close(gathering->all);
}
CLEANUP_FOR_VALUE(struct gathering, gathering_done)

static bool is_of(const struct gathering *gathering, const struct pollfd *fds, size_t count)
{
	if (gathering->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (gathering->of[i].fd != fds[i].fd || gathering->of[i].events != fds[i].events)
			return false;
	return true;
}

static void gather_anew(struct gathering *gathering, const struct pollfd *fds, size_t count)
{
	fd_close(gathering->all);
	gathering->all = gather(fds, count);
	memcpy(gathering->of, fds, count * sizeof(*fds));
	gathering->count = count;
}

/* Answers the step's calls until something else happens, which the caller then looks at; `rest` is what. */
static int serve_calls(struct step *step, int rest, struct error **err)
{
	for (int rc = 0; rest >= 0 && rc == 0;) {
		struct pollfd fds[] = {{.fd = supervised_fd(step), .events = POLLIN}, {.fd = rest, .events = POLLIN}};
		if (poll(fds, ARRAY_COUNT(fds), /* timeout */ -1) <= 0 || fds[1].revents)
			break;
		rc = supervisor_serve(supervisor_of(step), fds[0].revents, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int serve_row(struct step *step, int rest, struct error **err)
{
	if (step->emulation)
		emulation_row_begin(step->emulation);
	int rc = serve_calls(step, rest, err);
	if (!step->emulation)
		return rc;
	int end = emulation_row_end(step->emulation, rc < 0 ? NULL : err);
	return rc < 0 ? rc : end;
}

/* Calls in a row, before it is worth its preparation. */
#define CALLS_IN_A_ROW 8

/* Until the first process has ended, which it does only when all others of its pid namespace have. */
int step_watch(struct step *step, struct error **err)
{
	int timeout = step->disk.limit ? DISK_INTERVAL_MS : -1;
	unsigned calls = 0;
	cleanup(gathering_done) struct gathering others = {.all = -1};

	for (;;) {
		/* Once it is set up, only that the command cannot be executed is left to hear. That has time until the
		 * end: being woken for the channel's closing would cost each step a switch of processes. */
		int channel = step->is_set_up ? -1 : step->channel;
		struct pollfd fds[WATCH_COUNT] = {
			[WATCH_END] = {.fd = step->pidfd, .events = POLLIN},
			[WATCH_SIGNALS] = {.fd = step->signals, .events = POLLIN},
			[WATCH_CHANNEL] = {.fd = channel, .events = POLLIN}, /* -1 is passed over */
			[WATCH_SUPERVISOR] = {.fd = supervised_fd(step), .events = POLLIN},
		};
		size_t ttys = tty_poll(&step->tty, fds + WATCH_TTY);
		size_t relays = relay_poll(&step->relay, fds + WATCH_TTY + ttys);
		int ready = poll(fds, WATCH_TTY + ttys + relays, timeout);

		if (ready < 0 && errno != EINTR)
			return error_set_errno(err, "wait for the step");
		if (fds[WATCH_CHANNEL].revents) {
			int rc = listen_once(step, err);
			if (rc < 0)
				return rc;
			continue; /* all it has to say, before its end is looked at */
		}
		if (fds[WATCH_SUPERVISOR].revents) {
			int rc = supervisor_serve(supervisor_of(step), fds[WATCH_SUPERVISOR].revents, err);
			if (rc < 0)
				return rc;
		}
		if (fds[WATCH_SIGNALS].revents)
			step_pass_signals(step);
		tty_copy(&step->tty, fds + WATCH_TTY, ttys);
		relay_copy(&step->relay, fds + WATCH_TTY + ttys, relays);
		if (fds[WATCH_END].revents)
			return listen_to_the_end(step, err);
		/* By the clock: a step that never stops talking is looked at as well. */
		if (!step->killed_for && disk_is_spent(&step->disk))
			step_kill(step, "it has written more than its disk limit allows");
		calls = ready == 1 && fds[WATCH_SUPERVISOR].revents ? calls + 1 : 0;
		fds[WATCH_SUPERVISOR].fd = -1;
		bool is_same = is_of(&others, fds, WATCH_TTY + ttys + relays);
		if ((calls < CALLS_IN_A_ROW && !is_same) || step->disk.limit)
			continue;
		calls = 0;
		if (!is_same)
			gather_anew(&others, fds, WATCH_TTY + ttys + relays);
		int rc = serve_row(step, others.all, err);
		if (rc < 0)
			return rc;
	}
}

/*
 * The fork: the child loads the filter and hands the listener to its parent before it goes on.
 */
#include "run/emulated.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/channel.h"

/* Who is no root gives up set-id programs first (seccomp(2), EACCES). */
static int install(const struct buf *program, struct error **err)
{
	cleanup_error struct error *refusal = NULL;
	int listener = supervisor_install(program, &refusal);

	if (listener == -EACCES) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		return supervisor_install(program, err);
	}
	if (listener < 0 && err)
		*err = take_ptr(&refusal);
	return listener;
}

static int load_filter(int channel, const struct buf *program)
{
	cleanup_error struct error *error = NULL;
	cleanup_close int listener = install(program, &error);

	if (listener < 0) {
		const char *text = error_message(error);
		channel_send(channel, CHANNEL_FAIL, -listener, text, strlen(text), -1);
		return listener;
	}
	int rc = channel_send(channel, CHANNEL_LISTENER, 0, NULL, 0, listener);
	return rc < 0 ? rc : channel_expect(channel, CHANNEL_GO, NULL);
}

/* The listener, or why there is none. */
static int receive_listener(int channel, struct error **err)
{
	struct channel_message message;
	int rc = channel_receive(channel, &message, err);

	if (rc < 0)
		return rc;
	if (message.kind == CHANNEL_LISTENER && message.fd >= 0)
		return message.fd;
	fd_close(message.fd);
	if (message.kind == CHANNEL_FAIL && message.code > 0)
		return error_set(err, message.code, "%s", message.data);
	return error_set(err, EIO, "the program has ended before it was started");
}

static int answer_for(const struct emulation_options *options, int channel, pid_t pid, struct emulation **emulation,
		      struct error **err)
{
	int listener = receive_listener(channel, err);

	if (listener < 0)
		return listener;
	cleanup(emulation_free) struct emulation *made = emulation_new(options);
	uint64_t all = (UINT64_C(1) << (CAP_LAST_CAP + 1)) - 1;
	int rc = emulation_start(made, listener, pid, credentials_new(0, 0, NULL, 0, all), err);
	if (rc < 0)
		return rc;
	emulation_arm(made);
	rc = channel_send(channel, CHANNEL_GO, 0, NULL, 0, -1);
	if (rc < 0)
		return error_set(err, -rc, "let the program go on: %s", strerror(-rc));
	*emulation = take_ptr(&made);
	return 0;
}

int emulated_fork(const struct emulation_options *options, struct emulation **emulation, pid_t *pid, struct error **err)
{
	cleanup(buf_done) struct buf program = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup_close int ours = -1;
	cleanup_close int theirs = -1;
	int rc = supervisor_program(emulation_table(options->scope), &program, err);

	if (rc == 0)
		rc = channel_open(&ours, &theirs, err);
	if (rc < 0)
		return rc;
	pid_t child = fork();
	if (child < 0)
		return error_set_errno(err, "start the program");
	if (child == 0) {
		fd_close(take_fd(&ours));
		if (load_filter(theirs, &program) < 0)
			_exit(EXIT_FAILURE);
		*pid = 0;
		return 0;
	}
	fd_close(take_fd(&theirs));
	rc = answer_for(options, ours, child, emulation, err);
	if (rc < 0) {
		fd_close(take_fd(&ours)); /* it waits for our word, and ends without it */
		waitpid(child, NULL, 0);
		return rc;
	}
	*pid = child;
	return 0;
}

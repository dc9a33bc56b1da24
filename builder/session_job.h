/*
 * A cooper command in another's place: with its arguments, environment, descriptors, directory and process group, but
 * as a child of the session's process and without the session's filter (session_server.h).
 */
#ifndef COOPER_BUILDER_SESSION_JOB_H
#define COOPER_BUILDER_SESSION_JOB_H

#include <signal.h>
#include <sys/types.h>

/* Takes the request from the connection, and starts the command that `asker` was called as. Its pid, or -1: then
 * nothing was started. `mask` is the signal mask that it gets. */
pid_t session_job_start(int connection, pid_t asker, const sigset_t *mask);

#endif

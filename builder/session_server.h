/*
 * What stands beside the program of a `cooper unshare` where there is one id: it answers the program's calls about
 * owners and ids (run/emulated.h), and carries out the cooper commands that are given in the session, because under
 * the program's filter they could neither read records nor run steps of their own.
 *
 *	session_server_start(w, &server, &pid, &err);
 *	if (pid == 0)
 *		execvp(…);
 *	session_server_serve(server, &status, &err);
 *
 * A command in the session finds a socket by the environment variable SESSION_SOCKET_VARIABLE, hands over its
 * descriptors and its working directory (session_ask()), and ends as the one that was started in its place does: with
 * the same arguments and environment, in the same process group, so that the terminal means both. When the asking
 * command is killed the other one is terminated.
 */
#ifndef COOPER_BUILDER_SESSION_SERVER_H
#define COOPER_BUILDER_SESSION_SERVER_H

#include "builder/workshop.h"

#define SESSION_SOCKET_VARIABLE "_COOPER_SESSION_SOCKET"

struct session_server;

/* True where a session needs one: a single id is mapped, or none because there is no namespace; and there is none yet. */
bool session_server_is_needed(struct workshop *w);
/* `w`, inside, is borrowed. *pid is 0 in the child, which becomes the program. On failure nothing was started. */
int session_server_start(struct workshop *w, struct session_server **server, pid_t *pid, struct error **err);
/* Until the program has ended; *status is its exit status as a shell counts it. For what it has left in the background
 * a process of ours stays until that has ended. Frees the server. */
int session_server_serve(struct session_server *server, int *status, struct error **err);

/* In a command: true when it is to be asked for. */
bool session_is_served(void);
/* This very command, as it was called, in the session's process; its exit status. Nothing must have been read or
 * written yet. */
int session_ask(struct error **err);

#endif

/*
 * The loop beside a session's program, and the commands that it starts for others. One thread; nothing in it waits for
 * the session's processes, because they may be waiting for it.
 */
#include "builder/session_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "builder/session_job.h"
#include "builder/session_owners.h"
#include "run/emulated.h"

#define JOBS_MAX 64
#define SIGNAL_BASE 128
/* How long a change of an owner may be in our memory alone. */
#define SAVE_INTERVAL_MS 300
/* Longer than a packet takes between two processes that run. */
#define REQUEST_SECONDS 2

/* A command that runs in another's place. */
struct job {
	pid_t pid;
	int asker; /* its connection; -1: it is gone */
};

struct session_server {
	struct session_owners *owners;
	struct emulation *emulation;
	pid_t program;
	int status;
	bool has_ended;
	int socket;
	char *path;
	int signals;
	sigset_t mask; /* as it was before */
	struct job jobs[JOBS_MAX];
	size_t job_count;
};

static void session_server_free(struct session_server *server)
{
	if (!server)
		return;
	emulation_free(server->emulation);
	session_owners_free(server->owners);
	for (size_t i = 0; i < server->job_count; i++)
		fd_close(server->jobs[i].asker);
	if (server->path)
		unlink(server->path);
	fd_close(server->socket);
	if (server->signals >= 0) {
		fd_close(server->signals);
		sigprocmask(SIG_SETMASK, &server->mask, NULL);
	}
	free(server->path);
	free(server);
}
CLEANUP_FOR(struct session_server, session_server_free)

/* ---- the start ---- */

bool session_server_is_needed(struct workshop *w)
{
	const struct idmap *map = NULL;

	return !session_is_served() && workshop_idmap(w, &map, NULL) == 0 && map->kind == IDMAP_SINGLE;
}

static int open_socket(struct session_server *server, struct workshop *w, struct error **err)
{
	struct store *store = workshop_store(w);
	int folder = store_folder(store, STORE_RUN, err);
	cleanup_free char *name = mem_printf("session-%d.sock", (int)getpid());
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (folder < 0)
		return folder;
	/* A path may be longer than an address; the descriptor's number is not. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder, name);
	unlinkat(folder, name, 0); /* of one that had our number, and was killed */
	server->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (server->socket < 0 || bind(server->socket, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(folder, name, 0600, 0) < 0 || listen(server->socket, JOBS_MAX) < 0)
		return error_set_errno(err, "make the session's socket");
	server->path = store_path(store, STORE_RUN, name);
	setenv(SESSION_SOCKET_VARIABLE, server->path, /* overwrite */ 1);
	return 0;
}

static int take_signals(struct session_server *server, struct error **err)
{
	static const int ours[] = {SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ours); i++)
		sigaddset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, &server->mask) < 0)
		return error_set_errno(err, "take signals");
	server->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return server->signals < 0 ? error_set_errno(err, "take signals") : 0;
}

int session_server_start(struct workshop *w, struct session_server **server, pid_t *pid, struct error **err)
{
	cleanup(session_server_free) struct session_server *made = mem_alloc(sizeof(*made));

	made->socket = made->signals = -1;
	made->owners = session_owners_new(w);
	const struct emulation_options options = {
		.scope = EMULATE_IDS_AND_MOVES,
		.upper = -1,
		.may_change_root = true,
		.find_place = session_owners_find,
		.place_context = made->owners,
		.without_namespace = workshop_is_translated(w),
	};
	int rc = open_socket(made, w, err);
	if (rc == 0)
		rc = take_signals(made, err);
	if (rc == 0)
		rc = emulated_fork(&options, &made->emulation, &made->program, err);
	/* It is for who asks, and not for us. */
	if (rc < 0 || made->program != 0)
		unsetenv(SESSION_SOCKET_VARIABLE);
	if (rc < 0)
		return rc;
	if (made->program == 0) {
		sigprocmask(SIG_SETMASK, &made->mask, NULL);
		made->path = NULL; /* the parent's to remove */
	}
	*pid = made->program;
	*server = take_ptr(&made);
	return 0;
}

/* ---- commands for others ---- */

static bool is_ours(int connection, struct ucred *asker)
{
	socklen_t size = sizeof(*asker);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, asker, &size) == 0 && asker->uid == geteuid() &&
	       asker->pid > 0;
}

static void take_request(struct session_server *server)
{
	cleanup_close int connection = accept4(server->socket, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval patience = {.tv_sec = REQUEST_SECONDS};
	struct ucred asker;

	if (connection < 0 || !is_ours(connection, &asker))
		return;
	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	session_owners_release(server->owners);
	pid_t pid = session_job_start(connection, asker.pid, &server->mask);
	if (pid > 0)
		server->jobs[server->job_count++] = (struct job){.pid = pid, .asker = take_fd(&connection)};
}

/* It does not speak again: what comes is its end. */
static void hear_asker(struct job *job)
{
	fd_close(take_fd(&job->asker));
	kill(job->pid, SIGTERM);
}

static int shell_status(int status)
{
	return WIFSIGNALED(status) ? SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
}

static void end_job(struct session_server *server, size_t index, int status)
{
	struct job *job = &server->jobs[index];
	int code = shell_status(status);

	/* What it has recorded is seen before who asked goes on. */
	session_owners_merge(server->owners);
	if (job->asker >= 0)
		(void)send(job->asker, &code, sizeof(code), MSG_NOSIGNAL);
	fd_close(job->asker);
	server->jobs[index] = server->jobs[--server->job_count];
}

static void reap(struct session_server *server)
{
	int status;

	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid == server->program) {
			server->has_ended = true;
			server->status = shell_status(status);
		}
		for (size_t i = 0; i < server->job_count; i++)
			if (server->jobs[i].pid == pid) {
				end_job(server, i, status);
				break;
			}
	}
}

/* ---- the loop ---- */

/* The terminal's reach the program without us; it decides, and we end when it does. */
static void hear_signals(struct session_server *server)
{
	struct signalfd_siginfo info;

	while (read(server->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(server);
		else if ((info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP) && !server->has_ended)
			kill(server->program, (int)info.ssi_signo);
	}
}

enum { WAIT_SIGNALS, WAIT_CALLS, WAIT_SOCKET, WAIT_JOBS, WAIT_COUNT = WAIT_JOBS + JOBS_MAX };

static int wait_once(struct session_server *server, struct error **err)
{
	struct supervisor *calls = emulation_supervisor(server->emulation);
	bool is_changed = session_owners_have_changed(server->owners);
	struct pollfd fds[WAIT_COUNT] = {
		[WAIT_SIGNALS] = {.fd = server->signals, .events = POLLIN},
		[WAIT_CALLS] = {.fd = calls->listener, .events = POLLIN},
		/* Who comes while all places are taken waits. */
		[WAIT_SOCKET] = {.fd = server->job_count < JOBS_MAX ? server->socket : -1, .events = POLLIN},
	};
	size_t jobs = server->job_count;

	for (size_t i = 0; i < jobs; i++)
		fds[WAIT_JOBS + i] = (struct pollfd){.fd = server->jobs[i].asker, .events = POLLIN};
	int ready = poll(fds, WAIT_JOBS + jobs, is_changed ? SAVE_INTERVAL_MS : -1);
	if (ready < 0)
		return errno == EINTR ? 0 : error_set_errno(err, "wait for the session");
	if (ready == 0)
		session_owners_save(server->owners);
	if (fds[WAIT_CALLS].revents) {
		int rc = supervisor_serve(calls, fds[WAIT_CALLS].revents, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < jobs; i++)
		if (fds[WAIT_JOBS + i].revents)
			hear_asker(&server->jobs[i]);
	/* These change the list of jobs. */
	if (fds[WAIT_SOCKET].revents)
		take_request(server);
	if (fds[WAIT_SIGNALS].revents)
		hear_signals(server);
	return 0;
}

/* Somebody who was started in the session is still there, and would get ENOSYS for an answer. */
static bool has_survivors(const struct session_server *server)
{
	struct pollfd calls = {.fd = emulation_supervisor(server->emulation)->listener};

	return server->job_count > 0 || (calls.fd >= 0 && (poll(&calls, 1, 0) <= 0 || !(calls.revents & POLLHUP)));
}

static void stay_for_survivors(struct session_server *server)
{
	fflush(NULL);
	if (fork() != 0)
		return;
	/* Whoever waits for the end of our output does not wait for this. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	while (has_survivors(server) && wait_once(server, NULL) == 0)
		;
	session_owners_save(server->owners);
	unlink(server->path);
	_exit(0);
}

int session_server_serve(struct session_server *served, int *status, struct error **err)
{
	cleanup(session_server_free) struct session_server *server = served;
	int rc = 0;

	/* Commands that the program has left in the background are our children. */
	while (rc == 0 && (!server->has_ended || server->job_count > 0))
		rc = wait_once(server, err);
	session_owners_save(server->owners);
	if (rc < 0)
		return rc;
	*status = server->status;
	if (!has_survivors(server))
		return 0;
	stay_for_survivors(server);
	free(take_ptr(&server->path)); /* it removes the socket */
	return 0;
}

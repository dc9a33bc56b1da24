/*
 * What is to be executed is read from /proc/PID of who asks and waits; descriptors came with the request.
 */
#include "builder/session_job.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/strlist.h"
#include "builder/session_server.h"
#include "builder/session_wire.h"

/* As much as execve(2) takes. */
#define WORDS_SIZE_MAX ((size_t)16 << 20)
#define STATUS_FAILED 125

struct job_request {
	struct session_request wire;
	int fds[SESSION_FDS_MAX + 1]; /* the working directory last */
	size_t fd_count;
};

static void job_request_done(struct job_request *request)
{
	for (size_t i = 0; i < request->fd_count; i++)
		fd_close(request->fds[i]);
	request->fd_count = 0;
}
CLEANUP_FOR_VALUE(struct job_request, job_request_done)

static bool receive(int connection, struct job_request *request)
{
	union session_fds control = {0};
	struct iovec part = {.iov_base = &request->wire, .iov_len = sizeof(request->wire)};
	struct msghdr packet = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(connection, &packet, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *first = got > 0 ? CMSG_FIRSTHDR(&packet) : NULL;

	if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS) {
		request->fd_count = (first->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(request->fds, CMSG_DATA(first), request->fd_count * sizeof(int));
	}
	return got == (ssize_t)sizeof(request->wire) && request->wire.count <= SESSION_FDS_MAX &&
	       request->fd_count == request->wire.count + (size_t)1;
}

/* ---- in the child ---- */

/* /proc/PID/name: words that each end in a NUL. */
static int read_words(pid_t pid, const char *name, struct strlist *words)
{
	cleanup(buf_done) struct buf text = BUF_INIT(WORDS_SIZE_MAX);
	cleanup_free char *path = mem_printf("/proc/%d/%s", (int)pid, name);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : fd_read_all(fd, &text, NULL);

	if (rc < 0 || text.len == 0)
		return rc < 0 ? rc : -ESRCH;
	const char *all = buf_str(&text);
	for (size_t at = 0; at < text.len; at += strlen(all + at) + 1)
		strlist_append(words, all + at);
	return 0;
}

/* Under the numbers that they had. First out of each other's way: all are above the largest of them then. */
static int place_descriptors(const struct job_request *request)
{
	int largest = STDERR_FILENO;
	int moved[SESSION_FDS_MAX];

	for (uint32_t i = 0; i < request->wire.count; i++)
		if (request->wire.numbers[i] > largest)
			largest = request->wire.numbers[i];
	for (uint32_t i = 0; i < request->wire.count; i++) {
		moved[i] = fcntl(request->fds[i], F_DUPFD_CLOEXEC, largest + 1);
		if (moved[i] < 0 || request->wire.numbers[i] < 0)
			return -EMFILE;
	}
	for (uint32_t i = 0; i < request->wire.count; i++)
		if (dup2(moved[i], request->wire.numbers[i]) < 0)
			return -errno;
	return 0;
}

__attribute__((noreturn)) static void become_command(const struct job_request *request, pid_t asker)
{
	cleanup(strlist_done) struct strlist argv = {0}, env = {0};

	/* While it waits its number is its own; when it is gone meanwhile, nobody wants what we do. */
	if (read_words(asker, "cmdline", &argv) < 0 || read_words(asker, "environ", &env) < 0)
		_exit(STATUS_FAILED);
	setpgid(0, getpgid(asker)); /* else ^C would miss one of the two */
	strlist_env_unset(&env, SESSION_SOCKET_VARIABLE);
	if (fchdir(request->fds[request->fd_count - 1]) < 0 || place_descriptors(request) < 0)
		_exit(STATUS_FAILED);
	execve("/proc/self/exe", strlist_argv(&argv), strlist_argv(&env));
	_exit(STATUS_FAILED);
}

pid_t session_job_start(int connection, pid_t asker, const sigset_t *mask)
{
	cleanup(job_request_done) struct job_request request = {0};

	if (!receive(connection, &request))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		become_command(&request, asker);
	}
	return pid;
}

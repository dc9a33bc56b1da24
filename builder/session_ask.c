/*
 * The asking side. All of it runs under the filter whose supervisor is the one that is asked, and that answers nothing
 * while it takes the request: between connect and send no call is made that the filter traps.
 */
#include "builder/session_server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "builder/session_wire.h"

bool session_is_served(void)
{
	return env_plain(SESSION_SOCKET_VARIABLE) != NULL;
}

static int collect(struct session_request *request, struct error **err)
{
	cleanup_directory DIR *dir = NULL;
	uint64_t number;
	int rc = directory_open(AT_FDCWD, "/proc/self/fd", &dir, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));) {
		if (parse_u64(entry->d_name, INT_MAX, "descriptor", &number, NULL) < 0 || (int)number == dirfd(dir))
			continue;
		if (request->count == SESSION_FDS_MAX)
			rc = error_set(err, EMFILE, "more than %d descriptors are open: close some of them",
				       SESSION_FDS_MAX);
		else
			request->numbers[request->count++] = (int32_t)number;
	}
	return rc;
}

/* A path may be longer than an address. */
static int name_socket(const char *path, int *directory, struct sockaddr_un *address, struct error **err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *above = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
	int fd = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "'%s'", above);
	*directory = fd;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	int length = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d%s", fd, slash);
	return length < (int)sizeof(address->sun_path) ? 0 : error_set(err, ENAMETOOLONG, "'%s'", path);
}

static int send_request(int to, const struct session_request *request, int directory)
{
	union session_fds control = {0};
	struct iovec part = {.iov_base = (void *)request, .iov_len = sizeof(*request)};
	size_t size = (request->count + 1) * sizeof(int);
	struct msghdr packet = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(size)};
	struct cmsghdr *first = CMSG_FIRSTHDR(&packet);

	first->cmsg_level = SOL_SOCKET;
	first->cmsg_type = SCM_RIGHTS;
	first->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(first), request->numbers, request->count * sizeof(int));
	memcpy(CMSG_DATA(first) + request->count * sizeof(int), &directory, sizeof(int));
	return sendmsg(to, &packet, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int session_ask(struct error **err)
{
	struct session_request request = {0};
	struct sockaddr_un address;
	cleanup_close int above = -1;
	int status = 0;
	int rc = collect(&request, err);

	if (rc == 0)
		rc = name_socket(env_plain(SESSION_SOCKET_VARIABLE), &above, &address, err);
	if (rc < 0)
		return error_prefix(err, "ask the session");
	cleanup_close int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int to = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (here < 0 || to < 0)
		return error_set_errno(err, here < 0 ? "the working directory" : "ask the session");
	rc = connect(to, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno
										 : send_request(to, &request, here);
	if (rc < 0)
		return error_set(err, -rc, "ask the session: %s", strerror(-rc));
	ssize_t got = fd_read_full(to, &status, sizeof(status), NULL);
	if (got != (ssize_t)sizeof(status))
		return error_set(err, EPIPE, "the process of the session has ended");
	return status;
}

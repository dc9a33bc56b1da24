/*
 * Packets between the two sides of a step's set-up.
 */
#include "run/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

_Static_assert(sizeof(struct channel_header) == sizeof(struct init_report), "the init writes a channel header");

int channel_open(int *parent, int *child, struct error **err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, "make a socket pair");
	/* Clear of the numbers that the step's own descriptors get. */
	cleanup_close int low = pair[1];
	int high = fcntl(low, F_DUPFD_CLOEXEC, INIT_CHANNEL + 1);
	if (high < 0) {
		close(pair[0]);
		return error_set_errno(err, "make a socket pair");
	}
	*parent = pair[0];
	*child = high;
	return 0;
}

/* Room for one descriptor (cmsg(3)). */
union one_fd {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_send(int channel, enum channel_kind kind, int code, const void *data, size_t size, int fd)
{
	struct channel_header header = {.kind = (unsigned)kind, .code = code};
	struct iovec parts[] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)data, .iov_len = size < CHANNEL_SIZE_MAX ? size : CHANNEL_SIZE_MAX},
	};
	struct msghdr packet = {.msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1};
	union one_fd control = {0};

	if (fd >= 0) {
		packet.msg_control = control.bytes;
		packet.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *first = CMSG_FIRSTHDR(&packet);
		first->cmsg_level = SOL_SOCKET;
		first->cmsg_type = SCM_RIGHTS;
		first->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(first), &fd, sizeof(fd));
	}
	while (sendmsg(channel, &packet, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int channel_receive(int channel, struct channel_message *message, struct error **err)
{
	struct channel_header header;
	struct iovec parts[] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = message->data, .iov_len = CHANNEL_SIZE_MAX},
	};
	union one_fd control = {0};
	struct msghdr packet = {.msg_iov = parts,
				.msg_iovlen = 2,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t got;

	do
		got = recvmsg(channel, &packet, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	message->fd = -1;
	message->size = 0;
	if (got == 0 || (got < 0 && errno == ECONNRESET)) {
		message->kind = CHANNEL_END;
		return 0;
	}
	if (got < 0)
		return error_set_errno(err, "read from the step's set-up");
	if ((size_t)got < sizeof(header))
		return error_set(err, EIO, "the step's set-up sent a short packet");
	struct cmsghdr *first = CMSG_FIRSTHDR(&packet);
	if (first && first->cmsg_type == SCM_RIGHTS)
		memcpy(&message->fd, CMSG_DATA(first), sizeof(int));
	message->kind = (enum channel_kind)header.kind;
	message->code = header.code;
	message->size = (size_t)got - sizeof(header);
	message->data[message->size] = '\0';
	return 0;
}

int channel_expect(int channel, enum channel_kind kind, struct error **err)
{
	struct channel_message message;
	int rc = channel_receive(channel, &message, err);

	if (rc < 0)
		return rc;
	if (message.fd >= 0)
		close(message.fd);
	if (message.kind == kind)
		return 0;
	if (message.kind == CHANNEL_END)
		return error_set(err, EPIPE, "the other side of the step's set-up has ended");
	return error_set(err, EIO, "unexpected packet %u in the step's set-up", (unsigned)message.kind);
}

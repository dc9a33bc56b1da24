/*
 * A parent that cannot be given the listener of its step's supervisor (sendmsg(2): ETOOMANYREFS, with too many
 * descriptors of the user's on their way). For LD_PRELOAD.
 *
 *	cc -shared -fPIC -O1 -o unheard.so unheard.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* run/channel.h: CHANNEL_START and CHANNEL_LISTENER. */
#define START 9
#define LISTENER 12

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	const unsigned *kind = message->msg_iov[0].iov_base;

	if (message->msg_controllen > 0 && message->msg_iov[0].iov_len == 8 && (*kind == START || *kind == LISTENER)) {
		errno = ETOOMANYREFS;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

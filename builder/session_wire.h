/*
 * What session_ask() sends: one packet, with the descriptors beside it. The answer is an int, the exit status.
 */
#ifndef COOPER_BUILDER_SESSION_WIRE_H
#define COOPER_BUILDER_SESSION_WIRE_H

#include <stdint.h>
#include <sys/socket.h>

/* Of the 253 that one packet may carry (SCM_MAX_FD, unix(7)) one is the working directory. */
#define SESSION_FDS_MAX 252

struct session_request {
	uint32_t count;
	int32_t numbers[SESSION_FDS_MAX]; /* what the descriptors are called by who asks; the working directory last */
};

union session_fds {
	struct cmsghdr align;
	char bytes[CMSG_SPACE((SESSION_FDS_MAX + 1) * sizeof(int))];
};

#endif

/*
 * What the process that runs a step and the step's first process say to each other while it is set up: a socket pair
 * of packets, close-on-exec on both sides. The step's end lives on in the init as INIT_CHANNEL until the command is
 * executed; then the parent reads the end of it.
 */
#ifndef COOPER_RUN_CHANNEL_H
#define COOPER_RUN_CHANNEL_H

#include "base/error.h"
#include "run/init/protocol.h"

#include <stddef.h>

#define CHANNEL_SIZE_MAX ((size_t)8 << 10)

enum channel_kind {
	CHANNEL_END = 0,	/* the other side has closed */
	CHANNEL_READY = 1,	/* child: my maps can be written */
	CHANNEL_GO = 2,		/* parent: they are written */
	CHANNEL_NETWORK_UP = 3, /* parent: the helper has configured your network */
	CHANNEL_STUB = 4,	/* child: struct stub_record, with a descriptor */
	CHANNEL_TERMINAL = 5,	/* child: the master of the step's terminal, a descriptor */
	CHANNEL_WARN = 6,	/* child: code is an enum fallback that has happened */
	CHANNEL_FAIL = 7,	/* child: code and text; nothing follows */
	CHANNEL_NO_PROC = 8,	/* child: as FAIL, because a fresh /proc is refused: try without a pid namespace */
	CHANNEL_START =
		9, /* child: all is set up, the init is next; with the listener of its supervisor, if it has one */
	CHANNEL_BUNDLE =
		10, /* child: the bundle of an OCI runtime, a descriptor; code: errno if the command is not there */
	CHANNEL_IDENTITY = 11, /* child: struct identity_record: who the command is to believe to be */
	CHANNEL_LISTENER = 12, /* child: the listener already, for the supervisor has to answer from now on */
	CHANNEL_EXEC = (int)INIT_REPORT_EXEC, /* init: the command could not be executed, code says why */
};

/* The first bytes of a packet; the same as struct init_report. */
struct channel_header {
	unsigned kind;
	int code;
};

struct channel_message {
	enum channel_kind kind;
	int code;
	size_t size; /* of data; a NUL follows */
	char data[CHANNEL_SIZE_MAX + 1];
	int fd; /* -1, or a descriptor that is the receiver's now */
};

int channel_open(int *parent, int *child, struct error **err);
/* Sends; `fd` may be -1. Longer data is cut. -EPIPE when the other side is gone. */
int channel_send(int channel, enum channel_kind kind, int code, const void *data, size_t size, int fd);
/* Waits for one packet. -EIO for a malformed one. */
int channel_receive(int channel, struct channel_message *message, struct error **err);
/* Waits for a packet of this kind and nothing else; -EPIPE when the other side is gone. */
int channel_expect(int channel, enum channel_kind kind, struct error **err);

#endif

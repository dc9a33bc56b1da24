/*
 * Places to mount on that a root does not have: made before the step, removed after it, with the traces that making
 * them left in the upper directory. /etc/hosts in an image without one is an empty file for the length of the run; the
 * /etc that overlayfs copied up for it, and its changed time, must not be part of the layer.
 *
 * Two sides. The child makes stubs in the root and notes what it found there before; the parent gets the notes with
 * open descriptors of the upper directory, and undoes them when the step has ended. It never walks a path again: the
 * step may have put a symlink in it (CVE-2024-23652).
 */
#ifndef COOPER_RUN_STUBS_H
#define COOPER_RUN_STUBS_H

#include "base/error.h"

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

enum stub_kind {
	STUB_MADE,    /* fd/name is ours: remove it if it is still what we made, and empty */
	STUB_BROUGHT, /* fd/name is a directory that was only in a lower layer: remove it if nothing else is in it */
	STUB_TOUCHED, /* fd itself was there: only its time changed */
};

#define STUB_NAME_SIZE 256

/* A note, as it travels. */
struct stub_record {
	enum stub_kind kind;
	dev_t dev; /* of what was made, brought or touched */
	ino_t ino;
	struct timespec mtime;			  /* before us */
	struct timespec after_mtime, after_ctime; /* when the step began */
	char name[STUB_NAME_SIZE];		  /* "" for STUB_TOUCHED */
};

struct stub {
	struct stub_record record;
	int fd; /* the directory that holds it; for STUB_TOUCHED itself */
};

struct stubs {
	struct stub *items;
	size_t count;
};

void stubs_done(struct stubs *stubs);
CLEANUP_FOR_VALUE(struct stubs, stubs_done)

/* Child: opens `path` in the root (O_PATH) as a place to mount a directory (S_IFDIR) or a file (S_IFREG) on, and makes
 * it when it is missing. `record` is the directory where what is made shows up for the parent: the overlay's upper, or
 * the root itself. Symlinks are followed inside the root. -ENOTDIR and -EISDIR when the image has something else. */
MUST_CHECK int stub_place(struct stubs *stubs, int root, int record, const char *path, mode_t type, struct error **err);

/* Child: completes the notes and sends each with its descriptor; call it when nothing more is made. */
int stubs_send(struct stubs *stubs, int channel, struct error **err);

/* Parent: takes a note and its descriptor. */
void stubs_add(struct stubs *stubs, const struct stub_record *record, int fd);
/* Parent, when the step's mounts are gone. What cannot be undone is left and said at debug level. */
void stubs_undo(struct stubs *stubs);

#endif

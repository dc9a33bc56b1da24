/*
 * The system call filter of a step: cooper's own allow-list (calls newer than it give ENOSYS, known dangerous ones
 * EPERM), or a profile in Docker's JSON format. Compiled by libseccomp as a binary tree and kept in the cache by what
 * it was made from, so that a run loads it in microseconds.
 */
#ifndef COOPER_RUN_SECCOMP_H
#define COOPER_RUN_SECCOMP_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct seccomp_options {
	const char *profile; /* text of a Docker profile; NULL = cooper's own */
	size_t profile_size;
	const char *profile_name; /* for errors */
	uint64_t capabilities;	  /* of the step: profiles allow more to those who have them */
	bool allow_nested_userns;
	int cache; /* directory to keep the program in, or -1 */
};

/* The program: struct sock_filter[] in `program`. */
int seccomp_load(const struct seccomp_options *options, struct buf *program, struct error **err);

/* The same filter as text, "linux.seccomp" of an OCI runtime's config.json, for a runtime that compiles it itself. What
 * that form cannot say is left to the runtime: that calls newer than a profile's author get ENOSYS. */
int seccomp_describe(const struct seccomp_options *options, struct buf *json, struct error **err);

#endif

/*
 * What a program sees of files, owners, ids, descriptors and processes, as lines of text: the same natively as root, by
 * a step that has many ids, by one that is only told so, and in a root without namespaces. Numbers of inodes, devices
 * and processes and times are not printed. Every call's result and errno is.
 *
 * One file for each family of calls. A family is a function in the table of conformance.c; each has a process and an
 * empty directory of its own.
 */
#ifndef COOPER_TESTS_CONFORMANCE_H
#define COOPER_TESTS_CONFORMANCE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Prints "call = result ERRNO", and gives the result. */
#define SHOW(call) show(#call, (long)(call))
/* The same of a call whose result is a number that may differ: 0 for every success. */
#define CHECK(call) (void)show(#call, (long)(call) < 0 ? -1 : 0)

long show(const char *what, long result);

/* Mode, owner and links of a file, by all ways to ask. */
void look(const char *path);
/* By one. */
void look_briefly(const char *path);
void make(const char *path, const char *text);
/* The file's text in one line. */
void print_file(const char *path);
/* All ids, groups and capabilities of the caller. */
void print_ids(void);
/* The same without capabilities. */
void print_numbers(void);
/* In a process of its own, for what cannot be taken back. */
void apart(void (*part)(void));
/* Parts of families that others use, too. */
void prepare_access(void);
void ask_access(void);
void print_field(const char *path, const char *name);
void exactly_once(int flags);
void be_user(uint32_t uid, uint32_t gid);
/* A copy of this program, for what executes itself. It is called again with `argv`, see main(). */
void copy_self(const char *path);

/* The families. */
void test_owners(void), test_paths(void), test_ids(void), test_capabilities(void), test_create(void),
	test_set_user_id(void), test_stat(void), test_attributes(void), test_names(void), test_nodes(void),
	test_devices(void), test_borders(void), test_times(void), test_modes(void), test_unnamed(void), test_ways(void),
	test_directories(void), test_locks(void), test_sockets(void), test_messages(void), test_descriptors(void),
	test_memory(void), test_watches(void), test_proc(void), test_exec(void), test_threads(void), test_signals(void),
	test_terminals(void), test_objects(void), test_others(void), test_refused(void), test_other_abi(void);

/* openat2(2), once more when a rename anywhere on the machine met its ".." (EAGAIN below RESOLVE_BENEATH and IN_ROOT). */
static inline long openat2_again(int dir, const char *path, const void *how, size_t size)
{
	long fd;

	do
		fd = syscall(SYS_openat2, dir, path, how, size);
	while (fd < 0 && errno == EAGAIN);
	return fd;
}

#endif

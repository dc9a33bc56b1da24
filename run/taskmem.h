/*
 * The memory of a thread whose call is being answered, through /proc/TID/mem: as fast as process_vm_readv(2), and not
 * refused where that is. The descriptor is kept from call to call; it belongs to the address space that the thread had
 * when it was opened, so it is dropped at exec (tasks.h), and opened again when it reads nothing (that space is gone).
 *
 * Addresses are the step's: hostile. Nothing here reads more than it is told to. A thread that is killed while it is
 * answered gives its number away; so what is opened by the number counts only when the call still waits then, and
 * nothing is read from, nor written to, the memory of who got it since.
 */
#ifndef COOPER_RUN_TASKMEM_H
#define COOPER_RUN_TASKMEM_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct taskmem {
	int fd;	       /* -1: not open */
	int proc;      /* borrowed: our /proc; AT_FDCWD: by its path */
	int listener;  /* borrowed, and the call that is answered; -1: the thread is known to wait otherwise */
	uint64_t call; /* struct trap's id */
};
#define TASKMEM_INIT ((struct taskmem){.fd = -1, .proc = AT_FDCWD, .listener = -1})

void taskmem_drop(struct taskmem *mem);
/* All of it, or -EFAULT; -ESRCH when the thread has ended. */
int taskmem_read(struct taskmem *mem, pid_t tid, uint64_t address, void *data, size_t size);
int taskmem_write(struct taskmem *mem, pid_t tid, uint64_t address, const void *data, size_t size);
/* A string with its NUL into text[size]: its length, -ENAMETOOLONG when it has no NUL within `size`, -EFAULT. Read page
 * by page: one that ends right before an unmapped page is whole. */
ssize_t taskmem_read_string(struct taskmem *mem, pid_t tid, uint64_t address, char *text, size_t size);
/* The range lies in one mapping that this process shares with no other (MAP_PRIVATE). For a thread that is stopped, and
 * whose memory nobody changes meanwhile. */
bool taskmem_is_own(pid_t tid, uint64_t address, size_t size);

#endif

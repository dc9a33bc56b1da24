/*
 * Memory of another thread, by offset into /proc/TID/mem.
 */
#include "run/taskmem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define PAGE ((size_t)4096)
/* Longer than most paths: what is read beyond the end costs time at every call. */
#define FIRST_READ ((size_t)192)

void taskmem_drop(struct taskmem *mem)
{
	fd_close(take_fd(&mem->fd));
}

static int open_mem(struct taskmem *mem, pid_t tid)
{
	cleanup_free char *path = mem_printf("/proc/%d/mem", tid);

	taskmem_drop(mem);
	mem->fd = open(path, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (mem->listener >= 0 && ioctl(mem->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &mem->call) < 0) {
		taskmem_drop(mem);
		return -ESRCH;
	}
	return 0;
}

enum direction { FROM_TASK, TO_TASK };

/* So much of it as there is; 0 when the address space is gone. */
static ssize_t move(const struct taskmem *mem, enum direction direction, uint64_t address, void *data, size_t size)
{
	ssize_t moved;

	/* No offset of a file: half of the address space is the kernel's. */
	if (address > (uint64_t)INT64_MAX - size)
		return -EFAULT;
	do
		moved = direction == FROM_TASK ? pread(mem->fd, data, size, (off_t)address)
					       : pwrite(mem->fd, data, size, (off_t)address);
	while (moved < 0 && errno == EINTR);
	return moved < 0 ? -EFAULT : moved;
}

/* With a descriptor that may be of an address space that is no more. */
static ssize_t move_fresh(struct taskmem *mem, pid_t tid, enum direction direction, uint64_t address, void *data,
			  size_t size)
{
	bool is_kept = mem->fd >= 0;
	int rc = is_kept ? 0 : open_mem(mem, tid);
	ssize_t moved = rc < 0 ? rc : move(mem, direction, address, data, size);

	if (moved != 0 || !is_kept || size == 0)
		return moved;
	rc = open_mem(mem, tid);
	return rc < 0 ? rc : move(mem, direction, address, data, size);
}

static int move_all(struct taskmem *mem, pid_t tid, enum direction direction, uint64_t address, void *data, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t moved = move_fresh(mem, tid, direction, address + done, (char *)data + done, size - done);
		if (moved <= 0)
			return moved == 0 ? -EFAULT : (int)moved;
		done += (size_t)moved;
	}
	return 0;
}

int taskmem_read(struct taskmem *mem, pid_t tid, uint64_t address, void *data, size_t size)
{
	return move_all(mem, tid, FROM_TASK, address, data, size);
}

int taskmem_write(struct taskmem *mem, pid_t tid, uint64_t address, const void *data, size_t size)
{
	return move_all(mem, tid, TO_TASK, address, (void *)(uintptr_t)data, size);
}

ssize_t taskmem_read_string(struct taskmem *mem, pid_t tid, uint64_t address, char *text, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* No further than the end of the page: what is behind it may not be there. */
		size_t want = PAGE - (size_t)((address + done) % PAGE);
		if (want > size - done)
			want = size - done;
		if (done == 0 && want > FIRST_READ)
			want = FIRST_READ;
		ssize_t moved = move_fresh(mem, tid, FROM_TASK, address + done, text + done, want);
		if (moved <= 0)
			return moved == 0 ? -EFAULT : moved;
		const char *end = memchr(text + done, '\0', (size_t)moved);
		if (end)
			return end - text;
		done += (size_t)moved;
	}
	return -ENAMETOOLONG;
}

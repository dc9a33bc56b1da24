/*
 * Memory of another thread, by offset into /proc/TID/mem.
 */
#include "run/taskmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"

#define PAGE ((size_t)4096)
/* Longer than most paths: what is read beyond the end costs time at every call. */
#define FIRST_READ ((size_t)192)
#define MAPS_SIZE_MAX ((size_t)16 << 20)

void taskmem_drop(struct taskmem *mem)
{
	fd_close(take_fd(&mem->fd));
}

static int open_mem(struct taskmem *mem, pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "%s%d/mem", mem->proc == AT_FDCWD ? "/proc/" : "", tid);
	taskmem_drop(mem);
	mem->fd = openat(mem->proc, path, O_RDWR | O_CLOEXEC);
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

/* ---- Whose it is ---- */

/* Linux 6.11, newer than the headers of Debian 12 (linux/fs.h). */
struct map_query {
	uint64_t size, query_flags, query_addr;
	uint64_t start, end, flags, page_size, offset, inode;
	uint32_t dev_major, dev_minor, name_size, build_id_size;
	uint64_t name_addr, build_id_addr;
};
#define MAP_QUERY _IOWR('f', 17, struct map_query)
#define MAP_IS_SHARED 0x08

/* The text that the kernel has had before: lines of "start-end rw-p …" in ascending order. 1: found. */
static int find_in_text(const char *maps, uint64_t address, struct map_query *found)
{
	for (const char *line = maps; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char kind;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*3c%c", &found->start, &found->end, &kind) != 3)
			return 0;
		found->flags = kind == 'p' ? 0 : MAP_IS_SHARED;
		if (address < found->end)
			return address >= found->start;
	}
	return 0;
}

static int find_map(int maps, struct buf *text, uint64_t address, struct map_query *found)
{
	*found = (struct map_query){.size = sizeof(*found), .query_addr = address};
	if (text->len == 0 && ioctl(maps, MAP_QUERY, found) == 0)
		return 1;
	if (text->len == 0 && (errno == ENOENT || fd_read_all(maps, text, NULL) < 0))
		return 0;
	return find_in_text(buf_str(text), address, found);
}

bool taskmem_is_own(pid_t tid, uint64_t address, size_t size)
{
	cleanup_free char *path = mem_printf("/proc/%d/maps", tid);
	cleanup(buf_done) struct buf text = BUF_INIT(MAPS_SIZE_MAX);
	cleanup_close int maps = open(path, O_RDONLY | O_CLOEXEC);
	struct map_query map;

	if (maps < 0 || address > UINT64_MAX - size)
		return false;
	for (uint64_t at = address; at < address + size; at = map.end)
		if (find_map(maps, &text, at, &map) <= 0 || map.flags & MAP_IS_SHARED)
			return false;
	return true;
}

/*
 * How many images there are. They lie in 256 folders, and to list those takes ten times as long as to see that nothing
 * has changed in them. So images/numbers has, for each folder, what it looked like (dirstate.h) and how many there
 * were. It is derived: what it says of a folder that looks otherwise is nothing.
 */
#include "imagefmt/images_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/dirlist.h"
#include "imagefmt/dirstate.h"

#define FILE_NAME "numbers"
#define MAGIC "coopnum1"
#define FOLDERS 256
/* A few folders are listed as fast. */
#define WORTH_WRITING 8

struct folder {
	struct dir_state state; /* all 0: not known */
	uint64_t count;
};

struct numbers {
	char magic[8];
	struct folder folders[FOLDERS];
};

static void load(int table, struct numbers *numbers)
{
	cleanup_close int fd = openat(table, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fd_read_full(fd, numbers, sizeof(*numbers), NULL) != sizeof(*numbers) ||
	    memcmp(numbers->magic, MAGIC, sizeof(numbers->magic)) != 0)
		*numbers = (struct numbers){.magic = MAGIC};
}

static int count(int dirfd, const char *name, struct folder *folder, struct error **err)
{
	cleanup_close int fd = fd_open_dir(dirfd, name, err);
	ssize_t n = fd < 0 ? fd : dir_list_count(fd, name, err);

	if (n < 0)
		return (int)n;
	folder->count = (uint64_t)n;
	return 0;
}

/* 1 when it had to be listed. */
static int look_at(int dirfd, unsigned number, bool counts, struct folder *folder, struct error **err)
{
	cleanup_free char *name = mem_printf("%02x", number);
	struct dir_clock now = dir_clock_now();
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		bool was_known = folder->count != 0;
		*folder = (struct folder){0};
		return errno == ENOENT ? was_known : error_set_errno(err, "look at 'images/" BY_ID "/%s'", name);
	}
	struct dir_state state = dir_state_of(&st);
	if (counts && dir_state_equal(&state, &folder->state))
		return 0;
	int rc = count(dirfd, name, folder, err);
	folder->state = counts && dir_state_is_settled(&state, &now) ? state : (struct dir_state){0};
	return rc < 0 ? rc : 1;
}

int images_number(int table, size_t *number, struct error **err)
{
	cleanup_free struct numbers *numbers = mem_alloc(sizeof(*numbers));
	cleanup_close int dirfd = fd_open_dir(table, BY_ID, err);
	cleanup_error struct error *why = NULL;
	size_t sum = 0;
	int rc = 0, listed = 0;

	if (dirfd < 0)
		return dirfd;
	bool counts = dir_state_counts(dirfd);
	load(table, numbers);
	for (unsigned i = 0; rc >= 0 && i < FOLDERS; i++) {
		rc = look_at(dirfd, i, counts, &numbers->folders[i], err);
		listed += rc > 0;
		sum += numbers->folders[i].count;
	}
	if (rc < 0)
		return rc;
	/* For the next one; in a store that may only be read, and on a full disk, everybody counts. */
	if (counts && listed >= WORTH_WRITING &&
	    atomic_file_write(table, FILE_NAME, 0600, numbers, sizeof(*numbers), /* flags */ 0, &why) < 0)
		log_debug("the numbers of images are not kept: %s", error_message(why));
	*number = sum;
	return 0;
}

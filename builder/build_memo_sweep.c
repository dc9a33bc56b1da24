/*
 * Memos of contexts that nobody builds any more. A memo's mtime is when it was last of use, to a day.
 */
#include "builder/build_memo_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "builder/build_question.h"

#define DAY_S ((int64_t)24 * 60 * 60)

struct memo_file {
	char *name;
	int64_t used;
	uint64_t size;
};
struct memo_files {
	struct memo_file *items;
	size_t count;
};

static void memo_files_done(struct memo_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(files->items[i].name);
	free(files->items);
}
CLEANUP_FOR_VALUE(struct memo_files, memo_files_done)

static int compare_use(const void *a, const void *b)
{
	const struct memo_file *one = a, *other = b;

	if (one->used != other->used)
		return one->used > other->used ? -1 : 1;
	return strcmp(one->name, other->name);
}

/* The last used come first. */
static int list_files(int dir, struct memo_files *files, struct error **err)
{
	cleanup_directory DIR *entries = NULL;
	int rc = directory_open(dir, ".", &entries, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(entries, &rc, err));) {
		struct stat st;
		if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		files->items = mem_grow(files->items, files->count + 1, sizeof(*files->items));
		files->items[files->count++] = (struct memo_file){
			.name = mem_strdup(entry->d_name), .used = st.st_mtime, .size = (uint64_t)st.st_size};
	}
	if (rc < 0)
		return rc;
	if (files->count)
		qsort(files->items, files->count, sizeof(*files->items), compare_use);
	return 0;
}

int build_memo_sweep(struct store *store, int64_t now, uint64_t *bytes, struct error **err)
{
	cleanup(memo_files_done) struct memo_files files = {0};
	int cache = store_folder(store, STORE_CACHE, err);

	if (cache < 0)
		return cache;
	build_question_sweep(store, now);
	cleanup_close int dir = openat(cache, BUILD_MEMO_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "open the directory of context memos");
	int rc = list_files(dir, &files, err);
	uint64_t total = 0;
	for (size_t i = 0; rc >= 0 && i < files.count; i++) {
		const struct memo_file *file = &files.items[i];
		total += file->size;
		if (file->used >= now - BUILD_MEMO_DAYS * DAY_S && total <= BUILD_MEMO_ROOM)
			continue;
		/* Who has it mapped keeps it. */
		if (unlinkat(dir, file->name, 0) < 0 && errno != ENOENT)
			rc = error_set_errno(err, "remove the memo of a context");
		else if (bytes)
			*bytes += file->size;
	}
	return rc;
}

/*
 * Names in a directory: made, looked for, swept by their time.
 */
#include "builder/build_question.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"

#define DAY_S (24 * 60 * 60) /* how exactly the time of the last use is kept */

static char *path_of(const struct digest *question)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf(BUILD_QUESTION_FOLDER "/%s", digest_hex(question, hex));
}

bool build_question_is_known(struct store *store, const struct digest *question, int64_t now)
{
	cleanup_free char *path = path_of(question);
	int cache = store_folder(store, STORE_CACHE, NULL);
	struct stat st;

	if (cache < 0)
		return true;
	if (fstatat(cache, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	/* A store that we may only read remembers nothing of it. */
	if (st.st_mtime < now - DAY_S)
		utimensat(cache, path, NULL, AT_SYMLINK_NOFOLLOW);
	return true;
}

void build_question_note(struct store *store, const struct digest *question)
{
	cleanup_free char *path = path_of(question);
	int cache = store_folder(store, STORE_CACHE, NULL);

	if (cache < 0)
		return;
	if (mkdirat(cache, BUILD_QUESTION_FOLDER, 0700) < 0 && errno != EEXIST)
		log_debug("a step's question cannot be remembered: %m");
	fd_close(openat(cache, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
}

void build_question_sweep(struct store *store, int64_t now)
{
	cleanup_free char *path = store_path(store, STORE_CACHE, BUILD_QUESTION_FOLDER);
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	struct stat st;
	int rc = directory_open(AT_FDCWD, path, &dir, &why);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));) {
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    st.st_mtime < now - (int64_t)BUILD_QUESTION_DAYS * DAY_S)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (rc < 0 && rc != -ENOENT)
		log_debug("questions of old may stay: %s", error_message(why));
}

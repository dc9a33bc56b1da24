/* What a store in which there is nothing to collect looks like, as lines of text that are compared. */
#include "imagefmt/collect_stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "imagefmt/dirstate.h"
#include "imagefmt/images_internal.h"
#include "imagefmt/manifest.h"
#include "imagefmt/store_internal.h"

/* Changes whenever another version finds more to remove. */
#define HEAD "cooper clean 1"

static bool add_directory(struct buf *text, int dirfd, const char *path, const struct dir_clock *now)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		buf_printf(text, "%s none\n", path);
		return errno == ENOENT;
	}
	struct dir_state state = dir_state_of(&st);
	buf_printf(text, "%s %llx:%llx %lld.%09lld %lld.%09lld\n", path, (unsigned long long)state.dev,
		   (unsigned long long)state.ino, (long long)state.mtime_s, (long long)state.mtime_ns,
		   (long long)state.ctime_s, (long long)state.ctime_ns);
	return dir_state_is_settled(&state, now);
}

static bool add_directories(struct store *store, struct buf *text)
{
	static const char *const paths[] = {"layers", "oci/blobs", "oci/blobs/sha256", "oci/blobs/sha512"};
	int root = store_folder(store, STORE_ROOT, NULL);
	struct dir_clock now = dir_clock_now();

	if (root < 0 || !dir_state_counts(root))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
		if (!add_directory(text, root, paths[i], &now))
			return false;
	return true;
}

/* It is only appended to, before what it is about becomes true, so its size says how far. The rest tells it from one
 * that was made anew. */
static bool add_catalogue(int table, struct buf *text)
{
	struct stat st;

	if (fstatat(table, "catalogue", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	buf_printf(text, "catalogue %llx:%llx %lld %lld.%09ld\n", (unsigned long long)st.st_dev,
		   (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
		   st.st_mtim.tv_nsec);
	return true;
}

/* Images that were removed leave their rows there until their content is gone. */
static bool add_table(struct store *store, struct buf *text)
{
	cleanup(strlist_done) struct strlist removed = {0};
	cleanup_close int table = images_table_open(store, NULL);

	return table >= 0 && add_catalogue(table, text) && images_removed_list(table, &removed, NULL) == 0 &&
	       removed.count == 0;
}

static bool add_digest_of(struct buf *text, const char *what, const void *data, size_t size)
{
	char digest[DIGEST_TEXT_SIZE];
	struct digest of;

	if (digest_of(data, size, &of, NULL) < 0)
		return false;
	buf_printf(text, "%s %s\n", what, digest_format(&of, digest));
	return true;
}

static bool add_index(struct store *store, struct buf *text)
{
	cleanup(buf_done) struct buf index = BUF_INIT(MANIFEST_SIZE_MAX);
	int oci = store_folder(store, STORE_OCI, NULL);

	return oci >= 0 && fd_read_file(oci, "index.json", &index, NULL) == 0 &&
	       add_digest_of(text, "index", buf_str(&index), index.len);
}

static int compare(const void *a, const void *b)
{
	return digest_compare(a, b);
}

static bool add_kept(struct buf *text, const struct digest *kept, size_t count)
{
	cleanup_free struct digest *sorted = mem_alloc((count + 1) * sizeof(*sorted));
	cleanup(buf_done) struct buf all = BUF_INIT(BUF_MAX_DEFAULT);

	if (count > 0)
		memcpy(sorted, kept, count * sizeof(*sorted));
	if (count > 1)
		qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || !digest_equal(&sorted[i], &sorted[i - 1]))
			buf_append(&all, sorted[i].bytes, sizeof(sorted[i].bytes));
	return !all.overflow && add_digest_of(text, "kept", buf_str(&all), all.len);
}

bool collect_stamp_make(struct store *store, const struct digest *kept, size_t kept_count, struct buf *text)
{
	const char *boot = store_boot_id(store);

	buf_clear(text);
	buf_printf(text, HEAD " %s\n", boot);
	if (*boot && add_directories(store, text) && add_table(store, text) && add_index(store, text) &&
	    add_kept(text, kept, kept_count))
		return true;
	buf_clear(text);
	return false;
}

bool collect_stamp_is(struct store *store, const struct buf *text)
{
	cleanup(buf_done) struct buf is = BUF_INIT(text->max);
	int root = store_folder(store, STORE_ROOT, NULL);

	return text->len > 0 && root >= 0 && fd_read_file(root, COLLECT_STAMP, &is, NULL) == 0 && is.len == text->len &&
	       memcmp(is.data, text->data, text->len) == 0;
}

void collect_stamp_write(struct store *store, const struct buf *text)
{
	cleanup_error struct error *why = NULL;
	int root = store_folder(store, STORE_ROOT, NULL);

	if (text->len == 0 || root < 0)
		return;
	if (atomic_file_write(root, COLLECT_STAMP, 0600, text->data, text->len, /* flags */ 0, &why) < 0)
		log_debug("the next prune looks at everything again: %s", error_message(why));
}

/*
 * One small file for each step that was made: "<version> <diff_id> <size> <created>[ <key by files>]", and of a copy
 * in a script " <kind>:<digest>" in the last one's place. In the second line what the step is; its mtime is when it was
 * last of use.
 */
#include "builder/build_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strlist.h"
#include "base/tree.h"
#include "builder/blob_places.h"
#include "builder/build_question.h"
#include "builder/explain.h"
#include "imagefmt/layer.h"

#define FOLDER "steps"
#define VERSION "1"
#define RECORD_SIZE_MAX ((size_t)4096)
#define TEXT_SIZE_MAX 512 /* bytes kept of what the step is */
#define DEPTH_NS 1000	  /* between the times of use of a step and the one above it */
#define DEPTH_MAX ((size_t)900000)

static bool read_last_word(const char *word, struct build_record *record)
{
	if (!word[0] || word[1] != ':')
		return digest_parse(word, &record->by_files, NULL) >= 0;
	record->copied_kind = word[0];
	return digest_parse(word + 2, &record->copied, NULL) >= 0;
}

/* `text` gets the second line; NULL. */
static int read_record(int dirfd, const char *name, struct build_record *record, char **description, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(RECORD_SIZE_MAX);
	cleanup(strlist_done) struct strlist words = {0};
	struct build_record read = {0};
	int rc = fd_read_file(dirfd, name, &text, err);

	if (rc < 0)
		return rc;
	char *line = text.data, *next = line ? strchr(line, '\n') : NULL;
	if (next)
		*next++ = '\0';
	strlist_split(&words, line ? line : "", ' ');
	/* What another version wrote, or a crash left, is as good as nothing. */
	if (words.count < 4 || words.count > 5 || strcmp(words.items[0], VERSION) != 0 ||
	    digest_parse(words.items[1], &read.diff_id, NULL) < 0 ||
	    parse_u64(words.items[2], INT64_MAX, "size", &read.size, NULL) < 0 ||
	    parse_i64(words.items[3], 0, INT64_MAX, "created", &read.created, NULL) < 0 ||
	    (words.count == 5 && !read_last_word(words.items[4], &read)))
		return error_set(err, ENOENT, "the record of step %.12s cannot be read", strrchr(name, '/') + 1);
	*record = read;
	if (description)
		*description = mem_strdup(next ? next : "");
	return 0;
}

int build_cache_peek(struct store *store, const struct digest *key, struct build_record *record, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *name = mem_printf(FOLDER "/%s", digest_hex(key, hex));
	int cache = store_folder(store, STORE_CACHE, err);

	return cache < 0 ? cache : read_record(cache, name, record, /* description */ NULL, err);
}

int build_cache_load(struct store *store, const struct digest *key, struct build_record *record, struct error **err)
{
	struct build_record read;
	int rc = build_cache_peek(store, key, &read, err);
	char hex[DIGEST_HEX_SIZE];

	trace(BUILD, "key %s: %s", digest_hex(key, hex), rc < 0 ? strerror(-rc) : "known");
	if (rc < 0)
		return rc;
	/* Where it is good its record need not be read again to say so. */
	bool is_checked = layer_is_checked(store, &read.diff_id);
	cleanup_free char *tree = is_checked ? NULL : layer_tree_path(store, &read.diff_id);
	if (tree && faccessat(AT_FDCWD, tree, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return error_set(err, ENOENT, "the step's layer is gone");
	*record = read;
	return 0;
}

static char *format_last_word(const struct build_record *record)
{
	char text[DIGEST_TEXT_SIZE];

	if (record->copied_kind)
		return mem_printf(" %c:%s", record->copied_kind, digest_format(&record->copied, text));
	return digest_is_null(&record->by_files) ? mem_strdup("")
						 : mem_printf(" %s", digest_format(&record->by_files, text));
}

/* The first line, no more than there is room for, and no half of a character. */
static size_t text_size(const char *text)
{
	size_t size = strcspn(text, "\n");

	if (size <= TEXT_SIZE_MAX)
		return size;
	for (size = TEXT_SIZE_MAX; ((unsigned char)text[size] & 0xc0) == 0x80;)
		size--;
	return size;
}

/* ---- which layers there are records of ------------------------------------------------------------------------------
 */

/* A line for each record that was saved: "<layer> <key>". It may speak of records that are gone. */
#define LAYERS_FILE "step-layers"
#define LAYERS_FILE_MAX ((size_t)64 << 20)
/* For more of them all records are read. */
#define ASKED_MAX ((size_t)16)

static void put_line(struct buf *text, const struct digest *diff_id, const struct digest *key)
{
	char layer[DIGEST_HEX_SIZE], hex[DIGEST_HEX_SIZE];

	buf_printf(text, "%s %s\n", digest_hex(diff_id, layer), digest_hex(key, hex));
}

/* Before the record is there. Where the file is missing or too large, who needs it makes it anew. */
static void note_layer(int cache, const struct digest *diff_id, const struct digest *key, bool is_first)
{
	cleanup(buf_done) struct buf line = BUF_INIT(4 * DIGEST_HEX_SIZE);
	cleanup_close int fd = openat(cache, LAYERS_FILE,
				      O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | (is_first ? O_CREAT : 0), 0600);

	put_line(&line, diff_id, key);
	if (fd >= 0 && write(fd, line.data, line.len) != (ssize_t)line.len)
		unlinkat(cache, LAYERS_FILE, 0);
}

/* All of them, and the file made anew where it is missing. */
static int read_all_layers(struct store *store, int cache, bool is_missing, struct digest **diff_ids, size_t *count,
			   struct error **err)
{
	cleanup(build_cache_entries_done) struct build_cache_entries entries = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(LAYERS_FILE_MAX);
	int rc = build_cache_list(store, &entries, err);

	if (rc < 0)
		return rc;
	*diff_ids = mem_grow(*diff_ids, *count + entries.count + 1, sizeof(**diff_ids));
	for (size_t i = 0; i < entries.count; i++) {
		(*diff_ids)[(*count)++] = entries.items[i].record.diff_id;
		put_line(&text, &entries.items[i].record.diff_id, &entries.items[i].key);
	}
	if (is_missing && !text.overflow)
		atomic_file_write(cache, LAYERS_FILE, 0600, text.data, text.len, /* flags */ 0, NULL);
	return 0;
}

/* Does one of the records that were saved of it still say so? */
static bool has_record(struct store *store, const struct buf *text, const struct digest *diff_id)
{
	char hex[DIGEST_HEX_SIZE];
	size_t length = strlen(digest_hex(diff_id, hex));
	const char *end = buf_str(text) + text->len;

	for (const char *at = buf_str(text); (at = memmem(at, (size_t)(end - at), hex, length)); at += length) {
		struct build_record record;
		struct digest key;
		if (at[length] != ' ')
			continue;
		cleanup_free char *name =
			mem_printf("sha256:%.*s", (int)strcspn(at + length + 1, "\n"), at + length + 1);
		if (digest_parse(name, &key, NULL) == 0 && build_cache_peek(store, &key, &record, NULL) == 0 &&
		    digest_equal(&record.diff_id, diff_id))
			return true;
	}
	return false;
}

int build_cache_layers_among(struct store *store, const struct digest *asked, size_t asked_count,
			     struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(LAYERS_FILE_MAX);
	int cache = store_folder(store, STORE_CACHE, err);

	if (cache < 0)
		return cache;
	bool is_missing = fd_read_file(cache, LAYERS_FILE, &text, NULL) < 0;
	if (is_missing || asked_count > ASKED_MAX)
		return read_all_layers(store, cache, is_missing, diff_ids, count, err);
	*diff_ids = mem_grow(*diff_ids, *count + asked_count + 1, sizeof(**diff_ids));
	for (size_t i = 0; i < asked_count; i++)
		if (has_record(store, &text, &asked[i]))
			(*diff_ids)[(*count)++] = asked[i];
	return 0;
}

/* ---- saving ---------------------------------------------------------------------------------------------------------
 */

int build_cache_save(struct store *store, const struct digest *key, const struct build_record *record, const char *what,
		     struct error **err)
{
	char hex[DIGEST_HEX_SIZE], diff_id[DIGEST_TEXT_SIZE];
	cleanup_free char *name = mem_printf(FOLDER "/%s", digest_hex(key, hex));
	cleanup_free char *last = format_last_word(record);
	cleanup_free char *text = mem_printf(VERSION " %s %llu %lld%s\n%.*s", digest_format(&record->diff_id, diff_id),
					     (unsigned long long)record->size, (long long)record->created, last,
					     what ? (int)text_size(what) : 0, what ? what : "");
	int cache = store_folder(store, STORE_CACHE, err);

	if (cache < 0)
		return cache;
	trace(BUILD, "key %s: layer %s", hex, diff_id);
	bool is_first = mkdirat(cache, FOLDER, 0700) == 0;
	if (!is_first && errno != EEXIST)
		return error_set_errno(err, "make the directory of the build cache");
	note_layer(cache, &record->diff_id, key, is_first);
	return atomic_file_write(cache, name, 0600, text, strlen(text), /* flags */ 0, err);
}

void build_cache_touch(struct store *store, const struct digest *key, int64_t seconds, size_t depth)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *name = mem_printf(FOLDER "/%s", digest_hex(key, hex));
	int cache = store_folder(store, STORE_CACHE, NULL);
	long below = (long)(depth < DEPTH_MAX ? depth : DEPTH_MAX) * DEPTH_NS;
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = 999999999 - below}};

	/* A store that we may only read remembers nothing of it. */
	if (cache >= 0)
		utimensat(cache, name, times, AT_SYMLINK_NOFOLLOW);
}

int build_cache_forget(struct store *store, const struct digest *key, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *name = mem_printf(FOLDER "/%s", digest_hex(key, hex));
	int cache = store_folder(store, STORE_CACHE, err);

	if (cache < 0)
		return cache;
	return unlinkat(cache, name, 0) < 0 && errno != ENOENT ? error_set_errno(err, "remove the record of a step")
							       : 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------
 */

void build_cache_entries_done(struct build_cache_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->items[i].text);
	free(entries->items);
	*entries = (struct build_cache_entries){0};
}

static void add_entry(struct build_cache_entries *entries, int dirfd, const char *name)
{
	cleanup_free char *path = mem_printf("./%s", name);
	cleanup_free char *key = mem_printf("sha256:%s", name);
	struct build_cache_entry entry = {0};
	struct stat st;

	/* What cannot be read is a record of nothing. */
	if (digest_parse(key, &entry.key, NULL) < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    read_record(dirfd, path, &entry.record, &entry.text, NULL) < 0)
		return;
	entry.used_s = st.st_mtim.tv_sec;
	entry.used_ns = st.st_mtim.tv_nsec;
	entries->items = mem_grow(entries->items, entries->count + 1, sizeof(*entries->items));
	entries->items[entries->count++] = entry;
}

int build_cache_list(struct store *store, struct build_cache_entries *entries, struct error **err)
{
	cleanup_free char *path = store_path(store, STORE_CACHE, FOLDER);
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(AT_FDCWD, path, &dir, &why);

	if (rc == -ENOENT)
		return 0;
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));)
		add_entry(entries, dirfd(dir), entry->d_name);
	return rc < 0 ? error_set(err, -rc, "read the build cache: %s", error_message(why)) : 0;
}

int build_cache_layers(struct store *store, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup(build_cache_entries_done) struct build_cache_entries entries = {0};
	int rc = build_cache_list(store, &entries, err);

	if (rc < 0)
		return rc;
	*diff_ids = mem_grow(*diff_ids, *count + entries.count + 1, sizeof(**diff_ids));
	for (size_t i = 0; i < entries.count; i++)
		(*diff_ids)[(*count)++] = entries.items[i].record.diff_id;
	return 0;
}

int build_cache_clear(struct store *store, struct error **err)
{
	int cache = store_folder(store, STORE_CACHE, err);

	int rc = cache < 0 ? cache : tree_remove(cache, FOLDER, err);

	if (rc >= 0)
		rc = tree_remove(cache, LAYERS_FILE, err);
	if (rc >= 0)
		rc = tree_remove(cache, BUILD_QUESTION_FOLDER, err);
	if (rc >= 0)
		rc = tree_remove(cache, EXPLAIN_FOLDER, err);
	return rc < 0 ? rc : tree_remove(cache, BLOB_PLACES_FOLDER, err);
}

/*
 * Directories of cache mounts, with notes of what they are.
 */
#include "builder/cache_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/tree.h"
#include "builder/mount_root.h"

#define FOLDER "mounts"
#define NOTE_SIZE_MAX ((size_t)64 << 10)
#define LOCK_KIND "cache"

int cache_mount_name(const struct mount_setting *setting, struct digest *name, struct error **err)
{
	/* What it starts with makes it another cache; without `from`, the source is only a part of it. */
	bool is_filled = setting->from || setting->root;
	cleanup_free char *text = mem_printf("%s\n%s\n%s", setting->id ? setting->id : setting->target,
					     setting->from && !mount_root_is(setting->from) ? setting->from : "",
					     is_filled && setting->source ? setting->source : "");

	return digest_of(text, strlen(text), name, err);
}

int cache_mounts_open(struct store *store, struct error **err)
{
	int cache = store_folder(store, STORE_CACHE, err);

	if (cache < 0)
		return cache;
	if (mkdirat(cache, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make the directory of caches");
	return fd_open_dir(cache, FOLDER, err);
}

/* ---- notes ----------------------------------------------------------------------------------------------------------
 */

struct note {
	char *id;
	int64_t created, measured; /* seconds */
	uint64_t size;
	int64_t used; /* the file's mtime */
};

static void note_done(struct note *note)
{
	free(note->id);
}
CLEANUP_FOR_VALUE(struct note, note_done)

static char *note_file(const struct digest *name)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf("%s.json", digest_hex(name, hex));
}

static void set_used(int mounts, const char *file, int64_t seconds)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};

	utimensat(mounts, file, times, AT_SYMLINK_NOFOLLOW);
}

static int note_load(int mounts, const struct digest *name, struct note *note, struct error **err)
{
	cleanup_free char *file = note_file(name);
	cleanup_json json_t *root = NULL;
	cleanup(note_done) struct note read = {0};
	struct stat st;
	int rc = json_load_at(mounts, file, NOTE_SIZE_MAX, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(file, root);
	rc = json_get_string(json_field(&at, "id"), &read.id, err);
	if (rc >= 0)
		rc = json_get_i64(json_field(&at, "created"), &read.created, err);
	if (rc >= 0)
		rc = json_get_i64(json_field(&at, "measured"), &read.measured, err);
	if (rc >= 0)
		rc = json_get_u64(json_field(&at, "size"), &read.size, err);
	if (rc >= 0 && fstatat(mounts, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		rc = error_set_errno(err, "%s", file);
	if (rc < 0)
		return rc;
	read.used = st.st_mtim.tv_sec;
	*note = read;
	read = (struct note){0};
	return 0;
}

static void note_save(int mounts, const struct digest *name, const struct note *note)
{
	cleanup_free char *file = note_file(name);
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(NOTE_SIZE_MAX);

	json_set_take(root, "id", json_from_bytes(note->id ? note->id : ""));
	json_set_i64(root, "created", note->created);
	json_set_i64(root, "measured", note->measured);
	json_set_i64(root, "size", (int64_t)note->size);
	json_format(root, &text);
	if (!text.overflow && atomic_file_write(mounts, file, 0600, text.data, text.len, /* flags */ 0, NULL) == 0)
		set_used(mounts, file, note->used);
}

void cache_mount_note(struct store *store, const struct digest *name, const char *id, int64_t now)
{
	cleanup(note_done) struct note note = {0};
	cleanup_close int mounts = cache_mounts_open(store, NULL);

	if (mounts < 0)
		return;
	if (note_load(mounts, name, &note, NULL) == 0) {
		cleanup_free char *file = note_file(name);
		set_used(mounts, file, now);
		return;
	}
	note = (struct note){.id = mem_strdup(id), .created = now, .used = now};
	note_save(mounts, name, &note);
}

/* ---- listing --------------------------------------------------------------------------------------------------------
 */

void cache_mounts_done(struct cache_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		free(mounts->items[i].id);
	free(mounts->items);
	*mounts = (struct cache_mounts){0};
}

void cache_mounts_add(struct cache_mounts *mounts, const struct digest *name, const char *id)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (digest_equal(&mounts->items[i].name, name))
			return;
	mounts->items = mem_grow(mounts->items, mounts->count + 1, sizeof(*mounts->items));
	mounts->items[mounts->count++] = (struct cache_mount){.name = *name, .id = mem_strdup(id)};
}

int cache_mount_lock(struct store *store, const struct digest *name, enum lock_wait wait, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];

	return store_lock(store, LOCK_KIND, digest_hex(name, hex), LOCK_EXCLUSIVE, wait, "a cache mount", err);
}

int cache_mount_open(struct store *store, const struct digest *name, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_close int mounts = cache_mounts_open(store, err);

	return mounts < 0 ? mounts : fd_open_dir(mounts, digest_hex(name, hex), err);
}

bool cache_mount_exists(struct store *store, const struct digest *name)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_close int mounts = cache_mounts_open(store, NULL);

	return mounts >= 0 && faccessat(mounts, digest_hex(name, hex), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int cache_mount_adopt(struct store *store, const struct digest *name, const char *made, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_close int mounts = cache_mounts_open(store, err);
	int tmp = mounts < 0 ? mounts : store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	if (renameat2(tmp, made, mounts, digest_hex(name, hex), RENAME_NOREPLACE) < 0)
		return error_set_errno(err, "put the cache mount %.12s into its place", hex);
	return 0;
}

static bool is_busy(struct store *store, const struct digest *name)
{
	cleanup_close int held = cache_mount_lock(store, name, LOCK_TRY, NULL);

	return held == -EWOULDBLOCK;
}

/* What was used since is measured again. A second in which it was used and measured counts as used. */
static void measure(int mounts, const struct digest *name, struct note *note)
{
	char hex[DIGEST_HEX_SIZE];
	struct tree_usage usage = {0};
	cleanup_close int dir = fd_open_dir(mounts, digest_hex(name, hex), NULL);

	if (note->measured > note->used || dir < 0 || tree_usage(dir, &usage, NULL) < 0)
		return;
	note->size = usage.bytes;
	note->measured = note->used + 1;
	note_save(mounts, name, note);
}

static void list_one(struct store *store, int dirfd, const struct digest *name, struct cache_mounts *mounts)
{
	cleanup(note_done) struct note note = {0};

	struct stat st;
	char hex[DIGEST_HEX_SIZE];

	/* Of one without a note, or with one that cannot be read, only this is known. */
	if (note_load(dirfd, name, &note, NULL) < 0 &&
	    fstatat(dirfd, digest_hex(name, hex), &st, AT_SYMLINK_NOFOLLOW) == 0)
		note = (struct note){.created = st.st_mtim.tv_sec, .used = st.st_mtim.tv_sec};
	measure(dirfd, name, &note);
	mounts->items = mem_grow(mounts->items, mounts->count + 1, sizeof(*mounts->items));
	mounts->items[mounts->count++] = (struct cache_mount){
		.name = *name,
		.id = note.id ? take_ptr(&note.id) : mem_strdup(""),
		.created = note.created,
		.used = note.used,
		.size = note.size,
		.is_busy = is_busy(store, name),
	};
}

int cache_mounts_list(struct store *store, struct cache_mounts *mounts, struct error **err)
{
	cleanup_close int folder = cache_mounts_open(store, err);
	cleanup_directory DIR *dir = NULL;
	int rc = folder < 0 ? folder : directory_take(&folder, &dir, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));) {
		cleanup_free char *text = mem_printf("sha256:%s", entry->d_name);
		struct digest name;
		if (digest_parse(text, &name, NULL) == 0)
			list_one(store, dirfd(dir), &name, mounts);
	}
	return rc;
}

/* ---- removing -------------------------------------------------------------------------------------------------------
 */

int cache_mount_remove(struct store *store, const struct digest *name, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *file = note_file(name);
	cleanup_free char *removed = NULL;
	cleanup_error struct error *error = NULL;
	cleanup_close int held = cache_mount_lock(store, name, LOCK_TRY, &error);

	if (held == -EWOULDBLOCK)
		return error_set(err, EBUSY, "the cache mount %.12s is in use", digest_hex(name, hex));
	if (held < 0)
		return error_set(err, -held, "%s", error_message(error));
	cleanup_close int mounts = cache_mounts_open(store, err);
	int tmp = mounts < 0 ? mounts : store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	/* What is behind the rename takes its time, and is swept later if we die meanwhile. */
	removed = store_tmp_name(store, "removed");
	if (renameat(mounts, digest_hex(name, hex), tmp, removed) < 0 && errno != ENOENT)
		return error_set_errno(err, "remove the cache mount %.12s", hex);
	unlinkat(mounts, file, 0);
	store_drop_lock(store, LOCK_KIND, hex);
	return tree_remove(tmp, removed, err);
}

/*
 * One small file for each step that was made: "<version> <diff_id> <size> <created>[ <key by files>]", and of a copy
 * in a script " <kind>:<digest>" in the last one's place.
 */
#include "builder/build_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/strlist.h"
#include "base/tree.h"
#include "imagefmt/layer.h"

#define FOLDER "steps"
#define VERSION "1"
#define RECORD_SIZE_MAX ((size_t)4096)

static bool read_last_word(const char *word, struct build_record *record)
{
	if (!word[0] || word[1] != ':')
		return digest_parse(word, &record->by_files, NULL) >= 0;
	record->copied_kind = word[0];
	return digest_parse(word + 2, &record->copied, NULL) >= 0;
}

static int read_record(int dirfd, const char *name, struct build_record *record, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(RECORD_SIZE_MAX);
	cleanup(strlist_done) struct strlist words = {0};
	struct build_record read = {0};
	int rc = fd_read_file(dirfd, name, &text, err);

	if (rc < 0)
		return rc;
	strlist_split(&words, buf_str(&text), ' ');
	/* What another version wrote, or a crash left, is as good as nothing. */
	if (words.count < 4 || words.count > 5 || strcmp(words.items[0], VERSION) != 0 ||
	    digest_parse(words.items[1], &read.diff_id, NULL) < 0 ||
	    parse_u64(words.items[2], INT64_MAX, "size", &read.size, NULL) < 0 ||
	    parse_i64(words.items[3], 0, INT64_MAX, "created", &read.created, NULL) < 0 ||
	    (words.count == 5 && !read_last_word(words.items[4], &read)))
		return error_set(err, ENOENT, "the record of step %.12s cannot be read", strrchr(name, '/') + 1);
	*record = read;
	return 0;
}

int build_cache_peek(struct store *store, const struct digest *key, struct build_record *record, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *name = mem_printf(FOLDER "/%s", digest_hex(key, hex));
	int cache = store_folder(store, STORE_CACHE, err);

	return cache < 0 ? cache : read_record(cache, name, record, err);
}

int build_cache_load(struct store *store, const struct digest *key, struct build_record *record, struct error **err)
{
	struct build_record read;
	int rc = build_cache_peek(store, key, &read, err);
	char hex[DIGEST_HEX_SIZE];

	trace(BUILD, "key %s: %s", digest_hex(key, hex), rc < 0 ? strerror(-rc) : "known");
	if (rc < 0)
		return rc;
	cleanup_free char *tree = layer_tree_path(store, &read.diff_id);
	if (faccessat(AT_FDCWD, tree, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
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

int build_cache_save(struct store *store, const struct digest *key, const struct build_record *record,
		     struct error **err)
{
	char hex[DIGEST_HEX_SIZE], diff_id[DIGEST_TEXT_SIZE];
	cleanup_free char *name = mem_printf(FOLDER "/%s", digest_hex(key, hex));
	cleanup_free char *last = format_last_word(record);
	cleanup_free char *text = mem_printf(VERSION " %s %llu %lld%s", digest_format(&record->diff_id, diff_id),
					     (unsigned long long)record->size, (long long)record->created, last);
	int cache = store_folder(store, STORE_CACHE, err);

	if (cache < 0)
		return cache;
	trace(BUILD, "key %s: layer %s", hex, diff_id);
	if (mkdirat(cache, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make the directory of the build cache");
	return atomic_file_write(cache, name, 0600, text, strlen(text), /* flags */ 0, err);
}

int build_cache_layers(struct store *store, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup_free char *path = store_path(store, STORE_CACHE, FOLDER);
	DIR *dir = opendir(path);

	if (!dir)
		return errno == ENOENT ? 0 : error_set_errno(err, "read the build cache");
	for (const struct dirent *entry; (entry = readdir(dir));) {
		cleanup_free char *name = mem_printf("%s/%s", path, entry->d_name);
		struct build_record record;
		if (entry->d_name[0] == '.' || read_record(AT_FDCWD, name, &record, NULL) < 0)
			continue;
		*diff_ids = mem_grow(*diff_ids, *count + 1, sizeof(**diff_ids));
		(*diff_ids)[(*count)++] = record.diff_id;
	}
	closedir(dir);
	return 0;
}

int build_cache_clear(struct store *store, struct error **err)
{
	int cache = store_folder(store, STORE_CACHE, err);

	return cache < 0 ? cache : tree_remove(cache, FOLDER, err);
}

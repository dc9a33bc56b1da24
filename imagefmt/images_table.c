/* The files of the table of images: one for the rows of each image, a link for each name (images_internal.h). */
#include "imagefmt/images_catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "imagefmt/dirlist.h"
#include "imagefmt/index.h"

#define FOLDER "images"
#define BY_NAME "by-name"
#define ID_ANNOTATION "io.github.cooper.image.id"
#define CREATED_ANNOTATION "io.github.cooper.created"
#define SIZE_ANNOTATION "io.github.cooper.size"

/* "sha256:…" in a link. */
#define LINK_SIZE DIGEST_TEXT_SIZE

/* ---- one row ---- */

const char *images_name_of(const struct descriptor *d)
{
	return strlist_env_get(&d->annotations, REF_NAME_ANNOTATION);
}

bool images_id_of(const struct descriptor *d, struct digest *id)
{
	const char *text = strlist_env_get(&d->annotations, ID_ANNOTATION);

	return text && digest_parse(text, id, NULL) == 0;
}

int64_t images_created_of(const struct descriptor *d)
{
	int64_t created = 0;
	const char *text = strlist_env_get(&d->annotations, CREATED_ANNOTATION);

	if (text)
		parse_i64(text, INT64_MIN, INT64_MAX, CREATED_ANNOTATION, &created, NULL); /* 0: unknown */
	return created;
}

bool images_size_of(const struct descriptor *d, uint64_t *size)
{
	const char *text = strlist_env_get(&d->annotations, SIZE_ANNOTATION);

	return text && parse_u64(text, UINT64_MAX, SIZE_ANNOTATION, size, NULL) == 0;
}

void images_annotate_size(struct descriptor *d, uint64_t size)
{
	cleanup_free char *text = mem_printf("%llu", (unsigned long long)size);

	strlist_env_set(&d->annotations, SIZE_ANNOTATION, text);
	strlist_sort(&d->annotations);
}

void images_annotate(struct descriptor *d, const struct digest *id, int64_t created, const char *name)
{
	char digest[DIGEST_TEXT_SIZE];
	cleanup_free char *seconds = mem_printf("%lld", (long long)created);

	strlist_env_set(&d->annotations, ID_ANNOTATION, digest_format(id, digest));
	strlist_env_set(&d->annotations, CREATED_ANNOTATION, seconds);
	if (name)
		strlist_env_set(&d->annotations, REF_NAME_ANNOTATION, name);
	strlist_sort(&d->annotations);
}

void images_row_remove(struct image_index *rows, size_t at)
{
	descriptor_done(&rows->manifests[at]);
	rows->manifest_count--;
	memmove(&rows->manifests[at], &rows->manifests[at + 1], (rows->manifest_count - at) * sizeof(*rows->manifests));
}

/* ---- paths ---- */

/* Folders by the first two digits: a prefix of an id is looked for in one of them. */
char *images_rows_path(const struct digest *id)
{
	char hex[DIGEST_HEX_SIZE];

	digest_hex(id, hex);
	return mem_printf(BY_ID "/%.2s/%s", hex, hex);
}

/* A name can be longer than that of a file. */
static char *path_of_name(const char *name)
{
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];

	/* Cannot fail but for a missing library, and then nothing of the store could have been written. */
	if (digest_of(name, strlen(name), &digest, NULL) < 0)
		digest = (struct digest){0};
	return mem_printf(BY_NAME "/%s", digest_hex(&digest, hex));
}

/* ---- links ---- */

bool images_name_find(int table, const char *name, struct digest *id)
{
	cleanup_free char *path = path_of_name(name);
	char text[LINK_SIZE];
	ssize_t n = readlinkat(table, path, text, sizeof(text));

	if (n < 0 || (size_t)n == sizeof(text))
		return false;
	text[n] = '\0';
	return digest_parse(text, id, NULL) == 0;
}

static int sync_folder(struct store *store, int table, const char *path, struct error **err)
{
	if (store_is_scratch(store))
		return 0;
	cleanup_close int fd = fd_open_dir(table, path, err);
	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? error_set_errno(err, "sync '" FOLDER "/%s'", path) : 0;
}

int images_name_set(struct store *store, int table, const char *name, const struct digest *id, struct error **err)
{
	cleanup_free char *path = path_of_name(name);
	cleanup_free char *made = store_tmp_name(store, "name");
	char text[DIGEST_TEXT_SIZE];
	int tmp = store_tmp(store, err);
	int rc = tmp < 0 ? tmp : catalogue_note_name(store, table, id, name, err);

	if (rc < 0)
		return rc;
	if (symlinkat(digest_format(id, text), tmp, made) < 0 || renameat(tmp, made, table, path) < 0)
		return error_set_errno(err, "store '%s': give the name '%s'", store_root(store), name);
	return sync_folder(store, table, BY_NAME, err);
}

int images_name_unset(int table, const char *name, const struct digest *id, struct error **err)
{
	cleanup_free char *path = path_of_name(name);
	struct digest has;

	if (!images_name_find(table, name, &has) || !digest_equal(&has, id))
		return 0;
	return unlinkat(table, path, /* flags */ 0) < 0 && errno != ENOENT
		       ? error_set_errno(err, "take the name '%s' away", name)
		       : 0;
}

/* ---- rows ---- */

static bool has_name(int table, const struct digest *id, const char *name)
{
	struct digest has;

	return images_name_find(table, name, &has) && digest_equal(&has, id);
}

/* What a command that was killed has left between row and link, or between link and row. */
static void drop_rows_that_do_not_count(int table, const struct digest *id, struct image_index *rows)
{
	for (size_t i = rows->manifest_count; i-- > 0;) {
		const char *name = images_name_of(&rows->manifests[i]);
		if (name && !has_name(table, id, name))
			images_row_remove(rows, i);
	}
}

static int read_rows(int table, const char *path, struct image_index *rows, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int rc = fd_read_file(table, path, &text, err);

	return rc < 0 ? rc : image_index_parse(buf_str(&text), text.len, path, rows, err);
}

int images_rows_load(int table, const struct digest *id, struct image_index *rows, struct error **err)
{
	cleanup_free char *path = images_rows_path(id);
	cleanup(image_index_done) struct image_index read = {0};
	int rc = read_rows(table, path, &read, err);

	if (rc < 0)
		return rc;
	drop_rows_that_do_not_count(table, id, &read);
	if (read.manifest_count == 0)
		return error_set(err, ENOENT, "'%s' has no row that counts", path);
	*rows = read;
	read = (struct image_index){0};
	return 0;
}

bool images_has_rows(int table, const struct digest *id)
{
	cleanup_free char *path = images_rows_path(id);

	return faccessat(table, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int make_folder(int table, const char *path, struct error **err)
{
	return mkdirat(table, path, 0700) < 0 && errno != EEXIST ? error_set_errno(err, "make '" FOLDER "/%s'", path)
								 : 0;
}

static char *folder_of_id(const struct digest *id)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf(BY_ID "/%.2s", digest_hex(id, hex));
}

/* Written in tmp/, where what a killed process leaves is swept. */
static int write_rows(struct store *store, int table, const struct digest *id, const struct buf *text,
		      struct error **err)
{
	cleanup_free char *folder = folder_of_id(id);
	cleanup_free char *path = images_rows_path(id);
	cleanup_free char *made = store_tmp_name(store, "rows");
	int tmp = store_tmp(store, err);
	unsigned flags = store_is_scratch(store) ? 0 : ATOMIC_FILE_SYNC;
	int rc = tmp < 0 ? tmp : make_folder(table, folder, err);

	if (rc == 0)
		rc = atomic_file_write(tmp, made, 0600, text->data, text->len, flags, err);
	if (rc < 0)
		return rc;
	if (renameat(tmp, made, table, path) < 0)
		return error_set_errno(err, "replace '" FOLDER "/%s'", path);
	return sync_folder(store, table, folder, err);
}

static int replace_rows(struct store *store, int table, const struct digest *id, const struct buf *text,
			enum table_change change, struct error **err)
{
	struct error *full = NULL;
	int rc = write_rows(store, table, id, text, &full);

	if ((rc == -ENOSPC || rc == -EDQUOT) && change == TABLE_SHRINKS && store_use_reserve(store)) {
		log_debug("%s; the room that is kept for this is used", error_message(full));
		error_clear(&full);
		rc = write_rows(store, table, id, text, &full);
	} else if (rc == 0) {
		store_keep_reserve(store, text->len);
	}
	if (rc < 0 && err)
		*err = take_ptr(&full);
	error_free(full);
	return rc < 0 ? error_prefix(err, "store '%s': table of images", store_root(store)) : 0;
}

int images_rows_save(struct store *store, int table, const struct digest *id, const struct image_index *rows,
		     enum table_change change, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	if (rows->manifest_count == 0)
		return images_removed_add(store, table, id, err);
	image_index_format(rows, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "store '%s': too many names for one image", store_root(store));
	return replace_rows(store, table, id, &text, change, err);
}

/* ---- all of them ---- */

static bool id_of_file(const char *name, struct digest *id)
{
	cleanup_free char *text = mem_printf("%s:%s", strlen(name) == 64 ? "sha256" : "sha512", name);

	return digest_parse(text, id, NULL) == 0;
}

static int visit_image(int table, const char *name, images_visit *visit, void *context, struct error **err)
{
	cleanup(image_index_done) struct image_index rows = {0};
	cleanup_error struct error *why = NULL;
	struct digest id;

	if (!id_of_file(name, &id))
		return 0; /* not ours */
	int rc = images_rows_load(table, &id, &rows, &why);
	if (rc == -ENOENT)
		return 0; /* gone meanwhile, or never finished */
	if (rc < 0 && err)
		*err = take_ptr(&why);
	return rc < 0 ? rc : visit(&id, &rows, context, err);
}

static int visit_folder(int table, const char *folder, const char *prefix, images_visit *visit, void *context,
			struct error **err)
{
	cleanup_free char *path = mem_printf(BY_ID "/%s", folder);
	cleanup(dir_list_done) struct dir_list names = {0};
	cleanup_close int fd = openat(table, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "open '" FOLDER "/%s'", path);
	int rc = dir_list_read(fd, &names, err);
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (text_has_prefix(names.names[i].name, prefix))
			rc = visit_image(table, names.names[i].name, visit, context, err);
	return rc;
}

int images_each(int table, const char *prefix, images_visit *visit, void *context, struct error **err)
{
	cleanup(dir_list_done) struct dir_list folders = {0};
	cleanup_close int fd = fd_open_dir(table, BY_ID, err);
	size_t shared = strlen(prefix) < 2 ? strlen(prefix) : 2;

	if (fd < 0)
		return fd;
	int rc = dir_list_read(fd, &folders, err);
	for (size_t i = 0; rc == 0 && i < folders.count; i++)
		if (strncmp(folders.names[i].name, prefix, shared) == 0)
			rc = visit_folder(table, folders.names[i].name, prefix, visit, context, err);
	return rc;
}

int images_ids(int table, struct strlist *ids, struct error **err)
{
	cleanup(dir_list_done) struct dir_list folders = {0};
	cleanup_close int fd = fd_open_dir(table, BY_ID, err);
	int rc = fd < 0 ? fd : dir_list_read(fd, &folders, err);

	for (size_t i = 0; rc == 0 && i < folders.count; i++) {
		cleanup(dir_list_done) struct dir_list names = {0};
		cleanup_close int folder = fd_open_dir(fd, folders.names[i].name, err);
		rc = folder < 0 ? folder : dir_list_read(folder, &names, err);
		for (size_t k = 0; rc == 0 && k < names.count; k++)
			if (strncmp(names.names[k].name, folders.names[i].name, 2) == 0)
				strlist_append(ids, names.names[k].name);
	}
	return rc;
}

/* ---- from oci/index.json, where earlier versions had all of it ---- */

static int read_index(struct store *store, struct image_index *index, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	int oci = store_folder(store, STORE_OCI, err);
	int rc = oci < 0 ? oci : fd_read_file(oci, "index.json", &text, err);

	if (rc == 0)
		rc = image_index_parse(buf_str(&text), text.len, "index.json", index, err);
	return rc < 0 ? error_prefix(err, "store '%s'", store_root(store)) : 0;
}

/* Moves what is ours from `index` to the new table below `made`. */
static int move_rows(struct store *store, int made, struct image_index *index, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < index->manifest_count;) {
		struct descriptor *d = &index->manifests[i];
		cleanup(image_index_done) struct image_index rows = {0};
		struct digest id;
		if (!images_id_of(d, &id)) {
			i++;
			continue;
		}
		const char *name = images_name_of(d);
		rc = images_rows_load(made, &id, &rows, NULL);
		if (rc == 0 || rc == -ENOENT)
			rc = name ? images_name_set(store, made, name, &id, err) : 0;
		image_index_append(&rows, d);
		if (rc == 0)
			rc = images_rows_save(store, made, &id, &rows, TABLE_GROWS, err);
		images_row_remove(index, i);
	}
	return rc;
}

static bool has_rows(const struct image_index *index)
{
	struct digest id;

	for (size_t i = 0; i < index->manifest_count; i++)
		if (images_id_of(&index->manifests[i], &id))
			return true;
	return false;
}

/* Makes images/ whole in tmp/ and renames it. index.json stays as it is, and is from now on only what others see
 * (images_view.c). The lock is held. */
static int make_table(struct store *store, struct image_index *index, struct error **err)
{
	cleanup_free char *name = store_tmp_name(store, FOLDER);
	int tmp = store_tmp(store, err);
	int root = tmp < 0 ? tmp : store_folder(store, STORE_ROOT, err);

	if (root < 0)
		return root;
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make '%s'", name);
	cleanup_close int made = fd_open_dir(tmp, name, err);
	int rc = made < 0 ? made : make_folder(made, BY_ID, err);
	if (rc == 0)
		rc = make_folder(made, BY_NAME, err);
	if (rc == 0 && !has_rows(index))
		rc = catalogue_begin(store, made, err);
	if (rc == 0)
		rc = move_rows(store, made, index, err);
	if (rc == 0 && renameat(tmp, name, root, FOLDER) < 0)
		rc = error_set_errno(err, "make '" FOLDER "'");
	if (rc < 0)
		tree_remove(tmp, name, /* what stays is swept */ NULL);
	if (rc == 0 && !store_is_scratch(store) && fsync(root) < 0)
		rc = error_set_errno(err, "sync the store");
	return rc;
}

/* ---- the doors ---- */

static int open_folder(struct store *store, struct error **err)
{
	int root = store_folder(store, STORE_ROOT, err);

	return root < 0 ? root : fd_open_dir(root, FOLDER, err);
}

MUST_CHECK static int take_lock(struct store *store, struct error **err)
{
	return store_lock(store, "images", "table", LOCK_EXCLUSIVE, LOCK_WAIT, "the table of images", err);
}

int images_table_edit(struct store *store, int *lock, struct error **err)
{
	cleanup_close int taken = take_lock(store, err);
	cleanup_close int table = taken < 0 ? taken : open_folder(store, NULL);

	if (table == -ENOENT) {
		cleanup(image_index_done) struct image_index index = {0};
		int rc = read_index(store, &index, err);
		if (rc == 0)
			rc = make_table(store, &index, err);
		if (rc < 0)
			return rc;
	}
	if (table < 0 && taken >= 0)
		table = open_folder(store, err);
	if (table < 0)
		return table;
	*lock = take_fd(&taken);
	return take_fd(&table);
}

int images_table_open(struct store *store, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup_close int table = open_folder(store, NULL);
	cleanup_close int lock = -1;

	if (table >= 0)
		return take_fd(&table);
	if (table != -ENOENT)
		return open_folder(store, err);
	int rc = read_index(store, &index, err);
	if (rc < 0)
		return rc;
	if (!has_rows(&index))
		return error_set(err, ENOENT, "no image was ever in the store '%s'", store_root(store));
	table = images_table_edit(store, &lock, err);
	return table < 0 ? error_prefix(err, "bring the names of images to '" FOLDER "'") : take_fd(&table);
}

/*
 * Unpacked layers: where they lie, whether they may still be trusted, and how they are taken away. How they come to be
 * is layer_make.c's. Whoever makes, replaces or removes one, or rewrites its record, holds its lock; readers hold none.
 */
#include "imagefmt/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "imagefmt/layer_internal.h"

#define LOCK_KIND "layer"
#define MAP_HASH_DIGITS 12

/* ---- names ---- */

int layer_lock(struct store *store, const struct digest *diff_id, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *what = mem_printf("layer %.12s", digest_hex(diff_id, hex));

	return store_lock(store, LOCK_KIND, hex, LOCK_EXCLUSIVE, LOCK_WAIT, what, err);
}

/* "<hex>.<hash of the id map>": the second and further trees of a layer. */
static int other_name(struct store *store, const char *hex, char **name, struct error **err)
{
	const char *map = store_id_map(store);
	struct digest digest;
	char map_hex[DIGEST_HEX_SIZE];
	int rc = digest_of(map, strlen(map), &digest, err);

	if (rc == 0)
		*name = mem_printf("%s.%.*s", hex, MAP_HASH_DIGITS, digest_hex(&digest, map_hex));
	return rc;
}

static bool has_map(const struct layer_record *record, const char *map)
{
	return *map == '\0' || strcmp(record->id_map, map) == 0;
}

/* As layer_place(). `record` is zero before; it is loaded when it was read on the way and is the one of *name, which
 * its id_map shows. */
static int find_place(struct store *store, const struct digest *diff_id, char **name, struct layer_record *record,
		      struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);
	char hex[DIGEST_HEX_SIZE];

	if (layers < 0)
		return layers;
	digest_hex(diff_id, hex);
	int rc = layer_record_load(layers, hex, record, NULL);
	if (rc == 0 && !has_map(record, store_id_map(store))) {
		layer_record_done(record);
		rc = other_name(store, hex, name, err);
		if (rc < 0)
			return rc;
		return faccessat(layers, *name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -ENOENT;
	}
	*name = mem_strdup(hex);
	if (rc == 0)
		return 0;
	/* A record that cannot be read: the layer is there, but nothing can be said for it. */
	return rc == -ENOENT && faccessat(layers, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -ENOENT : 0;
}

int layer_place(struct store *store, const struct digest *diff_id, char **name, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	return find_place(store, diff_id, name, &record, err);
}

/* As layer_find(), with `record` as in find_place(). */
static int find(struct store *store, const struct digest *diff_id, char **name, struct layer_record *record,
		struct error **err)
{
	cleanup_free char *found = NULL;
	char text[DIGEST_TEXT_SIZE];
	int rc = find_place(store, diff_id, &found, record, err);

	if (rc == -ENOENT && found && strchr(found, '.'))
		return error_set(err, ENOENT,
				 "layer %s is unpacked for other ids than there are now (see idMappings in 'cooper "
				 "info'): have the isolation, newuidmap, /etc/subuid or /etc/subgid changed?",
				 digest_format(diff_id, text));
	if (rc == -ENOENT)
		return error_set(err, ENOENT, "layer %s is not unpacked", digest_format(diff_id, text));
	if (rc == 0)
		*name = take_ptr(&found);
	return rc;
}

int layer_find(struct store *store, const struct digest *diff_id, char **name, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	return find(store, diff_id, name, &record, err);
}

char *layer_tree_path(struct store *store, const struct digest *diff_id)
{
	char hex[DIGEST_HEX_SIZE];
	cleanup_free char *name = mem_strdup(store_known_layer(store, digest_hex(diff_id, hex)));

	/* Whether it is there or not: the path is where it would be. */
	if (name == NULL && layer_place(store, diff_id, &name, NULL) < 0 && name == NULL)
		name = mem_strdup(hex);
	cleanup_free char *tree = mem_printf("%s/fs", name);
	return store_path(store, STORE_LAYERS, tree);
}

int layer_load_record(struct store *store, const struct digest *diff_id, struct layer_record *record,
		      struct error **err)
{
	cleanup(layer_record_done) struct layer_record found = {0};
	cleanup_free char *name = NULL;
	char hex[DIGEST_HEX_SIZE];
	int rc = find(store, diff_id, &name, &found, err);

	if (rc < 0)
		return rc;
	/* Finding it has read it, unless it is there under another map's name. */
	if (found.id_map == NULL)
		return layer_record_load(store_folder(store, STORE_LAYERS, NULL), name, record, err);
	if (*store_id_map(store) != '\0' && layer_is_trusted(store, &found) && !layer_is_copy(store, name))
		store_know_layer(store, digest_hex(diff_id, hex), name);
	layer_record_done(record);
	*record = found;
	found = (struct layer_record){0};
	return 0;
}

/* ---- taking away ---- */

/* Moves layers/<name> to store_tmp(); *trash is its name there, NULL when there is none. */
static int move_away(struct store *store, const char *name, char **trash, struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);
	int tmp = layers < 0 ? layers : store_tmp(store, err);
	cleanup_free char *given = tmp < 0 ? NULL : store_tmp_name(store, "old-layer");

	if (tmp < 0)
		return tmp;
	if (renameat(layers, name, tmp, given) < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, "take away the layer '%s'", name);
	*trash = take_ptr(&given);
	return 0;
}

int layer_remove_named(struct store *store, const char *name, struct error **err)
{
	cleanup_free char *trash = NULL;
	int rc = move_away(store, name, &trash, err);

	return rc < 0 || !trash ? rc : tree_remove(store_tmp(store, NULL), trash, err);
}

/* True for <hex> itself and its trees under other id maps. */
static bool is_tree_of(const char *name, const char *hex)
{
	size_t length = strlen(hex);

	return strncmp(name, hex, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

/* Opens layers/ for reading names. The caller closes it. */
static int open_layers(struct store *store, DIR **dir, struct error **err)
{
	int layers = store_folder(store, STORE_LAYERS, err);

	if (layers < 0)
		return layers;
	return directory_open(layers, ".", dir, err);
}

static int take_trees(struct store *store, const char *hex, struct strlist *trash, struct error **err)
{
	cleanup_directory DIR *dir = NULL;
	int rc = open_layers(store, &dir, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));) {
		char *moved = NULL;
		if (is_tree_of(entry->d_name, hex))
			rc = move_away(store, entry->d_name, &moved, err);
		if (moved)
			strlist_take(trash, moved);
	}
	return rc;
}

int layer_take_away(struct store *store, const struct digest *diff_id, struct strlist *trash, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	size_t before = trash->count;
	int lock = layer_lock(store, diff_id, err);

	if (lock < 0)
		return lock;
	int rc = take_trees(store, digest_hex(diff_id, hex), trash, err);
	fd_close(lock);
	if (rc == 0 && store_forget_lock(store, LOCK_KIND, hex) < 0)
		log_debug("the lock of layer %.12s stays: somebody waits for it", hex);
	return rc < 0 ? rc : trash->count > before;
}

int layer_remove(struct store *store, const struct digest *diff_id, struct error **err)
{
	cleanup(strlist_done) struct strlist trash = {0};
	int rc = layer_take_away(store, diff_id, &trash, err);

	for (size_t i = 0; rc >= 0 && i < trash.count; i++)
		rc = tree_remove(store_tmp(store, NULL), trash.items[i], err);
	return rc < 0 ? rc : 0;
}

static int compare_digests(const void *a, const void *b)
{
	return digest_compare(a, b);
}

/* Sorts and drops the second of equals. */
static size_t sort_unique(struct digest *digests, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(digests, count, sizeof(*digests), compare_digests);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !digest_equal(&digests[kept - 1], &digests[i]))
			digests[kept++] = digests[i];
	return kept;
}

/* "<hex>" or "<hex>.<map>" to a digest; false for names of another kind ("k-…"). */
static bool parse_name(const char *name, struct digest *digest)
{
	size_t length = strcspn(name, ".");
	cleanup_free char *text = mem_printf("%s:%.*s", length == 128 ? "sha512" : "sha256", (int)length, name);

	return digest_parse(text, digest, NULL) == 0;
}

int layer_list(struct store *store, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup_free struct digest *found = mem_alloc(0);
	size_t found_count = 0;
	cleanup_directory DIR *dir = NULL;
	int rc = open_layers(store, &dir, err);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));) {
		struct digest digest;
		if (!parse_name(entry->d_name, &digest))
			continue;
		found = mem_grow(found, found_count + 1, sizeof(*found));
		found[found_count++] = digest;
	}
	if (rc < 0)
		return rc;
	*count = sort_unique(found, found_count);
	*diff_ids = take_ptr(&found);
	return 0;
}

/* ---- trust ---- */

/* A tree that was written in this boot is in the kernel's memory if not on disk; a durable one is on disk. */
bool layer_is_trusted(struct store *store, const struct layer_record *record)
{
	return record->durable || strcmp(record->boot_id, store_boot_id(store)) == 0;
}

/* What was found good is still so while it is there. */
static bool is_known_to_be_there(struct store *store, const struct digest *diff_id)
{
	char hex[DIGEST_HEX_SIZE];
	const char *known = store_known_layer(store, digest_hex(diff_id, hex));
	cleanup_free char *tree = known ? mem_printf("%s/fs", known) : NULL;

	return tree && faccessat(store_folder(store, STORE_LAYERS, NULL), tree, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool layer_is_checked(struct store *store, const struct digest *diff_id)
{
	cleanup(layer_record_done) struct layer_record record = {0};

	if (is_known_to_be_there(store, diff_id))
		return true;
	return layer_load_record(store, diff_id, &record, NULL) == 0 && layer_is_trusted(store, &record);
}

int layer_open_tree(struct store *store, const char *name, struct error **err)
{
	cleanup_free char *path = mem_printf("%s/fs", name);

	return fd_open_dir(store_folder(store, STORE_LAYERS, NULL), path, err);
}

int layer_load_owners_of(struct store *store, const char *name, struct owner_table *owners, struct error **err)
{
	cleanup_free char *path = mem_printf("%s/" OWNER_TABLE_FILE, name);
	int rc = owner_table_load(store_folder(store, STORE_LAYERS, NULL), path, owners, err);

	return rc < 0 ? error_prefix(err, "layer %.12s…", name) : 0;
}

bool layer_is_copy(struct store *store, const char *name)
{
	cleanup(owner_table_done) struct owner_table owners = {0};
	cleanup_free char *path = mem_printf("%s/" OWNER_TABLE_FILE, name);

	/* Most layers have none. */
	if (faccessat(store_folder(store, STORE_LAYERS, NULL), path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	cleanup_close int fs = layer_open_tree(store, name, NULL);
	return fs >= 0 && (layer_load_owners_of(store, name, &owners, NULL) < 0 || !owner_table_is_of(&owners, fs));
}

int layer_load_owners(struct store *store, const struct digest *diff_id, struct owner_table *owners, struct error **err)
{
	char hex[DIGEST_HEX_SIZE];
	const char *known = store_known_layer(store, digest_hex(diff_id, hex));
	cleanup_free char *name = mem_strdup(known);
	int rc = known ? 0 : layer_find(store, diff_id, &name, NULL);

	return rc < 0 ? 0 : layer_load_owners_of(store, name, owners, err);
}

int layer_open(struct store *store, const struct digest *diff_id, struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	cleanup_free char *name = NULL;
	char hex[DIGEST_HEX_SIZE];
	const char *known = store_known_layer(store, digest_hex(diff_id, hex));
	int fd = known ? layer_open_tree(store, known, NULL) : -ENOENT;

	if (fd >= 0)
		return fd;
	int rc = find(store, diff_id, &name, &record, err);
	if (rc < 0)
		return rc;
	if (!record.id_map)
		rc = layer_record_load(store_folder(store, STORE_LAYERS, NULL), name, &record, NULL);
	if (rc < 0 || !layer_is_trusted(store, &record) || layer_is_copy(store, name)) {
		cleanup_close int lock = layer_lock(store, diff_id, err);
		rc = lock < 0 ? lock : layer_check(store, diff_id, name, err);
		if (rc < 0)
			return rc;
	}
	store_know_layer(store, hex, name);
	return layer_open_tree(store, name, err);
}

/* ---- records ---- */

int layer_change_record(struct store *store, const struct digest *diff_id,
			bool (*change)(struct layer_record *record, const void *context), const void *context,
			struct error **err)
{
	cleanup(layer_record_done) struct layer_record record = {0};
	cleanup_close int lock = layer_lock(store, diff_id, err);
	cleanup_free char *name = NULL;
	int rc = lock < 0 ? lock : layer_find(store, diff_id, &name, err);

	if (rc < 0)
		return rc;
	int layers = store_folder(store, STORE_LAYERS, err);
	rc = layer_record_load(layers, name, &record, err);
	if (rc < 0 || !change(&record, context))
		return rc;
	return layer_record_save(layers, name, &record, err);
}

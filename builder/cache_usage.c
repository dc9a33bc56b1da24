/*
 * The build cache as a list of things with a size and a time of use.
 */
#include "builder/cache_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "builder/build_cache.h"
#include "builder/cache_mounts.h"
#include "builder/container.h"
#include "imagefmt/images.h"
#include "imagefmt/layer.h"

const char *cache_type_name(enum cache_type type)
{
	static const char *const names[] = {[CACHE_TYPE_REGULAR] = "regular",
					    [CACHE_TYPE_MOUNT] = "exec.cachemount",
					    [CACHE_TYPE_INTERNAL] = "internal"};

	return names[type];
}

void cache_items_done(struct cache_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		free(items->items[i].id);
		free(items->items[i].description);
		free(items->items[i].keys);
	}
	free(items->items);
	*items = (struct cache_items){0};
}

static struct cache_item *add_item(struct cache_items *items, enum cache_type type)
{
	items->items = mem_grow(items->items, items->count + 1, sizeof(*items->items));
	struct cache_item *item = &items->items[items->count++];
	*item = (struct cache_item){.type = type};
	return item;
}

static void set_digest(struct cache_item *item, const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];

	item->digest = *digest;
	item->id = mem_strdup(digest_hex(digest, hex));
}

/* ---- layers of steps ------------------------------------------------------------------------------------------------
 */

static int by_layer(const void *a, const void *b)
{
	const struct build_cache_entry *one = a, *other = b;

	return digest_compare(&one->record.diff_id, &other->record.diff_id);
}

static void add_entry(struct cache_item *item, const struct build_cache_entry *entry)
{
	bool is_later =
		entry->used_s > item->used_s || (entry->used_s == item->used_s && entry->used_ns > item->used_ns);

	item->keys = mem_grow(item->keys, item->key_count + 1, sizeof(*item->keys));
	item->keys[item->key_count++] = entry->key;
	if (is_later) {
		item->used_s = entry->used_s;
		item->used_ns = entry->used_ns;
	}
	if (!item->description || !*item->description) {
		free(item->description);
		item->description = mem_strdup(entry->text);
	}
}

static void begin_layer(struct workshop *w, const struct build_cache_entry *entry, struct cache_items *items)
{
	cleanup_free char *tree = layer_tree_path(workshop_store(w), &entry->record.diff_id);
	bool has_tree = access(tree, F_OK) == 0;
	struct cache_item *item = add_item(items, has_tree ? CACHE_TYPE_REGULAR : CACHE_TYPE_INTERNAL);

	set_digest(item, &entry->record.diff_id);
	item->created = entry->record.created;
	item->size = has_tree ? entry->record.size : 0;
}

/* Several steps may have given the same layer. */
static int list_layers(struct workshop *w, struct cache_items *items, struct error **err)
{
	cleanup(build_cache_entries_done) struct build_cache_entries entries = {0};
	int rc = build_cache_list(workshop_store(w), &entries, err);

	if (rc < 0 || entries.count == 0)
		return rc;
	qsort(entries.items, entries.count, sizeof(*entries.items), by_layer);
	for (size_t i = 0; i < entries.count; i++) {
		const struct build_cache_entry *entry = &entries.items[i];
		if (i == 0 || by_layer(entry, entry - 1) != 0)
			begin_layer(w, entry, items);
		add_entry(&items->items[items->count - 1], entry);
	}
	return 0;
}

static int compare_digests(const void *a, const void *b)
{
	return digest_compare(a, b);
}

static int mark_shared(struct workshop *w, struct cache_items *items, struct error **err)
{
	cleanup_free struct digest *held = NULL;
	cleanup_free struct digest *asked = mem_alloc(items->count * sizeof(*asked));
	cleanup_free bool *used = mem_alloc(items->count * sizeof(*used));
	size_t count = 0;
	int rc = containers_recover(w, err);

	if (rc >= 0)
		rc = containers_layers(w, &held, &count, err);
	for (size_t i = 0; i < items->count; i++)
		asked[i] = items->items[i].digest;
	if (rc >= 0)
		rc = images_use_layers(workshop_store(w), asked, items->count, used, err);
	if (rc < 0)
		return rc;
	if (count > 1)
		qsort(held, count, sizeof(*held), compare_digests);
	for (size_t i = 0; i < items->count; i++)
		items->items[i].is_shared =
			used[i] || (count && bsearch(&asked[i], held, count, sizeof(*held), compare_digests));
	return 0;
}

/* ---- the rest -------------------------------------------------------------------------------------------------------
 */

static int list_mounts(struct workshop *w, struct cache_items *items, struct error **err)
{
	cleanup(cache_mounts_done) struct cache_mounts mounts = {0};
	int rc = cache_mounts_list(workshop_store(w), &mounts, err);

	for (size_t i = 0; i < mounts.count; i++) {
		struct cache_mount *mount = &mounts.items[i];
		struct cache_item *item = add_item(items, CACHE_TYPE_MOUNT);
		set_digest(item, &mount->name);
		item->description = take_ptr(&mount->id);
		item->created = mount->created;
		item->used_s = mount->used;
		item->size = mount->size;
		item->is_busy = mount->is_busy;
	}
	return rc;
}

static void add_file(struct cache_items *items, int dirfd, const char *folder, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return;
	struct cache_item *item = add_item(items, CACHE_TYPE_INTERNAL);
	item->id = mem_printf("%s%s", folder, name);
	item->description = mem_strdup(*folder ? "digests of a context's files" : "a compiled system call filter");
	item->created = item->used_s = st.st_mtim.tv_sec;
	item->size = (uint64_t)st.st_size;
}

static int list_files(struct workshop *w, const char *folder, struct cache_items *items, struct error **err)
{
	cleanup_free char *path = store_path(workshop_store(w), STORE_CACHE, *folder ? folder : ".");
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(AT_FDCWD, path, &dir, &why);

	if (rc == -ENOENT)
		return 0;
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));)
		add_file(items, dirfd(dir), folder, entry->d_name);
	return rc < 0 ? error_set(err, -rc, "read the build cache: %s", error_message(why)) : 0;
}

static int by_use(const void *a, const void *b)
{
	const struct cache_item *one = a, *other = b;

	if (one->used_s != other->used_s)
		return one->used_s < other->used_s ? -1 : 1;
	if (one->used_ns != other->used_ns)
		return one->used_ns < other->used_ns ? -1 : 1;
	return strcmp(one->id, other->id);
}

int cache_usage_list(struct workshop *w, struct cache_items *items, struct error **err)
{
	cleanup(cache_items_done) struct cache_items found = {0};
	int rc = list_layers(w, &found, err);

	if (rc >= 0)
		rc = mark_shared(w, &found, err);
	if (rc >= 0)
		rc = list_mounts(w, &found, err);
	if (rc >= 0)
		rc = list_files(w, "", &found, err);
	if (rc >= 0)
		rc = list_files(w, "contexts/", &found, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < found.count; i++)
		if (!found.items[i].description)
			found.items[i].description = mem_strdup("");
	if (found.count)
		qsort(found.items, found.count, sizeof(*found.items), by_use);
	*items = found;
	found = (struct cache_items){0};
	return 0;
}

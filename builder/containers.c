/*
 * What goes over all working containers of a store.
 */
#include "builder/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "builder/container_internal.h"
#include "builder/container_name.h"

#define SECOND_NS INT64_C(1000000000)

int containers_walk(struct workshop *w, container_visit *visit, void *context, struct error **err)
{
	cleanup_free char *path = store_path(workshop_store(w), STORE_CONTAINERS, ".");
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(AT_FDCWD, path, &dir, &why), visited = 0;

	if (rc == -ENOENT)
		return 0;
	for (const struct dirent *entry; rc == 0 && visited >= 0 && (entry = directory_next(dir, &rc, &why));)
		if (container_id_is_valid(entry->d_name))
			visited = visit(dirfd(dir), entry->d_name, context, err);
	/* Who knows only some of them would remove what the others are made of. */
	if (rc < 0)
		return error_set(err, -rc, "read the containers: %s", error_message(why));
	return visited < 0 ? visited : 0;
}

/* ---- listing ---- */

/* Two commands may have begun in one order and made their containers in the other. */
static int64_t second_of(const struct container *c)
{
	return (int64_t)((uint64_t)c->created + (uint64_t)(c->created_ns / SECOND_NS));
}

static int compare_age(const void *a, const void *b)
{
	const struct container *one = a, *other = b;
	int64_t x = second_of(one), y = second_of(other);

	if (x == y) {
		x = one->created_ns % SECOND_NS;
		y = other->created_ns % SECOND_NS;
	}
	return x != y ? (x < y ? -1 : 1) : strcmp(one->id, other->id);
}

void container_list_done(struct container_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		container_done(&list->items[i]);
	free(list->items);
	*list = (struct container_list){0};
}

struct listing {
	struct workshop *w;
	struct container_list list;
};

static int list_one(int containers, const char *id, void *context, struct error **err)
{
	struct listing *listing = context;
	struct container_list *list = &listing->list;
	cleanup_error struct error *error = NULL;
	struct container c;

	if (container_load(listing->w, id, &c, &error) < 0) {
		/* One that is being removed, or broken: the others are still to be listed. */
		if (error_code(error) != ENOENT)
			log_warn("container %.12s is left out: %s", id, error_message(error));
		return 0;
	}
	list->items = mem_grow(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = c;
	return 0;
}

int containers_list(struct workshop *w, struct container_list *list, struct error **err)
{
	struct listing listing = {.w = w};
	int rc = containers_walk(w, list_one, &listing, err);

	if (rc < 0) {
		container_list_done(&listing.list);
		return rc;
	}
	if (listing.list.count)
		qsort(listing.list.items, listing.list.count, sizeof(*listing.list.items), compare_age);
	*list = listing.list;
	return 0;
}

int containers_layers(struct workshop *w, struct digest **diff_ids, size_t *count, struct error **err)
{
	cleanup(container_list_done) struct container_list list = {0};
	int rc = containers_list(w, &list, err);

	if (rc < 0)
		return rc;
	size_t total = 0;
	for (size_t i = 0; i < list.count; i++)
		total += list.items[i].config.diff_id_count;
	struct digest *all = mem_grow(NULL, total ? total : 1, sizeof(*all));
	size_t n = 0;
	for (size_t i = 0; i < list.count; i++) {
		const struct image_config *config = &list.items[i].config;
		for (size_t k = 0; k < config->diff_id_count; k++)
			all[n++] = config->diff_ids[k];
	}
	*diff_ids = all;
	*count = n;
	return 0;
}

/* ---- after others ---- */

static int forget_locks(struct workshop *w, struct error **err)
{
	static const char kind[] = "container-";
	struct store *store = workshop_store(w);
	int containers = store_folder(store, STORE_CONTAINERS, err);
	cleanup_free char *path = store_path(store, STORE_LOCKS, ".");
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;

	if (containers < 0)
		return containers;
	int rc = directory_open(AT_FDCWD, path, &dir, &why);
	if (rc == -ENOENT)
		return 0;
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));) {
		const char *id = entry->d_name + strlen(kind);
		if (text_has_prefix(entry->d_name, kind) && container_id_is_valid(id) &&
		    faccessat(containers, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			store_forget_lock(store, "container", id);
	}
	return rc < 0 ? error_set(err, -rc, "%s", error_message(why)) : 0;
}

int containers_forget(struct workshop *w, struct error **err)
{
	int rc = container_names_forget(w, err);

	return rc < 0 ? rc : forget_locks(w, err);
}

static int recover_one(int containers, const char *id, void *context, struct error **err)
{
	cleanup_free char *journal = mem_printf("%s/commit.json", id);
	cleanup(container_done) struct container c = {0};

	if (faccessat(containers, journal, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	cleanup_close int lock = container_acquire(context, id, &c, err);
	if (lock == -ENOENT) { /* removed meanwhile */
		error_clear(err);
		return 0;
	}
	return lock < 0 ? lock : 0;
}

int containers_recover(struct workshop *w, struct error **err)
{
	return containers_walk(w, recover_one, w, err);
}

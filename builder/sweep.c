/*
 * Garbage of the store: images by policy, then blobs and layers that nothing refers to, then the work of dead
 * processes.
 */
#include "builder/sweep.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"
#include "builder/build_internal.h"
#include "builder/cache_prune.h"
#include "builder/container.h"
#include "imagefmt/images_garbage.h"

struct collect_task {
	enum lock_wait wait;
};

/* In the worker: layer trees belong to subordinate ids. */
static int collect(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	const struct collect_task *task = context;
	cleanup_free struct digest *kept = NULL;
	size_t count = 0;
	struct images_collected collected = {0};
	int rc = containers_recover(w, err);
	if (rc == 0)
		rc = containers_layers(w, &kept, &count, err);
	/* What builds have made stays for the next one until the cache is asked to go. */
	if (rc == 0)
		rc = build_cache_layers(workshop_store(w), &kept, &count, err);
	if (rc == 0)
		rc = images_collect(workshop_store(w), kept, count, task->wait, &collected, err);
	struct swept swept = {.blobs = collected.blobs, .layers = collected.layers, .bytes = collected.bytes};
	if (result)
		buf_append(result, &swept, sizeof(swept));
	return rc;
}

int sweep_images(struct workshop *w, enum lock_wait wait, struct swept *swept, struct error **err)
{
	struct collect_task task = {.wait = wait};
	cleanup(buf_done) struct buf result = BUF_INIT(sizeof(*swept));
	int rc = workshop_call(w, collect, &task, &result, err);
	if (rc == 0 && result.len == sizeof(*swept))
		memcpy(swept, result.data, sizeof(*swept));
	return rc;
}

/* ---- after rmi ---- */

struct trash {
	int tmp; /* borrowed */
	const struct strlist *names;
};

static int remove_trees(const struct trash *trash, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < trash->names->count; i++)
		rc = tree_remove(trash->tmp, trash->names->items[i], err);
	return rc;
}

static int remove_trees_inside(struct workshop *w, void *context, struct buf *result, struct error **err)
{
	return remove_trees(context, err);
}

/* Most trees are all ours, and need no user namespace. */
static int take_out(struct workshop *w, const struct strlist *names, struct error **err)
{
	struct trash trash = {.tmp = store_tmp(workshop_store(w), err), .names = names};

	if (trash.tmp < 0)
		return trash.tmp;
	if (!workshop_is_inside(w) && remove_trees(&trash, NULL) == 0)
		return 0;
	return workshop_call(w, remove_trees_inside, &trash, /* result */ NULL, err);
}

/* Containers, and what builds have made: that stays for the next one until the cache is asked to go. */
static int keep_what_others_stand_on(struct workshop *w, struct images_garbage *garbage, struct error **err)
{
	const struct garbage_items *layers = &garbage->layers;
	cleanup_free struct digest *asked = mem_alloc((layers->count + 1) * sizeof(*asked));
	cleanup_free struct digest *kept = NULL;
	size_t asked_count = 0, count = 0;

	if (!images_garbage_has_layers(garbage))
		return 0;
	for (size_t i = 0; i < layers->count; i++)
		if (!layers->items[i].stays)
			asked[asked_count++] = layers->items[i].digest;
	int rc = containers_layers(w, &kept, &count, err);
	if (rc == 0)
		rc = build_cache_layers_among(workshop_store(w), asked, asked_count, &kept, &count, err);
	if (rc == 0)
		images_garbage_keep(garbage, kept, count);
	return rc;
}

/* `alone` is the hold on the store, which is given up as soon as nobody sees what goes. */
static int sweep_garbage(struct workshop *w, struct images_garbage *garbage, int *alone, struct swept *swept,
			 struct error **err)
{
	cleanup(strlist_done) struct strlist trash = {0};
	struct images_collected collected = {0};
	int rc = keep_what_others_stand_on(w, garbage, err);

	if (rc == 0)
		rc = images_garbage_sweep(workshop_store(w), garbage, &trash, &collected, err);
	fd_close(take_fd(alone));
	if (trash.count > 0 && rc == 0)
		rc = take_out(w, &trash, err);
	*swept = (struct swept){.blobs = collected.blobs, .layers = collected.layers, .bytes = collected.bytes};
	return rc;
}

int sweep_removed(struct workshop *w, struct swept *swept, struct error **err)
{
	cleanup(images_garbage_done) struct images_garbage garbage = {0};
	int rc = containers_recover(w, err);
	cleanup_close int alone = rc < 0 ? rc : store_hold_alone(workshop_store(w), LOCK_TRY, err);

	if (alone < 0)
		return alone;
	rc = images_garbage_find(workshop_store(w), &garbage, err);
	return rc < 0 ? rc : sweep_garbage(w, &garbage, &alone, swept, err);
}

int sweep_refused(struct workshop *w, const struct refused *refused, struct swept *swept, struct error **err)
{
	cleanup(images_garbage_done) struct images_garbage garbage = {0};
	cleanup_close int alone = store_hold_alone(workshop_store(w), LOCK_TRY, err);

	if (alone < 0)
		return alone;
	int rc = images_garbage_of(workshop_store(w), &refused->blobs, &refused->layers, &garbage, err);
	return rc < 0 ? rc : sweep_garbage(w, &garbage, &alone, swept, err);
}

/* ---- everything ---- */

static bool is_stood_on(const struct container_list *containers, const struct digest *image)
{
	for (size_t i = 0; i < containers->count; i++)
		if (digest_equal(&containers->items[i].image_id, image))
			return true;
	return false;
}

static int remove_images(struct workshop *w, const struct sweep_options *options, struct strlist *removed,
			 struct error **err)
{
	cleanup(container_list_done) struct container_list containers = {0};
	cleanup(image_list_done) struct image_list images = {0};
	int rc = containers_list(w, &containers, err);
	if (rc == 0)
		rc = options->all_images ? images_list(workshop_store(w), &images, err)
					 : images_list_unnamed(workshop_store(w), &images, err);
	for (size_t i = 0; rc == 0 && i < images.count; i++) {
		const struct image_entry *entry = &images.items[i];
		bool asked = options->all_images || (options->unnamed_images && entry->names.count == 0);
		if (!asked || is_stood_on(&containers, &entry->id))
			continue;
		char hex[DIGEST_HEX_SIZE];
		rc = images_remove(workshop_store(w), &entry->id, err);
		if (rc == 0)
			strlist_append(removed, digest_hex(&entry->id, hex));
	}
	return rc;
}

/* All of it but the cache mounts that somebody has. */
static int remove_caches(struct workshop *w, struct swept *swept, struct error **err)
{
	const struct cache_prune_options everything = {.internal = true};
	struct cache_pruned pruned = {0};
	int rc = cache_prune(w, &everything, /* removed */ NULL, &pruned, err);
	if (rc < 0)
		return rc;
	if (pruned.busy)
		log_warn("%llu cache mounts are in use and stay", (unsigned long long)pruned.busy);
	swept->bytes += pruned.bytes;
	/* Also what could not be read. */
	return build_cache_clear(workshop_store(w), err);
}

int sweep_store(struct workshop *w, const struct sweep_options *options, struct strlist *removed, struct swept *swept,
		struct error **err)
{
	struct store_swept leftovers = {0};
	struct swept total = {0}, caches = {0};
	/* First, to be counted: whoever makes his own directory in tmp/ sweeps as well. */
	int rc = store_sweep(workshop_store(w), &leftovers, err);
	if (rc == 0)
		rc = build_layer_sweep(w, err);
	if (rc == 0)
		rc = remove_images(w, options, removed, err);
	/* Before the layers, of which the records of steps keep some. */
	if (rc == 0 && options->caches)
		rc = remove_caches(w, &caches, err);
	if (rc == 0)
		rc = build_memo_sweep(workshop_store(w), workshop_options(w)->now, &caches.bytes, err);
	if (rc == 0)
		rc = sweep_images(w, LOCK_WAIT, &total, err);
	if (rc == 0)
		rc = containers_forget(w, err);
	if (rc < 0)
		return rc;
	total.leftovers = leftovers.entries;
	total.bytes += leftovers.bytes + caches.bytes;
	*swept = total;
	return 0;
}

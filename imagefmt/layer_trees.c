/*
 * The trees of an image's layers, opened: what an overlay is made of. In: diff_ids. Out: descriptors, fewer than there
 * are layers where many small ones lie on each other.
 *
 * What was found out about a list of layers is noted: a line with the number of trees from which on they are arranged
 * anew, then the name in layers/ of each tree, topmost first. A list that has one
 * layer more than one that is noted, as each step of a build makes it, gets that as its topmost. So of a long build
 * each layer is put into a pile once, and of an image that grows from another one all piles are shared: they are made
 * from the bottom up.
 */
#include "imagefmt/layer_stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/ovlmark.h"
#include "base/parse.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_pile.h"

#define NOTE "arranged"
/* Fewer are mounted in a millisecond, as they are. */
#define ARRANGED_MIN ((size_t)64)
#define NOTE_SIZE_MAX ((size_t)1 << 20)

void layer_trees_done(struct layer_trees *trees)
{
	for (size_t i = 0; i < trees->count; i++)
		fd_close(trees->fds[i]);
	free(trees->fds);
	*trees = (struct layer_trees){0};
}

/* ---- one by one ---- */

/* The layers that were met, by twelve of their bits: most that were not are told by them. */
struct met {
	uint64_t bits[64];
};

static bool may_have_met(struct met *met, const struct digest *diff_id)
{
	uint64_t *word = &met->bits[diff_id->bytes[0] % 64];
	uint64_t bit = UINT64_C(1) << diff_id->bytes[1] % 64;
	bool is_set = *word & bit;

	*word |= bit;
	return is_set;
}

static bool is_among(const struct digest *diff_ids, size_t count, const struct digest *diff_id)
{
	for (size_t i = 0; i < count; i++)
		if (digest_equal(&diff_ids[i], diff_id))
			return true;
	return false;
}

/* One tree for each layer; `places` says of each tree which layer it is of. */
static int open_each(struct store *store, const struct digest *diff_ids, size_t count, struct layer_trees *trees,
		     size_t *places, struct error **err)
{
	struct met met = {0};
	bool is_recalled = layer_stack_recall(store, diff_ids, count);

	trees->fds = mem_grow(NULL, count + 1, sizeof(*trees->fds));
	for (size_t i = count; i-- > 0;) {
		if (may_have_met(&met, &diff_ids[i]) && is_among(diff_ids + i + 1, count - i - 1, &diff_ids[i]))
			continue;
		int fd = layer_open(store, &diff_ids[i], err);
		if (fd < 0)
			return fd;
		places[trees->count] = i;
		trees->fds[trees->count++] = fd;
	}
	if (!is_recalled)
		layer_stack_remember(store, diff_ids, count);
	return 0;
}

/* ---- what is noted ---- */

/* Lines as they are noted. */
struct arrangement {
	size_t again_at; /* so many trees are arranged anew */
	struct strlist lines;
};

static void arrangement_done(struct arrangement *arranged)
{
	strlist_done(&arranged->lines);
}
CLEANUP_FOR_VALUE(struct arrangement, arrangement_done)

static bool read_arrangement(struct store *store, const struct digest *diff_ids, size_t count,
			     struct arrangement *arranged)
{
	cleanup(buf_done) struct buf text = BUF_INIT(NOTE_SIZE_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	uint64_t again_at = 0;

	if (!layer_stack_read(store, diff_ids, count, NOTE, &text))
		return false;
	strlist_split(&lines, buf_str(&text), '\n');
	if (lines.count < 2 || parse_u64(lines.items[0], SIZE_MAX, NOTE, &again_at, NULL) < 0)
		return false;
	arranged->again_at = again_at;
	for (size_t i = 1; i < lines.count; i++)
		if (*lines.items[i])
			strlist_append(&arranged->lines, lines.items[i]);
	return true;
}

static void write_arrangement(struct store *store, const struct digest *diff_ids, size_t count,
			      const struct arrangement *arranged)
{
	cleanup(buf_done) struct buf text = BUF_INIT(NOTE_SIZE_MAX);

	buf_printf(&text, "%zu\n", arranged->again_at);
	for (size_t i = 0; i < arranged->lines.count; i++)
		buf_printf(&text, "%s\n", arranged->lines.items[i]);
	layer_stack_write(store, diff_ids, count, NOTE, &text);
}

/* False when something is not there any more. */
static bool open_arranged(struct store *store, const struct arrangement *arranged, struct layer_trees *trees)
{
	cleanup(layer_trees_done) struct layer_trees opened = {0};
	int layers = store_folder(store, STORE_LAYERS, NULL);

	opened.fds = mem_grow(NULL, arranged->lines.count, sizeof(*opened.fds));
	for (size_t i = 0; i < arranged->lines.count; i++) {
		cleanup_free char *tree = mem_printf("%s/fs", arranged->lines.items[i]);
		int fd = fd_open_dir(layers, tree, NULL);
		if (fd < 0)
			return false;
		opened.fds[opened.count++] = fd;
	}
	*trees = opened;
	opened = (struct layer_trees){0};
	return true;
}

/* As noted; or as noted without the topmost layer, and that on it. */
static bool open_noted(struct store *store, const struct digest *diff_ids, size_t count, struct layer_trees *trees)
{
	cleanup(arrangement_done) struct arrangement arranged = {0}, below = {0};
	const struct digest *top = &diff_ids[count - 1];
	char hex[DIGEST_HEX_SIZE];

	if (read_arrangement(store, diff_ids, count, &arranged))
		return open_arranged(store, &arranged, trees);
	if (!read_arrangement(store, diff_ids, count - 1, &below) || below.lines.count + 1 >= below.again_at ||
	    is_among(diff_ids, count - 1, top))
		return false;
	fd_close(layer_open(store, top, NULL)); /* checked, and known from then on */
	const char *name = store_known_layer(store, digest_hex(top, hex));
	if (!name)
		return false;
	arranged.again_at = below.again_at;
	strlist_append(&arranged.lines, name);
	strlist_append_all(&arranged.lines, &below.lines);
	if (!open_arranged(store, &arranged, trees))
		return false;
	write_arrangement(store, diff_ids, count, &arranged);
	return true;
}

/* ---- arranged anew ---- */

/* The trees from the bottom up, and those that may become the next pile. */
struct arranging {
	struct store *store;
	struct arrangement *upwards; /* bottommost first */
	struct pile_member *trees;   /* the same, opened */
	struct pile_member members[LAYER_PILE_COUNT];
	size_t count;
	struct layer_trees piles; /* those of them that are piles */
};

static void arranging_done(struct arranging *job)
{
	layer_trees_done(&job->piles);
	free(job->trees);
}
CLEANUP_FOR_VALUE(struct arranging, arranging_done)

static void add_tree(struct arranging *job, const char *name, int tree)
{
	struct strlist *lines = &job->upwards->lines;

	strlist_append(lines, name);
	job->trees[lines->count - 1] = (struct pile_member){lines->items[lines->count - 1], tree};
}

static void leave_members(struct arranging *job)
{
	for (size_t i = 0; i < job->count; i++)
		add_tree(job, job->members[i].name, job->members[i].tree);
	job->count = 0;
}

MUST_CHECK static int make_pile(struct arranging *job, char **name, struct error **err)
{
	const struct pile pile = {
		.members = job->members,
		.count = job->count,
		.below = job->trees,
		.below_count = job->upwards->lines.count,
	};
	int rc = layer_pile_make(job->store, &pile, name, err);

	if (rc < 0)
		return rc;
	cleanup_free char *tree = mem_printf("%s/fs", *name);
	return fd_open_dir(store_folder(job->store, STORE_LAYERS, NULL), tree, err);
}

static void pile_members(struct arranging *job)
{
	cleanup_free char *name = NULL;
	cleanup_error struct error *why = NULL;
	int tree = make_pile(job, &name, &why);

	if (tree < 0) {
		log_debug("%s", error_message(why));
		leave_members(job);
		return;
	}
	add_tree(job, name, tree);
	job->piles.fds[job->piles.count++] = tree;
	job->count = 0;
}

static void arrange_next(struct arranging *job, const char *name, int tree)
{
	const struct pile_member member = {name, tree};

	if (!layer_pile_takes(job->store, &member)) {
		leave_members(job);
		add_tree(job, name, tree);
		return;
	}
	job->members[job->count++] = member;
	if (job->count == LAYER_PILE_COUNT)
		pile_members(job);
}

/* False when there is nothing to be put together, or it cannot be opened. */
static bool arrange(struct store *store, const struct digest *diff_ids, size_t count, const struct layer_trees *each,
		    const size_t *places, struct layer_trees *trees)
{
	cleanup(arrangement_done) struct arrangement upwards = {0}, arranged = {0};
	cleanup(arranging_done) struct arranging job = {.store = store, .upwards = &upwards};

	job.trees = mem_alloc((each->count + 1) * sizeof(*job.trees));
	job.piles.fds = mem_alloc((each->count / LAYER_PILE_COUNT + 1) * sizeof(*job.piles.fds));
	for (size_t i = each->count; i-- > 0;) {
		char hex[DIGEST_HEX_SIZE];
		const char *name = store_known_layer(store, digest_hex(&diff_ids[places[i]], hex));
		if (!name)
			return false;
		arrange_next(&job, name, each->fds[i]);
	}
	leave_members(&job);
	for (size_t i = upwards.lines.count; i-- > 0;)
		strlist_append(&arranged.lines, upwards.lines.items[i]);
	arranged.again_at = arranged.lines.count + LAYER_PILE_COUNT;
	if (arranged.again_at < ARRANGED_MIN)
		arranged.again_at = ARRANGED_MIN;
	if (job.piles.count && !open_arranged(store, &arranged, trees))
		return false;
	write_arrangement(store, diff_ids, count, &arranged);
	return job.piles.count > 0;
}

/* ---- the door ---- */

int layer_stack_open(struct store *store, const struct digest *diff_ids, size_t count, enum layer_trees_are are,
		     struct layer_trees *trees, struct error **err)
{
	cleanup(layer_trees_done) struct layer_trees each = {0}, fewer = {0};
	cleanup_free size_t *places = mem_grow(NULL, count + 1, sizeof(*places));
	/* Where whiteouts are of a kind that the kernel does not know, there are no overlays. */
	bool are_many = are == TREES_MAY_BE_PILES && count >= ARRANGED_MIN &&
			ovlmark_kernel_reads(store_folder(store, STORE_LAYERS, NULL));

	if (are_many && open_noted(store, diff_ids, count, trees))
		return 0;
	int rc = open_each(store, diff_ids, count, &each, places, err);
	if (rc < 0)
		return rc;
	if (are_many && arrange(store, diff_ids, count, &each, places, &fewer)) {
		*trees = fewer;
		fewer = (struct layer_trees){0};
		return 0;
	}
	*trees = each;
	each = (struct layer_trees){0};
	return 0;
}

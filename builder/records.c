/* Opens what vouches for records, and takes notes. */
#include "builder/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/rootcopy.h"
#include "builder/rootfs.h"
#include "imagefmt/layer.h"
#include "imagefmt/layer_stack.h"
#include "imagefmt/layerroot.h"

#define NOTES "records"

void records_done(struct records *records)
{
	for (size_t i = 0; i < records->lower_count; i++)
		fd_close(records->lowers[i]);
	free(records->lowers);
	fd_close(records->notes);
	owner_table_done(&records->owners);
	*records = (struct records)RECORDS_INIT;
}

static int open_lowers(struct workshop *w, const struct image_config *config, struct records *records,
		       struct error **err)
{
	struct layer_trees trees = {0};
	enum layer_trees_are are = workshop_is_translated(w) ? TREES_ARE_LAYERS : TREES_MAY_BE_PILES;
	int rc = layer_stack_open(workshop_store(w), config->diff_ids, config->diff_id_count, are, &trees, err);

	if (rc < 0)
		return rc;
	records->lowers = trees.fds;
	records->lower_count = trees.count;
	return 0;
}

int records_open(struct workshop *w, const struct container *c, struct records *records, struct error **err)
{
	cleanup(records_done) struct records opened = RECORDS_INIT;

	opened.trusted = store_has_single_id(workshop_store(w));
	int rc = open_lowers(w, &c->config, &opened, err);
	if (rc < 0)
		return rc;
	cleanup_close int dir = container_open_dir(w, c, err);
	if (dir < 0)
		return dir;
	opened.notes = fd_open_dir(dir, NOTES, NULL); /* most containers have none */
	rc = records_load_owners(w, c, &opened.owners, err);
	if (rc < 0)
		return rc;
	opened.vouchers = (struct vouchers){
		.lowers = opened.lowers,
		.lower_count = opened.lower_count,
		.notes = opened.notes,
	};
	*records = opened;
	opened = (struct records)RECORDS_INIT;
	return 0;
}

static bool is_unsaid(struct store *store, const struct digest *diff_id, size_t at, const void *context)
{
	cleanup_close int tree = layer_open(store, diff_id, NULL);

	return tree >= 0 && !layer_root_counts(tree);
}

bool records_root_is_unsaid(struct workshop *w, const struct container *c)
{
	return layer_stack_is_all(workshop_store(w), c->config.diff_ids, c->config.diff_id_count, "unsaid", is_unsaid,
				  /* context */ NULL);
}

const struct vouchers *records_vouchers(const struct records *records)
{
	return records->trusted ? NULL : &records->vouchers;
}

/* Where the name at the end of `path` stands: what it is a link to, if anything, is about to be replaced by the file. */
static int place_of(int root, const char *path, char **place, struct error **err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *directory = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup("");
	cleanup_free char *resolved = NULL;
	int rc = rootpath_resolve(root, *directory ? directory : "/", &resolved, err);

	if (rc < 0)
		return rc;
	*place = mem_printf("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, slash ? slash + 1 : path);
	return 0;
}

int records_note(struct workshop *w, const struct container *c, int root, const char *path,
		 const struct owner_record *record, struct error **err)
{
	cleanup_free char *place = NULL;

	if (store_has_single_id(workshop_store(w)))
		return 0;
	int rc = place_of(root, path, &place, err);
	cleanup_close int dir = rc < 0 ? rc : container_open_dir(w, c, err);
	if (dir < 0)
		return dir;
	if (mkdirat(dir, NOTES, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, "make a directory for notes");
	cleanup_close int notes = fd_open_dir(dir, NOTES, err);
	return notes < 0 ? notes : vouch_note(notes, place + 1, record, err);
}

int records_note_link(struct workshop *w, const struct container *c, int root, const char *path, const char *existing,
		      struct error **err)
{
	cleanup(records_done) struct records known = RECORDS_INIT;
	cleanup_free char *place = NULL;
	struct owner_record record;

	if (store_has_single_id(workshop_store(w)))
		return 0;
	cleanup_close int fd = rootpath_open(root, existing, O_PATH | O_NOFOLLOW, 0, NULL);
	if (fd < 0 || owner_get(fd, &record, NULL) < 0)
		return 0; /* as nearly all have none */
	int rc = place_of(root, existing, &place, err);
	if (rc == 0)
		rc = records_open(w, c, &known, err);
	if (rc < 0)
		return rc;
	return vouch_check(&known.vouchers, place + 1, &record) ? records_note(w, c, root, path, &record, err) : 0;
}

/* ---- what cannot carry a record ---- */

/* What the layers and `upper`, which lies on them, say of things that the container has as copies. */
static int translate_trees(struct workshop *w, const struct container *c, int dir, struct owner_table *owners,
			   struct error **err)
{
	cleanup(records_done) struct records layers = RECORDS_INIT;
	int rc = open_lowers(w, &c->config, &layers, err);
	cleanup_close int copy = rc < 0 ? rc : fd_open_dir(dir, ROOTCOPY, err);

	if (copy < 0)
		return copy;
	layers.lowers = mem_grow(layers.lowers, layers.lower_count + 1, sizeof(*layers.lowers));
	memmove(layers.lowers + 1, layers.lowers, layers.lower_count++ * sizeof(*layers.lowers));
	layers.lowers[0] = fd_open_dir(dir, "upper", err);
	return layers.lowers[0] < 0 ? layers.lowers[0]
				    : records_translate(layers.lowers, layers.lower_count, owners, copy, owners, err);
}

/* The trees that the container's own records may speak of: "upper" and, where the root is a copy, that. */
static int bind_to(struct owner_table *owners, int dir, const char *name, struct error **err)
{
	cleanup_close int tree = fd_open_dir(dir, name, err);

	return tree < 0 ? tree : owner_table_bind(owners, tree, err);
}

/* What was made in the container itself. *has_copy: it speaks of all that is in the root, which is a copy. */
static int load_own(const struct container *c, int dir, struct owner_table *owners, bool *has_copy, struct error **err)
{
	cleanup(owner_table_done) struct owner_table own = {0};
	cleanup_close int upper = fd_open_dir(dir, "upper", NULL);
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, NULL);
	int rc = owner_table_load(dir, OWNER_TABLE_FILE, &own, err);

	if (rc < 0)
		return rc;
	/* What a step has changed in a copy goes into an upper directory that is made anew for it. */
	if (upper >= 0 && !owner_table_is_of(&own, upper) && (copy < 0 || !owner_table_is_of(&own, copy)))
		log_warn("the store was copied by something that does not keep inodes: what container '%s' knows of "
			 "the owners of its links, FIFOs and devices is lost, they are root's and plain files now",
			 c->name);
	*has_copy = own.count && copy >= 0 && owner_table_is_of(&own, copy);
	if (own.count)
		owner_table_add_all(owners, &own);
	return 0;
}

/* A copy is known by what lies at the same path in what it was made of, which holds until a step has moved something
 * there. So it is written down before. */
static int follow_into_copy(struct workshop *w, const struct container *c, int dir, struct owner_table *owners,
			    struct error **err)
{
	int rc = translate_trees(w, c, dir, owners, err);

	owners->has_changed = true;
	return rc < 0 ? rc : records_save_owners(w, c, owners, err);
}

int records_load_owners(struct workshop *w, const struct container *c, struct owner_table *owners, struct error **err)
{
	const struct image_config *config = &c->config;
	cleanup_close int dir = container_open_dir(w, c, err);
	int rc = 0;

	if (dir < 0)
		return dir;
	for (size_t i = 0; rc >= 0 && i < config->diff_id_count && store_has_single_id(workshop_store(w)); i++)
		rc = layer_load_owners(workshop_store(w), &config->diff_ids[i], owners, err);
	bool has_copy = false;
	if (rc >= 0)
		rc = load_own(c, dir, owners, &has_copy, err);
	if (rc >= 0 && owners->count && !has_copy && rootcopy_exists(dir))
		rc = follow_into_copy(w, c, dir, owners, err);
	owners->has_changed = false;
	return rc < 0 ? error_prefix(err, "container '%s'", c->name) : 0;
}

/* What the layers say of things of which `rootfs` has copies. */
static int translate_image(struct workshop *w, const struct image *image, const struct rootfs *rootfs,
			   struct owner_table *owners, struct error **err)
{
	cleanup(records_done) struct records layers = RECORDS_INIT;
	int rc = open_lowers(w, &image->config, &layers, err);

	return rc < 0 ? rc
		      : records_translate(layers.lowers, layers.lower_count, owners, rootfs_fd(rootfs), owners, err);
}

int records_load_image(struct workshop *w, const struct image *image, const struct rootfs *rootfs,
		       struct owner_table *owners, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < image->config.diff_id_count && store_has_single_id(workshop_store(w)); i++)
		rc = layer_load_owners(workshop_store(w), &image->config.diff_ids[i], owners, err);
	if (rc >= 0 && rootfs && owners->count && rootfs_is_copied(rootfs))
		rc = translate_image(w, image, rootfs, owners, err);
	return rc;
}

int records_save_owners(struct workshop *w, const struct container *c, struct owner_table *owners, struct error **err)
{
	cleanup_close int dir = owners->has_changed ? container_open_dir(w, c, err) : -1;

	if (!owners->has_changed)
		return 0;
	int rc = dir < 0 ? dir : bind_to(owners, dir, "upper", err);
	if (rc >= 0 && rootcopy_exists(dir))
		rc = bind_to(owners, dir, ROOTCOPY, err);
	return rc < 0 ? rc : owner_table_save(dir, OWNER_TABLE_FILE, owners, err);
}

struct translation {
	const int *from;
	size_t count;
	const struct owner_table *owners;
	struct owner_table translated;
};

/* The topmost tree that has something at the path says what it is. */
static const struct owner_record *find_record(const struct translation *job, const char *path)
{
	for (size_t i = 0; i < job->count; i++) {
		cleanup_close int fd = -1;
		struct owner_key key;
		enum lower_verdict verdict = lower_find(job->from[i], path, &fd);
		if (verdict == LOWER_SAYS_NOTHING)
			continue;
		if (verdict == LOWER_HIDES_IT || owner_key_of(fd, "", &key, NULL) < 0)
			return NULL;
		return owner_table_find(job->owners, &key);
	}
	return NULL;
}

static int translate_entry(const struct tree_entry *entry, void *context, struct error **err)
{
	struct translation *job = context;
	struct owner_key key;

	if (S_ISDIR(entry->st->st_mode))
		return TREE_GO_ON;
	const struct owner_record *record = find_record(job, entry->path);
	if (!record)
		return TREE_GO_ON;
	int rc = owner_key_of(entry->dirfd, entry->name, &key, err);
	if (rc == 0)
		owner_table_put(&job->translated, &key, record);
	return rc;
}

int records_translate(const int *from, size_t count, struct owner_table *owners, int to, struct owner_table *translated,
		      struct error **err)
{
	struct translation job = {.from = from, .count = count, .owners = owners};
	int rc = owners->count ? tree_walk(to, translate_entry, /* after */ NULL, &job, err) : 0;

	if (rc >= 0 && job.translated.count)
		owner_table_add_all(translated, &job.translated);
	owner_table_done(&job.translated);
	return rc < 0 ? rc : 0;
}

int records_follow_copy(int dir, struct owner_table *owners, struct error **err)
{
	if (!rootcopy_exists(dir) || owners->count == 0)
		return 0;
	cleanup_close int copy = fd_open_dir(dir, ROOTCOPY, err);
	cleanup_close int upper = copy < 0 ? copy : fd_open_dir(dir, "upper", err);
	/* `upper` is another directory than the one they were saved for. */
	owners->has_changed = true;
	return upper < 0 ? upper : records_translate(&copy, 1, owners, upper, owners, err);
}

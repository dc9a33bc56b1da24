/*
 * The working container of a stage, and its changes as layers. It is a container like any other, so that a step that
 * fails can be looked at with the usual commands; but nobody else has it, so its state is written only where somebody
 * will read it: when it is made, and when it is left behind.
 */
#include "builder/build_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/tree.h"
#include "builder/container_internal.h"
#include "builder/records.h"
#include "builder/rootcopy.h"
#include "imagefmt/layer.h"
#include "imagefmt/layerroot.h"
#include "imagefmt/pack.h"

#define MADE "commit" /* as commit_journal.c calls it: what is in it is on its way to the layers */
#define NEXT "next"   /* upper of the next step */

/* ---- the container --------------------------------------------------------------------------------------------------
 */

static int random_name(char **name, struct error **err)
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return error_set_errno(err, "get random bytes");
	*name = mem_printf(BUILD_CONTAINER_PREFIX "%08x", number);
	return 0;
}

int build_layer_begin(struct build *build, struct stage_run *run, struct error **err)
{
	struct workshop *w = build->w;
	cleanup(container_done) struct container made = {0};
	cleanup_free char *name = NULL;

	if (run->dir >= 0)
		return 0;
	int rc = random_name(&name, err);
	if (rc < 0)
		return rc;
	const struct container_options options = {
		.name = name, .format = build->options->format, .settings = build->options->settings};
	int lock = container_create_for_stage(w, &options, &made, err);
	if (lock < 0)
		return lock;
	/* The layers are those of the stage; what the container is otherwise is its own. */
	image_config_done(&made.config);
	strlist_done(&made.layer_types);
	made.config = run->c.config;
	made.layer_types = run->c.layer_types;
	run->c.config = (struct image_config){0};
	run->c.layer_types = (struct strlist){0};
	container_done(&run->c);
	run->c = made;
	made = (struct container){0};
	run->lock = lock;
	run->dir = container_open_dir(w, &run->c, err);
	return run->dir < 0 ? run->dir : 0;
}

static int sweep_one(int containers, const char *id, void *context, struct error **err)
{
	struct workshop *w = context;
	cleanup_free char *stage_mark = mem_printf("%s/" CONTAINER_STAGE_MARK, id);
	cleanup(container_done) struct container c = {0};

	if (faccessat(containers, stage_mark, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	cleanup_close int lock = store_lock(workshop_store(w), "container", id, LOCK_EXCLUSIVE, LOCK_TRY,
					    "a stage's container", /* err */ NULL);
	if (lock < 0) /* it is at work */
		return 0;
	int rc = container_find(w, id, &c, NULL);
	return rc < 0 ? 0 : container_remove(w, &c, err);
}

/* Of those whose makers have died. */
static void forget_step_locks(struct store *store)
{
	static const char prefix[] = BUILD_STEP_LOCK "-";
	cleanup_free char *path = store_path(store, STORE_LOCKS, ".");
	cleanup_error struct error *why = NULL;
	cleanup_directory DIR *dir = NULL;
	int rc = directory_open(AT_FDCWD, path, &dir, &why);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, &why));)
		if (text_has_prefix(entry->d_name, prefix))
			store_forget_lock(store, BUILD_STEP_LOCK, entry->d_name + strlen(prefix));
	if (rc < 0 && rc != -ENOENT)
		log_debug("locks of steps that have died may stay: %s", error_message(why));
}

int build_layer_sweep(struct workshop *w, struct error **err)
{
	forget_step_locks(workshop_store(w));
	return containers_walk(w, sweep_one, w, err);
}

/* ---- the layer ------------------------------------------------------------------------------------------------------
 */

int64_t build_layer_clamp(const struct build *build, bool *set_mtime)
{
	const struct build_options *options = build->options;
	bool clamp = options->timestamp < 0 && build->epoch >= 0 && options->rewrite_timestamp;

	*set_mtime = options->timestamp >= 0;
	return clamp ? build->epoch : options->timestamp;
}

/* Makes `upper` into what a layer is, and reads it. */
static int finish(struct build *build, struct stage_run *run, int upper, struct pack_result *packed, struct error **err)
{
	cleanup(records_done) struct records records = RECORDS_INIT;
	int rc = records_open(build->w, &run->c, &records, err);

	if (rc < 0)
		return rc;
	rc = records_follow_copy(run->dir, &records.owners, err);
	if (rc < 0)
		return rc;
	bool set_mtime;
	int64_t clamp_mtime = build_layer_clamp(build, &set_mtime);
	const struct normalise_options normalise = {
		.lowers = records.lowers,
		.lower_count = records.lower_count,
		.clamp_mtime = clamp_mtime,
		.set_mtime = set_mtime,
		.vouchers = records_vouchers(&records),
		.root_is_unsaid = records_root_is_unsaid(build->w, &run->c),
		.owners = &records.owners,
		.ahead = build->ahead,
	};
	rc = pack_finish(upper, &normalise, packed, err);
	return rc < 0 ? rc : records_save_owners(build->w, &run->c, &records.owners, err);
}

/* An empty one for the next step, whose root is what it is in this one: before that is put in order, and says no more
 * of it than its tar would. */
static int make_next(int dir, int upper, struct error **err)
{
	if (mkdirat(dir, NEXT, 0755) < 0)
		return error_set_errno(err, "make the container's directory");
	cleanup_close int next = fd_open_dir(dir, NEXT, err);
	return next < 0 ? next : layer_root_copy(next, upper, err);
}

/* Moves it to its place among the layers. */
static int move(struct build *build, struct stage_run *run, const struct pack_result *packed, struct error **err)
{
	int dir = run->dir;

	if ((mkdirat(dir, MADE, 0700) < 0 && errno != EEXIST) || renameat(dir, "upper", dir, MADE "/fs") < 0)
		return error_set_errno(err, "take the step's changes");
	if (renameat(dir, OWNER_TABLE_FILE, dir, MADE "/" OWNER_TABLE_FILE) < 0 && errno != ENOENT)
		return error_set_errno(err, "take the step's records");
	int rc = layer_adopt_prepared(workshop_store(build->w), dir, MADE, packed, err);
	if (rc >= 0 && renameat(dir, NEXT, dir, "upper") < 0)
		rc = error_set_errno(err, "make the container's directory");
	return rc;
}

int build_layer_end(struct build *build, struct stage_run *run, struct build_record *record, struct error **err)
{
	const struct build_options *options = build->options;
	struct pack_result packed = {0};
	bool is_copy = rootcopy_exists(run->dir);
	int rc = is_copy ? rootcopy_fill_upper(run->dir, err) : 0;

	if (rc < 0)
		return rc;
	cleanup_close int upper = fd_open_dir(run->dir, "upper", err);
	if (upper < 0)
		return upper;
	rc = make_next(run->dir, upper, err);
	if (rc >= 0)
		rc = finish(build, run, upper, &packed, err);
	if (rc >= 0)
		rc = move(build, run, &packed, err);
	if (rc >= 0 && is_copy)
		rc = rootcopy_mark(run->dir, err);
	if (rc < 0)
		return error_prefix(err, "make a layer");
	*record = (struct build_record){
		.diff_id = packed.diff_id,
		.size = packed.size,
		.created = options->timestamp >= 0 ? options->timestamp
			   : build->epoch >= 0	   ? build->epoch
						   : workshop_options(build->w)->now,
	};
	return 0;
}

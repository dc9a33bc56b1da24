/*
 * What is done with the cache mounts of a build before its first step runs. With --cache-mounts they travel with the
 * cache: those that the store does not have yet are brought from the caches of --cache-from. With --no-cache some begin
 * afresh.
 */
#include "builder/build.h"

#include <string.h>

#include "base/log.h"
#include "builder/build_internal.h"

static bool is_wanted(const char *wanted, const char *id)
{
	cleanup(strlist_done) struct strlist ids = {0};

	strlist_split(&ids, wanted, ',');
	return strcmp(wanted, "all") == 0 || strlist_contains(&ids, id);
}

/* One that the store does not have is brought from the caches of --cache-from first. */
static int take_mount(struct build *build, const struct plan_step *step, size_t index, void *context,
		      struct error **err)
{
	struct cache_mounts *mounts = context;
	cleanup(mount_setting_done) struct mount_setting setting = {0};
	struct cache_import_mount wanted = {0};

	build_mounts_describe_cache(build, step, index, &setting);
	if (!is_wanted(build->options->cache_mounts, setting.id))
		return 0;
	int rc = cache_mount_name(&setting, &wanted.name, err);
	if (rc < 0)
		return rc;
	wanted.id = setting.id;
	wanted.mode = setting.mode;
	wanted.uid = setting.uid;
	wanted.gid = setting.gid;
	cache_mounts_add(mounts, &wanted.name, setting.id);
	if (build->imports && !cache_mount_exists(workshop_store(build->w), &wanted.name) &&
	    cache_imports_mount(build->imports, &wanted))
		build_say(build, "cache mount '%s' taken from a cache", setting.id);
	return 0;
}

typedef int visit_mount(struct build *build, const struct plan_step *step, size_t index, void *context,
			struct error **err);

/* Every cache mount of a stage. */
static int visit_stage(struct build *build, const struct plan_stage *stage, visit_mount *visit, void *context,
		       struct error **err)
{
	int rc = 0;

	for (size_t k = 0; k < stage->step_count; k++) {
		const struct plan_step *step = &stage->steps[k];
		size_t count = step->mounts ? step->instruction->run.mount_count : 0;
		for (size_t m = 0; rc >= 0 && m < count; m++)
			if (step->instruction->run.mounts[m].type == FILE_MOUNT_CACHE)
				rc = visit(build, step, m, context, err);
	}
	return rc;
}

int build_cache_mounts_take(struct build *build, struct cache_mounts *mounts, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; build->options->cache_mounts && rc >= 0 && i < build->plan->stage_count; i++)
		rc = visit_stage(build, build->plan->stages[i], take_mount, mounts, err);
	return rc;
}

/* ---- --no-cache ---------------------------------------------------------------------------------------------------
 */

/* What a cache begins with is a result of the build when it is a stage, or a directory with an owner or mode of its
 * own: it is made again, and with it, in BuildKit, the cache. Any other cache stays. One that a step has is not taken
 * away. */
static int forget_mount(struct build *build, const struct plan_step *step, size_t index, void *context,
			struct error **err)
{
	const struct file_mount *mount = &step->instruction->run.mounts[index];
	cleanup(mount_setting_done) struct mount_setting setting = {0};
	cleanup_error struct error *why = NULL;
	struct digest name;
	bool has_owner = !mount->source && (mount->has_mode || mount->has_uid || mount->has_gid);

	if (step->mounts[index].kind != INPUT_STAGE && !has_owner)
		return 0;
	build_mounts_describe_cache(build, step, index, &setting);
	if (cache_mount_name(&setting, &name, &why) < 0 ||
	    cache_mount_remove(workshop_store(build->w), &name, &why) < 0)
		log_debug("cache mount '%s' is kept: %s", setting.id, error_message(why));
	return 0;
}

void build_cache_mounts_forget(struct build *build)
{
	for (size_t i = 0; i < build->plan->stage_count; i++)
		if (build->plan->stages[i]->no_cache)
			visit_stage(build, build->plan->stages[i], forget_mount, /* context */ NULL, /* err */ NULL);
}

/*
 * --cache-mounts: the cache mounts of a build that travel with the cache. Those that the store does not have yet are
 * brought from the caches of --cache-from before the first step runs.
 */
#include "builder/build.h"

#include <string.h>

#include "builder/build_internal.h"

static bool is_wanted(const char *wanted, const char *id)
{
	cleanup(strlist_done) struct strlist ids = {0};

	strlist_split(&ids, wanted, ',');
	return strcmp(wanted, "all") == 0 || strlist_contains(&ids, id);
}

/* One that the store does not have is brought from the caches of --cache-from first. */
static int take_mount(struct build *build, const struct plan_step *step, size_t index, struct cache_mounts *mounts,
		      struct error **err)
{
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

int build_cache_mounts_take(struct build *build, struct cache_mounts *mounts, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; build->options->cache_mounts && i < build->plan->stage_count; i++) {
		const struct plan_stage *stage = build->plan->stages[i];
		for (size_t k = 0; k < stage->step_count; k++) {
			const struct plan_step *step = &stage->steps[k];
			size_t count = step->mounts ? step->instruction->run.mount_count : 0;
			for (size_t m = 0; rc >= 0 && m < count; m++)
				if (step->instruction->run.mounts[m].type == FILE_MOUNT_CACHE)
					rc = take_mount(build, step, m, mounts, err);
		}
	}
	return rc;
}

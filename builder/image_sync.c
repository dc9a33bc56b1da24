/*
 * One image after the other: where each goes, and what becomes of those that fail.
 */
#include "builder/image_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "builder/image_sync_internal.h"
#include "imagefmt/userpath.h"

static int find(struct workshop *w, const char *source, const struct image_sync_options *options,
		struct sync_plan *plan, struct error **err)
{
	size_t none;

	sync_plan_access(plan, &none);
	switch (options->from) {
	case SYNC_DOCKER:
		return sync_find_docker(w, source, options, plan, err);
	case SYNC_DIR:
		return sync_find_directories(source, plan, err);
	case SYNC_YAML:
		return sync_find_yaml(w, source, options, plan, err);
	}
	return -EINVAL;
}

/* ---- Where an image goes ---- */

static const char *last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static char *destination_of(const char *destination, const struct sync_item *item,
			    const struct image_sync_options *options)
{
	const char *suffix = options->scoped ? item->suffix : last_part(item->suffix);
	const char *more = options->append_suffix ? options->append_suffix : "";

	return mem_printf("%s:%s%s%s%s%s", options->to == SYNC_DIR ? "dir" : "docker",
			  options->to == SYNC_DIR ? "" : "//", destination, *suffix ? "/" : "", suffix, more);
}

/* What an earlier sync has written is not written over: it may be what somebody is just carrying away. */
static int prepare_directory(const char *place, struct error **err)
{
	const char *path = place + strlen("dir:");

	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, EEXIST, "refusing to overwrite the directory '%s'", path);
	cleanup_close int fd = userpath_open_dir(path, 0755, err);
	return fd < 0 ? fd : 0;
}

static int copy_item(struct workshop *w, const struct sync_plan *plan, const struct sync_item *item,
		     const char *destination, const struct image_sync_options *options, struct error **err)
{
	struct image_copy_options copy = options->copy;
	copy.export.check_push = false; /* it has been asked */
	cleanup(strlist_done) struct strlist destinations = {0};
	cleanup_free char *place = destination_of(destination, item, options);
	struct digest digest;

	log_info("%s %s to %s", options->dry_run ? "would copy" : "copying", item->place, place);
	if (options->dry_run)
		return 0;
	copy.source_registry = sync_registry(plan, item->access, &options->copy.source_registry);
	strlist_append(&destinations, place);
	int rc = options->to == SYNC_DIR ? prepare_directory(place, err) : 0;
	return rc < 0 ? rc : image_copy(w, item->place, &destinations, &copy, &digest, err);
}

/* Each repository once, and all before the first image moves. */
static int check_pushes(const struct sync_plan *plan, const char *destination, const struct image_sync_options *options,
			struct error **err)
{
	cleanup(strlist_done) struct strlist asked = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->count; i++) {
		cleanup(location_done) struct location to = {0};
		cleanup_free char *place = destination_of(destination, &plan->items[i], options);
		rc = location_parse(place, &to, err);
		if (rc < 0)
			return rc;
		cleanup_free char *repository = mem_printf("%s/%s", to.ref.domain, to.ref.path);
		if (strlist_contains(&asked, repository))
			continue;
		strlist_append(&asked, repository);
		rc = export_check_push_to(&to, &options->copy.export, err);
	}
	return rc;
}

int image_sync(struct workshop *w, const char *source, const char *destination,
	       const struct image_sync_options *options, size_t *copied, struct error **err)
{
	cleanup(sync_plan_done) struct sync_plan plan = {0};
	size_t failed = 0;
	int rc = find(w, source, options, &plan, err);

	*copied = 0;
	if (rc == 0 && options->copy.export.check_push && !options->dry_run)
		rc = check_pushes(&plan, destination, options, err);
	for (size_t i = 0; rc == 0 && i < plan.count; i++) {
		cleanup_error struct error *why = NULL;
		rc = copy_item(w, &plan, &plan.items[i], destination, options, &why);
		*copied += rc == 0;
		if (rc == 0)
			continue;
		if (!options->keep_going) {
			if (err)
				*err = take_ptr(&why);
			return rc;
		}
		log_warn("%s, going on with the others", error_message(why));
		failed++;
		rc = 0;
	}
	if (failed)
		return error_set(err, EIO, "%zu of %zu image%s could not be copied", failed, plan.count,
				 plan.count == 1 ? "" : "s");
	return rc;
}

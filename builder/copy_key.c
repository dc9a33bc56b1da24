/*
 * The key of a copy into a container: its options, and the files that it selects, with their contents.
 */
#include "builder/script_internal.h"

#include <errno.h>

#include "base/fd.h"
#include "builder/build_selection.h"
#include "builder/copy_internal.h"
#include "builder/rootfs.h"

static void add_options(struct build_key *key, const struct copy_options *options, const struct container *c,
			const char *destination)
{
	build_key_text(key, "destination", destination);
	if (!destination || destination[0] != '/')
		build_key_text(key, "working directory", c->config.working_dir);
	build_key_text(key, "--chown", options->chown);
	build_key_text(key, "--chmod", options->chmod);
	build_key_text(key, "--checksum", options->checksum);
	if (options->exclude)
		build_key_list(key, "--exclude", options->exclude);
	build_key_number(key, "add", options->add);
	build_key_number(key, "--parents", options->parents);
	build_key_number(key, "--link", options->link);
	build_key_number(key, "--no-follow-symlinks", options->no_follow_symlinks);
	build_key_number(key, "--unpack", options->keep_archive ? 0 : options->force_unpack ? 2 : 1);
	build_key_number(key, "keep git", options->keep_git_dir);
	if (options->mtime >= 0)
		build_key_number(key, "--timestamp", (uint64_t)options->mtime);
}

/* Splits the sources into paths and addresses. */
static int add_addresses(const struct copy_options *options, const struct strlist *sources, struct strlist *local,
			 struct build_key *key)
{
	for (size_t i = 0; i < sources->count; i++) {
		const char *source = sources->items[i];
		if (options->from || !copy_is_remote(source)) {
			strlist_append(local, source);
			continue;
		}
		if (!options->checksum || !*options->checksum)
			return -ENODATA;
		build_key_text(key, "address", source);
	}
	return 0;
}

static int add_files(struct copy_job *job, const struct copy_from *from, const struct strlist *paths,
		     struct build_key *key, struct error **err)
{
	const struct copy_options *options = job->options;
	bool is_host = !from->rootfs;
	int rc = copy_load_ignore_rules(job, err);

	if (rc < 0)
		return rc;
	cleanup(build_memo_close) struct build_memo *memo =
		is_host ? build_memo_open(workshop_store(job->w), job->source_root) : NULL;
	const struct build_selection selection = {
		.root = job->source_root,
		.ignore = &job->context_rules,
		.sources = paths,
		.excludes = options->exclude,
		.base = from->directory,
		.keep_owner = !is_host,
		.owners = is_host ? NULL : &from->records.owners,
		.parents = options->parents,
		.keep_links = options->no_follow_symlinks,
		.memo = memo,
	};
	return build_selection_add(&selection, key, err);
}

static int add_sources(struct copy_job *job, const struct strlist *paths, struct build_key *key, struct error **err)
{
	cleanup(copy_from_done) struct copy_from from = COPY_FROM_INIT;
	int rc = copy_from_open(job->w, job->c, job->options, &from, err);

	if (rc < 0)
		return rc;
	if (from.is_target) {
		/* Its layers are in the key. */
		build_key_list(key, "sources of its own", paths);
		return 0;
	}
	job->source_root = from.rootfs ? rootfs_fd(from.rootfs) : from.fd;
	return add_files(job, &from, paths, key, err);
}

int script_key_copy(struct workshop *w, const struct container *c, const struct strlist *sources,
		    const char *destination, const struct copy_options *options, struct build_key *key,
		    struct error **err)
{
	cleanup(strlist_done) struct strlist texts = {0}, local = {0};
	struct copy_job job = {.w = w, .c = c, .options = options, .source_root = -1, .above_fd = -1};

	add_options(key, options, c, destination);
	copy_source_texts(options, sources, &texts);
	/* How many there are decides whether the destination is a directory. */
	build_key_number(key, "sources", texts.count);
	int rc = add_addresses(options, &texts, &local, key);
	if (rc >= 0 && local.count)
		rc = add_sources(&job, &local, key, err);
	copy_job_done(&job);
	return rc;
}

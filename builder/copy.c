/*
 * The flow of copy and add: who owns what comes, where it goes, and in which order.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/owner.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "builder/rootfs.h"
#include "run/user.h"

static void find_destination(struct copy_job *job, const char *text, size_t source_count, struct copy_destination *to)
{
	const char *cwd = job->c->config.working_dir;
	struct stat st;
	const char *base = text && text[0] == '/' ? "" : cwd && *cwd ? cwd : "/";
	cleanup_free char *whole = mem_printf("/%s/%s", base, text ? text : "");

	to->path = rootpath_clean(whole);
	to->into = !text || !*text || text_has_suffix(text, "/") || text_has_suffix(text, "/.") ||
		   strcmp(text, ".") == 0 || source_count > 1 || job->options->parents ||
		   (rootpath_stat(job->root, to->path, /* follow */ !job->options->link, &st, NULL) == 0 &&
		    S_ISDIR(st.st_mode));
	/* In a Dockerfile a destination that is a link names what it leads to, not itself. */
	char *resolved = NULL;
	if (!to->into && job->options->root && !job->options->link &&
	    rootpath_stat(job->root, to->path, /* follow */ false, &st, NULL) == 0 && S_ISLNK(st.st_mode) &&
	    rootpath_resolve(job->root, to->path, &resolved, NULL) == 0) {
		free(to->path);
		to->path = resolved;
	}
}

/* The directory that a file is put into under a new name. */
static int make_above(struct copy_job *job, const char *path, struct error **err)
{
	size_t length = (size_t)(copy_last_part(path) - path);
	cleanup_free char *above = mem_strndup(path, length > 1 ? length - 1 : length);

	return copy_make_destination(job, above, err);
}

static int put_all(struct copy_job *job, const char *directory, const struct strlist *texts, const char *destination,
		   struct error **err)
{
	cleanup(copy_sources_done) struct copy_sources sources = {0};
	cleanup(copy_destination_done) struct copy_destination to = {0};
	int rc = copy_sources_expand(job, directory, texts, &sources, err);

	if (rc < 0)
		return rc;
	if (job->options->checksum && sources.count && !sources.items[0].is_url && !sources.items[0].is_git)
		return error_set(err, EINVAL, "checksum flag is not supported for local sources");
	if (job->options->checksum && sources.count != 1)
		return error_set(err, EINVAL, "--checksum goes with exactly one http(s) or git source");
	find_destination(job, destination, job->options->root ? 1 : sources.count, &to);
	/* A file that is given a name of its own is known by what it is, not by that name. */
	job->prefix = strlen(to.path);
	if (to.into && sources.count)
		rc = copy_make_destination(job, to.path, err);
	else if (job->options->root && sources.count)
		rc = make_above(job, to.path, err);
	for (size_t i = 0; rc >= 0 && i < sources.count; i++) {
		rc = copy_put(job, &sources.items[i], &to, err);
		/* What has become a directory takes the next one in. */
		if (rc >= 0 && job->options->root && !to.into) {
			copy_destination_done(&to);
			find_destination(job, destination, 1, &to);
		}
	}
	return rc;
}

static int digest_lines(struct copy_job *job, struct copy_result *result, struct error **err)
{
	strlist_sort(&job->digest_lines);
	cleanup_free char *text = strlist_join(&job->digest_lines, "\n");

	result->kind = job->files + job->dirs > 1 ? "multi" : job->dirs ? "dir" : "file";
	return digest_of(text, strlen(text), &result->digest, err);
}

static int prepare(struct copy_job *job, struct error **err)
{
	const struct copy_options *options = job->options;
	int rc = mode_change_parse(options->chmod, &job->mode, err);

	if (rc < 0 || !options->chown)
		return rc;
	rc = user_find_owner(job->root, options->chown, &job->uid, &job->gid, err);
	job->has_owner = true;
	return rc < 0 ? error_prefix(err, "--chown '%s'", options->chown) : rc;
}

void copy_job_done(struct copy_job *job)
{
	ignore_rules_done(&job->context_rules);
	ignore_rules_done(&job->exclude_rules);
	strlist_done(&job->digest_lines);
	for (size_t i = 0; i < job->links.size; i++)
		free(job->links.slots[i].path);
	free(job->links.slots);
	fd_close(job->above_fd);
	free(job->above);
	free(job->block);
	free(job->said);
	strlist_done(&job->said_parents);
	hasher_free(job->hasher);
}

int copy_into_container(struct workshop *w, const struct container *c, const struct strlist *sources,
			const char *destination, const struct copy_options *options, struct copy_result *result,
			struct error **err)
{
	cleanup(copy_from_done) struct copy_from from = COPY_FROM_INIT;
	cleanup(rootfs_close) struct rootfs *rootfs = NULL;
	cleanup(strlist_done) struct strlist texts = {0};
	cleanup(owner_table_done) struct owner_table owners = {0};
	struct copy_job job = {.w = w,
			       .c = c,
			       .owners = &owners,
			       .options = options,
			       .is_root = owner_is_root(),
			       .above_fd = -1,
			       .keep_owner = options->from || (options->root && options->root->keep_owner)};

	if (sources->count == 0)
		return error_set(err, EINVAL, "nothing to copy: no source was named");
	copy_source_texts(options, sources, &texts);
	int rc = copy_from_open(w, c, options, &from, err);
	if (rc >= 0)
		rc = rootfs_open(w, c, &rootfs, err);
	if (rc >= 0)
		rc = records_load_owners(w, c, &owners, err);
	if (rc < 0)
		return rc;
	job.root = rootfs_fd(rootfs);
	job.single_id = store_has_single_id(workshop_store(w));
	job.source_owners = options->root ? options->root->owners : from.is_target ? &owners : &from.records.owners;
	job.vouchers = from.is_container ? records_vouchers(&from.records) : NULL;
	job.source_root = options->root	   ? options->root->fd
			  : from.is_target ? job.root
			  : from.rootfs	   ? rootfs_fd(from.rootfs)
					   : from.fd;
	rc = prepare(&job, err);
	if (rc >= 0)
		rc = copy_load_ignore_rules(&job, err);
	if (rc >= 0)
		rc = put_all(&job, from.directory, &texts, destination, err);
	if (rc >= 0)
		copy_end_ahead(&job);
	/* Also what stands there after a failure. */
	int saved = records_save_owners(w, c, &owners, rc < 0 ? NULL : err);
	if (rc >= 0 && saved < 0)
		rc = saved;
	if (rc >= 0)
		rc = digest_lines(&job, result, err);
	copy_job_done(&job);
	return rc;
}

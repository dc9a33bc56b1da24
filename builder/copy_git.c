/*
 * A git repository as a source: ADD https://host/app.git#v1:src. In: its address; out: its files in the container. The
 * address may be anybody's who wrote the Dockerfile, so it never leads to this machine's own files.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/git.h"

static bool is_url(const char *text)
{
	return text_has_prefix(text, "http://") || text_has_prefix(text, "https://");
}

/* "user@host:path" and "github.com/x" may be files, so what has no scheme counts only in git's own well-known form. */
bool copy_is_git(const char *text)
{
	bool has_scheme = strstr(text, "://") != NULL;

	return git_address_is(text) && (has_scheme || text_has_prefix(text, "git@")) &&
	       !text_has_prefix(text, "file://");
}

bool copy_is_remote(const char *text)
{
	return is_url(text) || copy_is_git(text);
}

/* ADD's own flags count as the keys of the address do. */
static int read_address(const struct copy_job *job, const char *text, struct git_address *address, struct error **err)
{
	const char *checksum = job->options->checksum;
	int rc = git_address_parse(text, address, err);

	if (rc < 0)
		return rc;
	address->keep_git_dir |= job->options->keep_git_dir;
	if (!checksum)
		return 0;
	if (address->checksum && strcmp(address->checksum, checksum) != 0)
		return error_set(err, EINVAL, "--checksum %s, but the address says %s", checksum, address->checksum);
	size_t digits = strspn(checksum, "0123456789abcdef");
	if (digits < 7 || checksum[digits])
		return error_set(err, EINVAL, "--checksum '%s': not the beginning of a commit's id", checksum);
	mem_replace(&address->checksum, checksum);
	return 0;
}

/* The contents of `root` into the directory `path`; rules about the context do not speak of it. */
static int copy_checkout(struct copy_job *job, int root, const char *path, struct error **err)
{
	struct copy_job inner = *job;

	inner.source_root = root;
	inner.keep_owner = false;
	inner.vouchers = NULL;
	inner.context_rules = (struct ignore_rules){0};
	int rc = copy_make_destination(&inner, path, err);
	if (rc >= 0)
		rc = copy_directory(&inner, root, "/", path, err);
	/* What it has collected is the job's. */
	job->links = inner.links;
	job->digest_lines = inner.digest_lines;
	job->dirs = inner.dirs + 1;
	job->above = inner.above;
	job->above_fd = inner.above_fd;
	return rc;
}

static int check_out_and_copy(struct copy_job *job, const struct git_address *address, int tmp, const char *name,
			      const char *path, struct error **err)
{
	cleanup_free char *place = store_tmp_path(workshop_store(job->w), name);
	cleanup_close int dir = fd_open_dir(tmp, name, err);
	int rc = dir < 0 ? dir : git_checkout(address, dir, place, /* commit */ NULL, err);

	if (rc < 0 || !address->subdir)
		return rc < 0 ? rc : copy_checkout(job, dir, path, err);
	cleanup_close int below = rootpath_open(dir, address->subdir, O_RDONLY | O_DIRECTORY, 0, err);
	if (below < 0)
		return error_prefix(err, "subdirectory '%s'", address->subdir);
	return copy_checkout(job, below, path, err);
}

int copy_git(struct copy_job *job, const char *text, const char *path, struct error **err)
{
	cleanup(git_address_done) struct git_address address = {0};
	int tmp = store_tmp(workshop_store(job->w), err);
	int rc = tmp < 0 ? tmp : read_address(job, text, &address, err);

	if (rc < 0)
		return rc;
	cleanup_free char *name = store_tmp_name(workshop_store(job->w), "git");
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make a directory for a git repository");
	rc = check_out_and_copy(job, &address, tmp, name, path, err);
	tree_remove(tmp, name, NULL); /* what is left of it is swept later */
	return rc;
}

/*
 * Contexts from elsewhere: a git repository, and what an http(s) address gives. All of it happens in the user's own
 * namespace, where his keys and credential helpers are.
 */
#include "builder/context_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "builder/git.h"
#include "registry/download.h"
#include "registry/url.h"

int context_open_git(struct build_context *context, const char *text, struct error **err)
{
	cleanup(git_address_done) struct git_address address = {0};
	cleanup(git_commit_done) struct git_commit commit = {0};
	cleanup_free char *path = NULL;
	int rc = git_address_parse(text, &address, err);

	if (rc < 0)
		return error_prefix(err, "build context");
	address.keep_git_dir |= context->keep_git_dir;
	mem_replace(&context->where, NULL);
	context->where = git_address_format(&address);
	context->is_remote = true;
	rc = context_make_temporary(context, &path, err);
	if (rc == 0)
		rc = git_checkout(&address, context->root, path, &commit, err);
	if (rc == 0) {
		context->commit = take_ptr(&commit.id);
		context->time = commit.time;
	}
	if (rc < 0 || !address.subdir)
		return rc < 0 ? error_prefix(err, "build context") : 0;
	/* A link of that name leads, as everywhere in a context, to what is inside of the repository. */
	int below = rootpath_open(context->root, address.subdir, O_RDONLY | O_DIRECTORY, 0, err);
	if (below < 0)
		return error_prefix(err, "build context %s: subdirectory '%s'", context->where, address.subdir);
	fd_close(context->root);
	context->root = below;
	return 0;
}

/* What the address gives, in a file of ours that has no name any more, read from its beginning. *time is what the
 * server says of it, or -1. */
static int download(struct build_context *context, const char *url, int *file, int64_t *time, struct error **err)
{
	static const struct registry_options defaults = {.retries = -1};
	struct store *store = workshop_store(context->w);
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(download_done) struct download download = {0};
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "download");
	cleanup_close int fd = openat(tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(tmp, name, 0) < 0)
		return error_set_errno(err, "make a file for a download");
	int rc = registry_client_new(context->registry ? context->registry : &defaults, &client, err);
	if (rc == 0)
		rc = download_file(client, url, fd, /* want */ NULL, &download, err);
	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "read a download");
	*time = download.last_modified;
	*file = take_fd(&fd);
	return 0;
}

int context_open_url(struct build_context *context, const char *url, struct error **err)
{
	cleanup_close int file = -1;

	mem_replace(&context->where, NULL);
	context->where = url_redact(url);
	context->is_remote = true;
	int rc = download(context, url, &file, &context->time, err);
	if (rc < 0)
		return error_prefix(err, "build context");
	return context->is_for_time && context->time >= 0 ? 0 : context_take_stream(context, file, err);
}

int context_download_text(struct build_context *context, const char *url, struct buf *text, struct error **err)
{
	cleanup_close int file = -1;
	int64_t time = 0;
	int rc = download(context, url, &file, &time, err);

	return rc < 0 ? rc : fd_read_all(file, text, err);
}

/*
 * Where sources come from: a directory of the user's, the root of a container or an image, the context of a build; and
 * what is left out of it.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "builder/acquire.h"
#include "builder/rootfs.h"

#define IGNORE_FILE_MAX ((size_t)4 << 20)

void copy_from_done(struct copy_from *from)
{
	rootfs_close(from->rootfs);
	records_done(&from->records);
	fd_close(from->lock);
	fd_close(from->fd);
	free(from->directory);
}

/* A second overlay over one upper directory is undefined: another container is held, and of the one that is copied into
 * the root that is open already is used. */
static int open_from_container(struct workshop *w, const struct container *source, const struct container *target,
			       struct copy_from *from, struct error **err)
{
	cleanup(container_done) struct container held = {0};

	from->is_container = true;
	from->is_target = strcmp(source->id, target->id) == 0;
	if (!from->is_target) {
		from->lock = container_borrow(w, source->id, &held, err);
		if (from->lock < 0)
			return from->lock;
	}
	int rc = records_open(w, source, &from->records, err);
	if (rc < 0 || from->is_target)
		return rc;
	return rootfs_open(w, &held, &from->rootfs, err);
}

static int open_from_name(struct workshop *w, const struct container *target, const struct copy_options *options,
			  struct copy_from *from, struct error **err)
{
	cleanup(container_done) struct container c = {0};

	if (container_find(w, options->from, &c, NULL) == 0)
		return open_from_container(w, &c, target, from, err);
	cleanup(image_done) struct image image = {0};
	struct acquire_options acquire = {.policy = PULL_MISSING, .registry = options->registry};
	int rc = acquire_image(w, options->from, &acquire, &image, err);
	if (rc >= 0)
		rc = rootfs_open_image(w, &image, &from->rootfs, err);
	return rc < 0 ? rc : records_load_image(w, &image, from->rootfs, &from->records.owners, err);
}

int copy_from_open(struct workshop *w, const struct container *target, const struct copy_options *options,
		   struct copy_from *from, struct error **err)
{
	if (options->root) {
		from->directory = mem_strdup("/");
		return 0;
	}
	if (options->from) {
		from->directory = mem_strdup("/");
		int rc = open_from_name(w, target, options, from, err);
		return rc < 0 ? error_prefix(err, "--from %s", options->from) : rc;
	}
	/* The user's own directory, named by the user. */
	from->fd = open(options->contextdir ? options->contextdir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from->fd < 0)
		return error_set_errno(err, "%s", options->contextdir ? options->contextdir : "/");
	if (options->contextdir) {
		from->directory = mem_strdup("/");
		return 0;
	}
	from->directory = realpath(".", NULL);
	return from->directory ? 0 : error_set_errno(err, "the working directory");
}

static int add_ignore_file(struct copy_job *job, int root, const char *name, bool required, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(IGNORE_FILE_MAX);
	cleanup_close int fd = rootpath_open_file(root, name, IGNORE_FILE_MAX, required ? err : NULL);

	if (fd < 0)
		return fd;
	int rc = fd_read_all(fd, &text, err);
	if (rc >= 0)
		rc = ignore_rules_add_text(&job->context_rules, buf_str(&text), err);
	return rc < 0 ? error_prefix(err, "%s", name) : rc;
}

int copy_load_ignore_rules(struct copy_job *job, struct error **err)
{
	const struct copy_options *options = job->options;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && options->exclude && i < options->exclude->count; i++)
		rc = ignore_rules_add(&job->exclude_rules, options->exclude->items[i], err);
	if (rc < 0)
		return error_prefix(err, "--exclude");
	if (options->root) {
		if (options->root->ignore) {
			strlist_copy(&job->context_rules.patterns, &options->root->ignore->patterns);
			job->context_rules.has_exceptions = options->root->ignore->has_exceptions;
		}
		return 0;
	}
	if (options->ignorefile) {
		if (!options->contextdir)
			return error_set(err, EINVAL,
					 "--ignorefile option requires that you specify a context dir using "
					 "--contextdir");
		/* Named by the user, so it may lie outside the context. */
		cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cleanup_free char *path = realpath(options->ignorefile, NULL);
		if (root < 0 || !path)
			return error_set_errno(err, "--ignorefile %s", options->ignorefile);
		return add_ignore_file(job, root, path, /* required */ true, err);
	}
	if (!options->contextdir || options->from)
		return 0;
	rc = add_ignore_file(job, job->source_root, ".containerignore", /* required */ false, err);
	if (rc == -ENOENT)
		rc = add_ignore_file(job, job->source_root, ".dockerignore", /* required */ false, err);
	return rc == -ENOENT ? 0 : rc;
}

static void enter_context(const char *contextdir, const struct strlist *texts, struct strlist *into)
{
	size_t length = strlen(contextdir);

	while (length > 1 && contextdir[length - 1] == '/')
		length--;
	for (size_t i = 0; i < texts->count; i++) {
		const char *text = texts->items[i];
		bool within = contextdir[0] == '/' && strncmp(text, contextdir, length) == 0 &&
			      (text[length] == '/' || text[length] == '\0');
		if (!within)
			strlist_append(into, text);
		else
			strlist_append(into, text[length] ? text + length : "/");
	}
}

void copy_source_texts(const struct copy_options *options, const struct strlist *sources, struct strlist *texts)
{
	if (options->contextdir && !options->from)
		enter_context(options->contextdir, sources, texts);
	else
		strlist_copy(texts, sources);
}

/*
 * What one source becomes at the destination: a file, a directory, a link, a node, an unpacked archive, a download.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "builder/build_seen.h"
#include "registry/download.h"

#define URL_MODE 0600

void copy_destination_done(struct copy_destination *to)
{
	free(to->path);
}

static char *inside(const struct copy_destination *to, const char *name)
{
	if (!to->into)
		return mem_strdup(to->path);
	return mem_printf("%s/%s", strcmp(to->path, "/") == 0 ? "" : to->path, name);
}

/* --parents: the directories of the source's path, with their own modes and owners. */
static int make_parents(struct copy_job *job, const struct copy_source *source, const struct copy_destination *to,
			bool itself, struct error **err)
{
	size_t base = (size_t)(source->kept - source->path);

	for (const char *end = source->kept; *end;) {
		end += 1 + strcspn(end + 1, "/");
		if (!*end && !itself)
			break;
		cleanup_free char *from = mem_strndup(source->path, (size_t)(end - source->path));
		cleanup_free char *path = inside(to, from + base + 1);
		struct copy_entry entry = {.attributes = -1};
		int rc = rootpath_stat(job->source_root, from, /* follow */ true, &entry.st, err);
		if (rc < 0)
			return rc;
		rc = copy_place_directory(job, path, &entry, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int put_file(struct copy_job *job, int fd, const struct stat *st, const struct copy_source *source,
		    const struct copy_destination *to, struct error **err)
{
	const char *name = source->kept && *source->kept ? source->kept + 1 : copy_last_part(source->path);
	bool unpack = false;
	int rc = 0;

	job->files++;
	if (job->options->add && !job->options->keep_archive && !job->options->from) {
		rc = copy_is_archive(job, fd, name, &unpack, err);
		if (rc < 0)
			return rc;
	}
	if (unpack)
		return copy_unpack_archive(job, fd, source->path, to->path, err);
	if (source->kept)
		rc = make_parents(job, source, to, /* itself */ false, err);
	if (rc < 0)
		return rc;
	cleanup_free char *path = inside(to, name);
	struct digest content = {0};
	rc = copy_file(job, fd, st, source->path, path, &content, err);
	if (rc >= 0)
		copy_tell_seen(job, source->path, "", st, /* link */ NULL, &content);
	return rc;
}

/* A FIFO or its like that was named itself. */
static int put_node(struct copy_job *job, const struct stat *st, const struct copy_source *source,
		    const struct copy_destination *to, struct error **err)
{
	struct copy_entry entry = {.st = *st, .attributes = -1};
	int rc = source->kept ? make_parents(job, source, to, /* itself */ false, err) : 0;

	copy_apply_aside_at(job, source->path, !job->options->no_follow_symlinks, &entry.st);
	if (rc < 0)
		return rc;
	cleanup_free char *path =
		inside(to, source->kept && *source->kept ? source->kept + 1 : copy_last_part(source->path));
	job->files++;
	copy_tell_seen(job, source->path, "", &entry.st, /* link */ NULL, /* content */ NULL);
	copy_give_up_ahead(job, source->path);
	return copy_place_node(job, path, &entry, err);
}

static int put_directory(struct copy_job *job, int fd, const struct copy_source *source,
			 const struct copy_destination *to, struct error **err)
{
	int rc = copy_make_destination(job, to->path, err);

	job->dirs++;
	if (rc < 0)
		return rc;
	if (!source->kept || !*source->kept)
		return copy_directory(job, fd, source->path, to->path, err);
	rc = make_parents(job, source, to, /* itself */ true, err);
	if (rc < 0)
		return rc;
	cleanup_free char *path = inside(to, source->kept + 1);
	return copy_directory(job, fd, source->path, path, err);
}

/* --no-follow-symlinks: the link itself. */
static int put_symlink(struct copy_job *job, const struct stat *st, const struct copy_source *source,
		       const struct copy_destination *to, struct error **err)
{
	struct copy_entry entry = {.st = *st, .attributes = -1};
	cleanup_free char *target = NULL;
	cleanup_free char *path = inside(to, copy_last_part(source->path));
	int rc = rootpath_readlink(job->source_root, source->path, &target, err);

	if (rc < 0)
		return rc;
	job->files++;
	entry.link = target;
	copy_apply_aside_at(job, source->path, /* follow */ false, &entry.st);
	strlist_printf(&job->digest_lines, "%s link %s", copy_digest_path(job, path), target);
	return copy_place_symlink(job, path, &entry, err);
}

static int put_path(struct copy_job *job, const struct copy_source *source, const struct copy_destination *to,
		    struct error **err)
{
	struct stat st;
	bool follow = !job->options->no_follow_symlinks;
	struct build_seen *seen = job->options->root ? job->options->root->seen : NULL;

	/* Not the context itself, whatever matches it. */
	if (source->path[1] && ignore_rules_match(&job->context_rules, source->path + 1) &&
	    !job->context_rules.has_exceptions)
		return error_set(err, ENOENT,
				 "copier: stat: \"%s\": no such file or directory (the ignore file leaves it out)",
				 source->path);
	if (rootpath_stat(job->source_root, source->path, follow, &st, NULL) < 0)
		return error_set(err, ENOENT, "copier: stat: \"%s\": no such file or directory", source->path);
	if (S_ISLNK(st.st_mode))
		return put_symlink(job, &st, source, to, err);
	bool is_node = !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
	/* A build takes them, as BuildKit does. */
	if (is_node && !job->options->root)
		return error_set(err, EINVAL, "'%s' is neither a file nor a directory", source->path);
	if (seen)
		build_seen_source(seen, S_ISDIR(st.st_mode) ? NULL : copy_last_part(source->path));
	if (!S_ISDIR(st.st_mode) && ignore_rules_match(&job->exclude_rules, copy_last_part(source->path)))
		return 0;
	if (is_node)
		return put_node(job, &st, source, to, err);
	cleanup_close int fd = rootpath_open(job->source_root, source->path,
					     O_RDONLY | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0), 0, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_set_errno(err, "'%s'", source->path);
	return S_ISDIR(st.st_mode) ? put_directory(job, fd, source, to, err) : put_file(job, fd, &st, source, to, err);
}

static int put_url(struct copy_job *job, const struct copy_source *source, const struct copy_destination *to,
		   struct error **err)
{
	struct store *store = workshop_store(job->w);
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(download_done) struct download download = {0};
	struct digest want;
	bool has_want = job->options->checksum != NULL;

	int rc = has_want ? digest_parse(job->options->checksum, &want, err) : 0;
	if (rc < 0)
		return error_prefix(err, "--checksum");
	rc = registry_client_new(&job->options->registry, &client, err);
	int tmp = rc < 0 ? rc : store_tmp(store, err);
	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "download");
	cleanup_close int fd = openat(tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, "make a file for what is downloaded");
	unlinkat(tmp, name, 0);
	rc = download_file(client, source->path, fd, has_want ? &want : NULL, &download, err);
	if (rc < 0)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "read what was downloaded");
	job->files++;
	if (job->options->add && job->options->force_unpack)
		return copy_unpack_archive(job, fd, source->path, to->path, err);
	struct stat st = {.st_mode = S_IFREG | URL_MODE, .st_nlink = 1};
	st.st_mtim.tv_sec = download.last_modified >= 0 ? download.last_modified : workshop_options(job->w)->now;
	/* As BuildKit calls it. */
	if (job->options->root && !download.file_name)
		download.file_name = mem_strdup("__unnamed__");
	if (to->into && !download.file_name)
		return error_set(err, EINVAL, "'%s' ends in no file name; name the destination", source->path);
	cleanup_free char *path = inside(to, download.file_name);
	return copy_file(job, fd, &st, /* source */ NULL, path, /* content */ NULL, err);
}

int copy_put(struct copy_job *job, const struct copy_source *source, const struct copy_destination *to,
	     struct error **err)
{
	if (source->is_git)
		return copy_git(job, source->path, to->path, err);
	return source->is_url ? put_url(job, source, to, err) : put_path(job, source, to, err);
}

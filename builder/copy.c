/*
 * The flow of copy and add: who owns what comes, where it goes, and what each source becomes there.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/pattern.h"
#include "base/rootpath.h"
#include "builder/acquire.h"
#include "builder/rootfs.h"
#include "registry/download.h"
#include "run/user.h"

#define IGNORE_FILE_MAX ((size_t)4 << 20)
#define URL_MODE 0600

/* ---- where sources come from ----------------------------------------------------------------------------------------
 */

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

/* ---- sources --------------------------------------------------------------------------------------------------------
 */

/* One thing to copy: a path in the source root, or an address. */
struct source {
	char *path;
	bool is_url, is_git;
	const char *kept; /* with --parents: the part of path that is kept, borrowed from it; else NULL */
};

struct sources {
	struct source *items;
	size_t count;
};

static void sources_done(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		free(sources->items[i].path);
	free(sources->items);
}
CLEANUP_FOR_VALUE(struct sources, sources_done)

static struct source *add_source(struct sources *sources, const char *path)
{
	sources->items = mem_grow(sources->items, sources->count + 1, sizeof(*sources->items));
	struct source *source = &sources->items[sources->count++];
	*source = (struct source){.path = mem_strdup(path)};
	return source;
}

/* How many directories of a path --parents leaves away: those before "/./", or none. A pattern there stands for as many
 * as it has parts. */
static size_t pivot_depth(const char *directory, const char *text)
{
	cleanup(strlist_done) struct strlist parts = {0};
	const char *pivot = strstr(text, "/./");
	size_t depth = 0;

	if (!pivot && text[0] == '/')
		return 0;
	cleanup_free char *before = mem_strndup(text, pivot ? (size_t)(pivot - text) : 0);
	cleanup_free char *whole = mem_printf("%s/%s", text[0] == '/' ? "" : directory, before);
	cleanup_free char *clean = rootpath_clean(whole);
	strlist_split(&parts, clean, '/');
	for (size_t i = 0; i < parts.count; i++)
		depth += *parts.items[i] != '\0';
	return depth;
}

static const char *behind_parts(const char *path, size_t count)
{
	for (; count > 0 && *path; count--)
		path += 1 + strcspn(path + 1, "/");
	return path;
}

/* The pattern of a source, absolute and clean. "**" crosses directories only behind the pivot of --parents; on the
 * command line, everywhere. */
static char *source_pattern(const struct copy_job *job, const char *directory, const char *text)
{
	cleanup_free char *whole = mem_printf("%s/%s", text[0] == '/' ? "" : directory, text);
	char *pivot = job->options->parents ? strstr(whole, "/./") : NULL;

	if (job->options->root && !job->options->parents)
		copy_join_stars(whole);
	if (!pivot)
		return rootpath_clean(whole);
	*pivot = '\0';
	copy_join_stars(whole);
	cleanup_free char *joined = mem_printf("%s/%s", whole, pivot + strlen("/./"));
	return rootpath_clean(joined);
}

static int expand_source(struct copy_job *job, const char *directory, const char *text, struct sources *sources,
			 struct error **err)
{
	cleanup(strlist_done) struct strlist paths = {0};
	cleanup_free char *pattern = source_pattern(job, directory, text);
	int rc = copy_expand(job->source_root, pattern, &paths, err);

	if (rc < 0)
		return rc;
	if (paths.count == 0 && !job->options->allow_empty_wildcard)
		return error_set(err, ENOENT, "no items matching glob \"%s\" copied: no such file or directory", text);
	for (size_t i = 0; i < paths.count; i++) {
		/* A pattern takes what is not left out; a plain name that is left out is a mistake, told later. */
		if (pattern_is_glob(text) && ignore_rules_match(&job->context_rules, paths.items[i] + 1))
			continue;
		struct source *source = add_source(sources, paths.items[i]);
		if (job->options->parents)
			source->kept = behind_parts(source->path, pivot_depth(directory, text));
	}
	return 0;
}

static int expand_sources(struct copy_job *job, const char *directory, const struct strlist *texts,
			  struct sources *sources, struct error **err)
{
	for (size_t i = 0; i < texts->count; i++) {
		const char *text = texts->items[i];
		if (!job->options->from && copy_is_remote(text)) {
			struct source *source = add_source(sources, text);
			source->is_git = copy_is_git(text);
			source->is_url = !source->is_git;
			continue;
		}
		int rc = expand_source(job, directory, text, sources, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- where it goes --------------------------------------------------------------------------------------------------
 */

struct destination {
	char *path;
	bool into; /* it is or becomes a directory, and what comes is put into it */
};

static void destination_done(struct destination *to)
{
	free(to->path);
}
CLEANUP_FOR_VALUE(struct destination, destination_done)

static void find_destination(struct copy_job *job, const char *text, size_t source_count, struct destination *to)
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

static char *inside(const struct destination *to, const char *name)
{
	if (!to->into)
		return mem_strdup(to->path);
	return mem_printf("%s/%s", strcmp(to->path, "/") == 0 ? "" : to->path, name);
}

/* --parents: the directories of the source's path, with their own modes and owners. */
static int make_parents(struct copy_job *job, const struct source *source, const struct destination *to, bool itself,
			struct error **err)
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

/* ---- one source
 * ------------------------------------------------------------------------------------------------------ */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int put_file(struct copy_job *job, int fd, const struct stat *st, const struct source *source,
		    const struct destination *to, struct error **err)
{
	const char *name = source->kept && *source->kept ? source->kept + 1 : last_part(source->path);
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
	return copy_file(job, fd, st, source->path, path, err);
}

/* A FIFO or its like that was named itself. */
static int put_node(struct copy_job *job, const struct stat *st, const struct source *source,
		    const struct destination *to, struct error **err)
{
	const struct copy_entry entry = {.st = *st, .attributes = -1};
	int rc = source->kept ? make_parents(job, source, to, /* itself */ false, err) : 0;

	if (rc < 0)
		return rc;
	cleanup_free char *path =
		inside(to, source->kept && *source->kept ? source->kept + 1 : last_part(source->path));
	job->files++;
	return copy_place_node(job, path, &entry, err);
}

static int put_directory(struct copy_job *job, int fd, const struct source *source, const struct destination *to,
			 struct error **err)
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
static int put_symlink(struct copy_job *job, const struct stat *st, const struct source *source,
		       const struct destination *to, struct error **err)
{
	cleanup_free char *target = NULL;
	cleanup_free char *path = inside(to, last_part(source->path));
	int rc = rootpath_readlink(job->source_root, source->path, &target, err);

	if (rc < 0)
		return rc;
	job->files++;
	struct copy_entry entry = {.st = *st, .link = target, .attributes = -1};
	strlist_printf(&job->digest_lines, "%s link %s", copy_digest_path(job, path), target);
	return copy_place_symlink(job, path, &entry, err);
}

static int put_path(struct copy_job *job, const struct source *source, const struct destination *to, struct error **err)
{
	struct stat st;
	bool follow = !job->options->no_follow_symlinks;

	/* Not the context itself, whatever matches it. */
	if (source->path[1] && ignore_rules_match(&job->context_rules, source->path + 1) &&
	    !job->context_rules.has_exceptions)
		return error_set(err, ENOENT,
				 "copier: stat: \"%s\": no such file or directory (the ignore file leaves it out)",
				 source->path);
	if (rootpath_stat(job->source_root, source->path, follow, &st, NULL) < 0)
		return error_set(err, ENOENT, "copier: stat: \"%s\": no such file or directory", source->path);
	copy_apply_aside_at(job, source->path, follow, &st);
	if (S_ISLNK(st.st_mode))
		return put_symlink(job, &st, source, to, err);
	bool is_node = !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
	/* A build takes them, as BuildKit does. */
	if (is_node && !job->options->root)
		return error_set(err, EINVAL, "'%s' is neither a file nor a directory", source->path);
	if (!S_ISDIR(st.st_mode) && ignore_rules_match(&job->exclude_rules, last_part(source->path)))
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

static int put_url(struct copy_job *job, const struct source *source, const struct destination *to, struct error **err)
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
	return copy_file(job, fd, &st, /* source */ NULL, path, err);
}

/* ---- the flow
 * --------------------------------------------------------------------------------------------------------- */

static int digest_lines(struct copy_job *job, struct copy_result *result, struct error **err)
{
	strlist_sort(&job->digest_lines);
	cleanup_free char *text = strlist_join(&job->digest_lines, "\n");

	result->kind = job->files + job->dirs > 1 ? "multi" : job->dirs ? "dir" : "file";
	return digest_of(text, strlen(text), &result->digest, err);
}

/* The directory that a file is put into under a new name. */
static int make_above(struct copy_job *job, const char *path, struct error **err)
{
	size_t length = (size_t)(last_part(path) - path);
	cleanup_free char *above = mem_strndup(path, length > 1 ? length - 1 : length);

	return copy_make_destination(job, above, err);
}

static int put_source(struct copy_job *job, const struct source *source, const struct destination *to,
		      struct error **err)
{
	if (source->is_git)
		return copy_git(job, source->path, to->path, err);
	return source->is_url ? put_url(job, source, to, err) : put_path(job, source, to, err);
}

static int put_all(struct copy_job *job, const char *directory, const struct strlist *texts, const char *destination,
		   struct error **err)
{
	cleanup(sources_done) struct sources sources = {0};
	cleanup(destination_done) struct destination to = {0};
	int rc = expand_sources(job, directory, texts, &sources, err);

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
		rc = put_source(job, &sources.items[i], &to, err);
		/* What has become a directory takes the next one in. */
		if (rc >= 0 && job->options->root && !to.into) {
			destination_done(&to);
			find_destination(job, destination, 1, &to);
		}
	}
	return rc;
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
	/* Also what stands there after a failure. */
	int saved = records_save_owners(w, c, &owners, rc < 0 ? NULL : err);
	if (rc >= 0 && saved < 0)
		rc = saved;
	if (rc >= 0)
		rc = digest_lines(&job, result, err);
	copy_job_done(&job);
	return rc;
}

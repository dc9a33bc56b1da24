/*
 * Sources: from what the user writes to paths and addresses. A pattern is expanded inside the root that it is looked up
 * in.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/pattern.h"
#include "base/rootpath.h"

#define MATCHES_MAX ((size_t)1000000)

struct expansion {
	int root;
	const struct strlist *parts; /* of the pattern */
	struct strlist *paths;
};

static bool is_directory(const struct expansion *e, const char *path, bool follow)
{
	struct stat st;

	return rootpath_stat(e->root, path, follow, &st, NULL) == 0 && S_ISDIR(st.st_mode);
}

/* The sorted names of a directory; none where there is no directory that we may read. */
static int list_names(const struct expansion *e, const char *path, struct strlist *names, struct error **err)
{
	cleanup_close int fd = rootpath_open(e->root, *path ? path : "/", O_RDONLY | O_DIRECTORY, 0, NULL);
	cleanup_directory DIR *dir = NULL;

	if (fd < 0)
		return 0;
	int rc = directory_take(&fd, &dir, err);
	for (const struct dirent *entry; rc == 0 && (entry = directory_next(dir, &rc, err));)
		strlist_append(names, entry->d_name);
	strlist_sort(names);
	return rc;
}

static int expand(const struct expansion *e, const char *prefix, size_t at, struct error **err);

/* prefix/name has matched part `at`. */
static int matched(const struct expansion *e, const char *prefix, const char *name, size_t at, struct error **err)
{
	cleanup_free char *path = mem_printf("%s/%s", prefix, name);

	if (at + 1 < e->parts->count)
		return is_directory(e, path, /* follow */ true) ? expand(e, path, at + 1, err) : 0;
	if (e->paths->count >= MATCHES_MAX)
		return error_set(err, E2BIG, "a pattern stands for more than %zu files", MATCHES_MAX);
	strlist_append(e->paths, path);
	return 0;
}

/* "**": nothing, or any number of directories. Links are not followed, else a loop would never end. */
static int expand_deep(const struct expansion *e, const char *prefix, size_t at, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	bool last = at + 1 == e->parts->count;
	int rc = last ? 0 : expand(e, prefix, at + 1, err);

	if (rc >= 0)
		rc = list_names(e, prefix, &names, err);
	for (size_t i = 0; rc >= 0 && i < names.count; i++) {
		cleanup_free char *path = mem_printf("%s/%s", prefix, names.items[i]);
		if (last)
			rc = matched(e, prefix, names.items[i], at, err);
		if (rc >= 0 && is_directory(e, path, /* follow */ false))
			rc = expand_deep(e, path, at, err);
	}
	return rc;
}

static int expand(const struct expansion *e, const char *prefix, size_t at, struct error **err)
{
	const char *part = e->parts->items[at];

	if (strcmp(part, "**") == 0)
		return expand_deep(e, prefix, at, err);
	if (!pattern_is_glob(part)) {
		cleanup_free char *path = mem_printf("%s/%s", prefix, part);
		struct stat st;
		return rootpath_stat(e->root, path, /* follow */ false, &st, NULL) < 0
			       ? 0
			       : matched(e, prefix, part, at, err);
	}
	cleanup(strlist_done) struct strlist names = {0};
	int rc = list_names(e, prefix, &names, err);
	for (size_t i = 0; rc >= 0 && i < names.count; i++) {
		if (pattern_match(part, names.items[i]))
			rc = matched(e, prefix, names.items[i], at, err);
	}
	return rc;
}

/* "**" may find a path in more than one way. */
static void drop_doubles(struct strlist *paths)
{
	strlist_sort(paths);
	size_t kept = 0;
	for (size_t i = 0; i < paths->count; i++) {
		if (kept && strcmp(paths->items[kept - 1], paths->items[i]) == 0) {
			mem_replace(&paths->items[i], NULL);
			continue;
		}
		char *path = paths->items[i];
		paths->items[i] = NULL;
		paths->items[kept++] = path;
	}
	paths->count = kept;
	if (paths->items)
		paths->items[kept] = NULL;
}

void copy_join_stars(char *pattern)
{
	char *to = pattern;

	for (const char *from = pattern; *from; from++) {
		if (from[0] == '\\' && from[1])
			*to++ = *from++;
		else if (from[0] == '*' && from[1] == '*')
			continue;
		*to++ = *from;
	}
	*to = '\0';
}

int copy_expand(int root, const char *pattern, struct strlist *paths, struct error **err)
{
	cleanup(strlist_done) struct strlist parts = {0};
	struct stat st;

	/* A name that exists as it is written needs no quoting. */
	if (!pattern_is_glob(pattern) || rootpath_stat(root, pattern, /* follow */ false, &st, NULL) == 0) {
		strlist_append(paths, pattern);
		return 0;
	}
	if (!pattern_is_valid(pattern))
		return error_set(err, EINVAL, "'%s' is not a valid pattern", pattern);
	strlist_split(&parts, pattern + strspn(pattern, "/"), '/');
	struct expansion e = {root, &parts, paths};
	int rc = expand(&e, "", 0, err);
	drop_doubles(paths);
	return rc;
}

/* ---- what the user writes ---- */

void copy_sources_done(struct copy_sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		free(sources->items[i].path);
	free(sources->items);
}

static struct copy_source *add_source(struct copy_sources *sources, const char *path)
{
	sources->items = mem_grow(sources->items, sources->count + 1, sizeof(*sources->items));
	struct copy_source *source = &sources->items[sources->count++];
	*source = (struct copy_source){.path = mem_strdup(path)};
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

static int expand_source(struct copy_job *job, const char *directory, const char *text, struct copy_sources *sources,
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
		struct copy_source *source = add_source(sources, paths.items[i]);
		if (job->options->parents)
			source->kept = behind_parts(source->path, pivot_depth(directory, text));
	}
	return 0;
}

int copy_sources_expand(struct copy_job *job, const char *directory, const struct strlist *texts,
			struct copy_sources *sources, struct error **err)
{
	for (size_t i = 0; i < texts->count; i++) {
		const char *text = texts->items[i];
		if (!job->options->from && copy_is_remote(text)) {
			struct copy_source *source = add_source(sources, text);
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

/*
 * Walks what a COPY selects, in the order and with the patterns of the copy itself.
 */
#include "builder/build_selection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/pattern.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/copy_internal.h"

/* One copied directory, or the way to one file. */
struct walk {
	const struct build_selection *selection;
	const struct ignore_rules *excludes;
	const char *source; /* in the root, absolute */
	struct build_key *key;
};

static char *join(const char *directory, const char *path)
{
	if (!*path)
		return mem_strdup(directory);
	return mem_printf("%s/%s", strcmp(directory, "/") == 0 ? "" : directory, path);
}

static bool is_left_out(const struct walk *walk, const char *path)
{
	if (walk->selection->ignore && walk->selection->ignore->patterns.count) {
		cleanup_free char *whole = join(walk->source, path);
		if (strcmp(whole, "/") != 0 && ignore_rules_match(walk->selection->ignore, whole + strspn(whole, "/")))
			return true;
	}
	return walk->excludes->patterns.count && *path && ignore_rules_match(walk->excludes, path);
}

/* Can an exception bring anything back from below a directory that is left out? Otherwise nobody looks into it. */
static bool may_return(const struct walk *walk, const char *path)
{
	if (walk->excludes->has_exceptions && ignore_rules_may_return(walk->excludes, path))
		return true;
	if (!walk->selection->ignore)
		return false;
	cleanup_free char *whole = join(walk->source, path);
	return ignore_rules_may_return(walk->selection->ignore, whole + strspn(whole, "/"));
}

static void add_stat(const struct walk *walk, const char *path, const struct stat *st)
{
	const struct build_selection *selection = walk->selection;
	mode_t mode = selection->git_modes ? copy_git_mode(st->st_mode) : st->st_mode;

	build_key_text(walk->key, "path", path);
	build_key_number(walk->key, "mode", mode);
	if (selection->keep_owner) {
		build_key_number(walk->key, "uid", st->st_uid);
		build_key_number(walk->key, "gid", st->st_gid);
	}
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		build_key_number(walk->key, "device", st->st_rdev);
}

static int add_file(const struct walk *walk, int dirfd, const char *name, const struct stat *st, struct error **err)
{
	struct digest digest;
	int rc = build_memo_file(walk->selection->memo, dirfd, name, st, &digest, err);

	if (rc >= 0)
		build_key_digest(walk->key, "content", &digest);
	return rc;
}

static int add_link(const struct walk *walk, const struct tree_entry *entry, struct error **err)
{
	cleanup_free char *target = mem_alloc(PATH_MAX + 1);
	ssize_t size = readlinkat(entry->dirfd, entry->name, target, PATH_MAX);

	if (size < 0)
		return error_set_errno(err, "read the link '%s'", entry->path);
	target[size] = '\0';
	build_key_text(walk->key, "target", target);
	return 0;
}

static int visit(const struct tree_entry *entry, void *context, struct error **err)
{
	const struct walk *walk = context;

	if (!*entry->path)
		return TREE_GO_ON;
	if (is_left_out(walk, entry->path))
		return S_ISDIR(entry->st->st_mode) && !may_return(walk, entry->path) ? TREE_SKIP_CHILDREN : TREE_GO_ON;
	add_stat(walk, entry->path, entry->st);
	int rc = 0;
	if (S_ISREG(entry->st->st_mode))
		rc = add_file(walk, entry->dirfd, entry->name, entry->st, err);
	else if (S_ISLNK(entry->st->st_mode))
		rc = add_link(walk, entry, err);
	return rc < 0 ? rc : TREE_GO_ON;
}

static int not_found(const char *text, bool is_ignored, struct error **err)
{
	return error_set(err, ENOENT, "\"%s%s\": not found%s", text[0] == '/' ? "" : "/", text,
			 is_ignored ? " (the ignore file leaves it out)" : "");
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* One path that a source stands for. */
static int add_path(const struct walk *walk, const char *text, struct error **err)
{
	const struct build_selection *selection = walk->selection;
	bool is_glob = pattern_is_glob(text);
	struct stat st;

	if (rootpath_stat(selection->root, walk->source, /* follow */ true, &st, NULL) < 0)
		return not_found(text, false, err);
	bool ignored = is_left_out(walk, "");
	if (ignored && !(S_ISDIR(st.st_mode) && selection->ignore->has_exceptions))
		return is_glob ? 0 : not_found(text, true, err);
	bool is_dir = S_ISDIR(st.st_mode);
	cleanup_close int fd =
		rootpath_open(selection->root, walk->source, is_dir ? O_RDONLY | O_DIRECTORY : O_PATH, 0, err);
	if (fd < 0)
		return fd;
	/* What is kept of the path is part of what comes out; a file brings its name. */
	build_key_text(walk->key, is_dir ? "directory" : "file",
		       selection->parents ? walk->source
		       : is_dir		  ? NULL
					  : last_part(walk->source));
	if (is_dir)
		return tree_walk(fd, visit, /* after */ NULL, (void *)walk, err);
	if (walk->excludes->patterns.count && ignore_rules_match(walk->excludes, last_part(walk->source)))
		return 0;
	add_stat(walk, "", &st);
	if (!S_ISREG(st.st_mode))
		return 0;
	cleanup_free char *leaf = NULL;
	cleanup_free char *resolved = NULL;
	int rc = rootpath_resolve(selection->root, walk->source, &resolved, err);
	cleanup_close int parent = rc < 0 ? rc : rootpath_open_parent(selection->root, resolved, false, &leaf, err);
	return parent < 0 ? parent : add_file(walk, parent, leaf, &st, err);
}

static int add_source(const struct build_selection *selection, const struct ignore_rules *excludes, const char *text,
		      struct build_key *key, struct error **err)
{
	cleanup(strlist_done) struct strlist paths = {0};
	cleanup_free char *whole = mem_printf("/%s", text);
	cleanup_free char *pattern = rootpath_clean(whole);
	if (!selection->parents)
		copy_join_stars(pattern);
	int rc = copy_expand(selection->root, pattern, &paths, err);

	/* Where "/./" stands decides how much of the path is kept. */
	if (selection->parents)
		build_key_text(key, "pattern", text);
	for (size_t i = 0; rc >= 0 && i < paths.count; i++) {
		const struct walk walk = {selection, excludes, paths.items[i], key};
		rc = add_path(&walk, text, err);
	}
	if (rc >= 0 && paths.count == 0 && !pattern_is_glob(text))
		return not_found(text, false, err);
	return rc;
}

int build_selection_add(const struct build_selection *selection, struct build_key *key, struct error **err)
{
	cleanup(ignore_rules_done) struct ignore_rules excludes = {0};
	int rc = 0;

	for (size_t i = 0; rc >= 0 && selection->excludes && i < selection->excludes->count; i++)
		rc = ignore_rules_add(&excludes, selection->excludes->items[i], err);
	if (rc < 0)
		return error_prefix(err, "--exclude");
	if (!selection->sources)
		return add_source(selection, &excludes, "/", key, err);
	for (size_t i = 0; rc >= 0 && i < selection->sources->count; i++)
		rc = add_source(selection, &excludes, selection->sources->items[i], key, err);
	return rc;
}

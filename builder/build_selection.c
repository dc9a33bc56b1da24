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
#include "dockerfile/ignore_walk.h"

/* One copied directory, or the way to one file. */
struct walk {
	const struct build_selection *selection;
	const char *source;	     /* in the root, absolute */
	struct ignore_walk ignored;  /* of paths in the root */
	struct ignore_walk excluded; /* of paths in the copied directory */
	struct buf whole;	     /* the path in the root, without its first '/' */
	struct build_key *key;
};

static void walk_done(struct walk *walk)
{
	ignore_walk_done(&walk->ignored);
	ignore_walk_done(&walk->excluded);
	buf_done(&walk->whole);
}
CLEANUP_FOR_VALUE(struct walk, walk_done)

static const char *whole_path(struct walk *walk, const char *path)
{
	const char *source = walk->source + strspn(walk->source, "/");

	if (!*source)
		return path;
	buf_clear(&walk->whole);
	buf_append_str(&walk->whole, source);
	if (*path) {
		buf_append_char(&walk->whole, '/');
		buf_append_str(&walk->whole, path);
	}
	return buf_str(&walk->whole);
}

static bool is_left_out(struct walk *walk, const char *path)
{
	return ignore_walk_match(&walk->ignored, whole_path(walk, path)) || ignore_walk_match(&walk->excluded, path);
}

/* Can an exception bring anything back from below a directory that is left out? Otherwise nobody looks into it. */
static bool may_return(struct walk *walk, const char *path)
{
	const struct ignore_rules *ignore = walk->selection->ignore, *excludes = walk->excluded.rules;

	return (excludes->has_exceptions && ignore_rules_may_return(excludes, path)) ||
	       (ignore && ignore_rules_may_return(ignore, whole_path(walk, path)));
}

static int read_link(int dirfd, const char *name, char **target, struct error **err)
{
	cleanup_free char *text = mem_alloc(PATH_MAX + 1);
	ssize_t size = readlinkat(dirfd, name, text, PATH_MAX);

	if (size < 0)
		return error_set_errno(err, "read the link '%s'", name);
	text[size] = '\0';
	*target = take_ptr(&text);
	return 0;
}

/* Of a directory that brings its owner with it, who may be recorded in them. */
static int read_attributes(int dirfd, const char *name, struct digest *content, struct error **err)
{
	cleanup_close int fd = fd_open_dir(dirfd, name, err);

	return fd < 0 ? fd : build_memo_empty(fd, content, err);
}

void build_selection_put_source(struct build_key *key, bool is_dir, const char *name)
{
	build_key_text(key, is_dir ? "a directory among the sources" : "the name of a source", name);
}

void build_selection_put_file(struct build_key *key, const struct stat *st, struct build_key_file *file)
{
	bool is_device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);

	file->mode = st->st_mode;
	file->device = is_device ? st->st_rdev : 0;
	build_key_file(key, file);
}

/* `path` is what the copied directory has of its path, "" for a file that was named itself. */
static void put_file(struct walk *walk, const char *path, const struct stat *st, const char *link,
		     const struct digest *content)
{
	const struct build_selection *selection = walk->selection;
	struct stat seen = *st;
	struct build_key_file file = {
		.path = path,
		.shown = walk->key->parts ? whole_path(walk, path) : NULL,
		.has_owner = selection->keep_owner,
		.uid = selection->keep_owner ? st->st_uid : 0,
		.gid = selection->keep_owner ? st->st_gid : 0,
		.link = link,
		.content = content,
	};

	if (selection->git_modes)
		seen.st_mode = copy_git_mode(st->st_mode);
	build_selection_put_file(walk->key, &seen, &file);
}

static int add_file(struct walk *walk, const char *path, int dirfd, const char *name, const struct stat *st,
		    struct error **err)
{
	const struct build_selection *selection = walk->selection;
	bool has_content = S_ISREG(st->st_mode) || (S_ISDIR(st->st_mode) && selection->keep_owner);
	cleanup_free char *link = NULL;
	struct stat shown = *st;
	struct digest content;
	int rc = 0;

	if (S_ISREG(st->st_mode))
		rc = build_memo_file(selection->memo, dirfd, name, st, &content, err);
	else if (has_content)
		rc = read_attributes(dirfd, name, &content, err);
	else if (S_ISLNK(st->st_mode))
		rc = read_link(dirfd, name, &link, err);
	if (selection->keep_owner && !has_content)
		copy_see_aside(selection->owners, dirfd, name, &shown);
	if (rc >= 0)
		put_file(walk, path, &shown, link, has_content ? &content : NULL);
	return rc;
}

static int visit(const struct tree_entry *entry, void *context, struct error **err)
{
	struct walk *walk = context;

	if (!*entry->path)
		return TREE_GO_ON;
	if (is_left_out(walk, entry->path))
		return S_ISDIR(entry->st->st_mode) && !may_return(walk, entry->path) ? TREE_SKIP_CHILDREN : TREE_GO_ON;
	int rc = add_file(walk, entry->path, entry->dirfd, entry->name, entry->st, err);
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

static const char *below_base(const struct build_selection *selection, const char *path)
{
	const char *base = selection->base ? selection->base : "/";
	size_t length = strcmp(base, "/") == 0 ? 0 : strlen(base);

	return strncmp(path, base, length) == 0 && (path[length] == '/' || !path[length]) ? path + length : path;
}

/* A file that is named itself, wherever links lead. One that is known need not be found again to be opened. */
static int add_named_file(struct walk *walk, const struct stat *st, struct error **err)
{
	int root = walk->selection->root;
	struct digest content;
	if (S_ISREG(st->st_mode) && build_memo_find(walk->selection->memo, st, &content)) {
		put_file(walk, "", st, /* link */ NULL, &content);
		return 0;
	}
	cleanup_free char *leaf = NULL;
	cleanup_free char *resolved = NULL;
	int rc = walk->selection->keep_links ? 0 : rootpath_resolve(root, walk->source, &resolved, err);
	const char *path = resolved ? resolved : walk->source;
	cleanup_close int parent = rc < 0 ? rc : rootpath_open_parent(root, path, false, &leaf, err);

	return parent < 0 ? parent : add_file(walk, "", parent, leaf, st, err);
}

/* One path that a source stands for. */
static int add_path(struct walk *walk, const char *text, struct error **err)
{
	const struct build_selection *selection = walk->selection;
	bool is_glob = pattern_is_glob(text);
	struct stat st;

	if (rootpath_stat(selection->root, walk->source, !selection->keep_links, &st, NULL) < 0)
		return not_found(text, false, err);
	bool is_dir = S_ISDIR(st.st_mode);
	bool ignored = is_left_out(walk, "");
	if (ignored && !(is_dir && selection->ignore->has_exceptions))
		return is_glob ? 0 : not_found(text, true, err);
	/* What is kept of the path is part of what comes out; a file brings its name. */
	build_selection_put_source(walk->key, is_dir,
				   selection->parents ? below_base(selection, walk->source)
				   : is_dir	      ? NULL
						      : last_part(walk->source));
	if (selection->names_only)
		return 0;
	if (!is_dir)
		return ignore_walk_match(&walk->excluded, last_part(walk->source)) ? 0 : add_named_file(walk, &st, err);
	cleanup_close int fd = rootpath_open(selection->root, walk->source, O_RDONLY | O_DIRECTORY, 0, err);
	return fd < 0 ? fd : tree_walk(fd, visit, /* after */ NULL, walk, err);
}

static int add_source(const struct build_selection *selection, const struct ignore_rules *excludes, const char *text,
		      struct build_key *key, struct error **err)
{
	cleanup(strlist_done) struct strlist paths = {0};
	const char *base = selection->base && text[0] != '/' ? selection->base : "";
	cleanup_free char *whole = mem_printf("%s/%s", base, text);
	cleanup_free char *pattern = rootpath_clean(whole);
	if (!selection->parents)
		copy_join_stars(pattern);
	int rc = copy_expand(selection->root, pattern, &paths, err);

	/* Where "/./" stands decides how much of the path is kept. */
	if (selection->parents)
		build_key_text(key, "a source", text);
	for (size_t i = 0; rc >= 0 && i < paths.count; i++) {
		cleanup(walk_done) struct walk walk = {
			.selection = selection,
			.source = paths.items[i],
			.ignored = IGNORE_WALK_INIT(selection->ignore),
			.excluded = IGNORE_WALK_INIT(excludes),
			.whole = BUF_INIT(BUF_MAX_DEFAULT),
			.key = key,
		};
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

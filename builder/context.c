/*
 * Build contexts: which kind a text means, what its ignore file says, and where its Dockerfile is. The kinds that are
 * not a directory are filled by context_tar.c and context_remote.c.
 */
#include "builder/context_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/git.h"
#include "dockerfile/dockerfile.h"

static const char *const dockerfile_names[] = {"Containerfile", "Dockerfile", "dockerfile"};

/* ---- opening ---- */

int context_make_temporary(struct build_context *context, char **path, struct error **err)
{
	struct store *store = workshop_store(context->w);
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	cleanup_free char *name = store_tmp_name(store, "context");
	if (mkdirat(tmp, name, 0700) < 0)
		return error_set_errno(err, "make a directory for the build context");
	*path = store_tmp_path(store, name);
	context->temporary = take_ptr(&name);
	context->root = fd_open_dir(tmp, context->temporary, err);
	return context->root < 0 ? context->root : 0;
}

static int open_directory(struct build_context *context, const char *where, struct error **err)
{
	/* The user's own words: links in them are his. */
	context->root = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (context->root < 0 && errno == ENOTDIR)
		return error_set(err, ENOTDIR, "build context '%s' is not a directory", where);
	if (context->root < 0)
		return error_set_errno(err, "build context '%s'", where);
	context->directory = mem_strdup(where);
	return 0;
}

/* "-" and "-f -" cannot both have it. */
static int take_stdin(struct build_context *context, struct error **err)
{
	if (context->stdin_is_taken)
		return error_set(err, EINVAL, "standard input cannot be both the build context and the Dockerfile");
	context->stdin_is_taken = true;
	return 0;
}

static bool is_web_address(const char *text)
{
	return text_has_prefix(text, "http://") || text_has_prefix(text, "https://");
}

static int open_kind(struct build_context *context, const char *where, struct error **err)
{
	struct stat st;
	int rc;

	if (strcmp(where, "-") == 0) {
		rc = take_stdin(context, err);
		return rc < 0 ? rc : context_take_stream(context, context->stdin_fd, err);
	}
	if (!*where)
		return error_set(err, EINVAL, "the build context has no name");
	/* "github.com/x" and "a@b:c" may be directories as well. */
	bool has_scheme = strstr(where, "://") != NULL;
	if (git_address_is(where) && (has_scheme || stat(where, &st) < 0))
		return context_open_git(context, where, err);
	if (is_web_address(where))
		return context_open_url(context, where, err);
	return open_directory(context, where, err);
}

/* ---- the ignore file ---- */

/* The path of the Dockerfile on this machine, or NULL when it is none of a directory's: stdin, or not there. */
static char *local_dockerfile(const struct build_context *context, const char *path)
{
	struct stat st;

	if (path && (strcmp(path, "-") == 0 || is_web_address(path)))
		return NULL;
	if (path && (*path == '/' || stat(path, &st) == 0))
		return mem_strdup(path);
	if (path)
		return mem_printf("%s/%s", context->directory, path);
	for (size_t i = 0; i < ARRAY_COUNT(dockerfile_names); i++) {
		cleanup_free char *candidate = mem_printf("%s/%s", context->directory, dockerfile_names[i]);
		if (stat(candidate, &st) == 0)
			return take_ptr(&candidate);
	}
	return NULL;
}

/* -ENOENT when there is no such file. */
static int load_rules(struct build_context *context, const char *path, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(IGNORE_FILE_MAX);
	int rc = fd_read_user_file(path, &text, err);

	if (rc < 0)
		return rc;
	rc = ignore_rules_add_text(&context->rules, buf_str(&text), err);
	context->has_rules = true;
	return rc < 0 ? error_prefix(err, "%s", path) : 0;
}

/* The first one that is there. What another context says of itself is not asked (BuildKit: only local ones). */
static int find_rules(struct build_context *context, const struct context_options *options, struct error **err)
{
	cleanup(strlist_done) struct strlist candidates = {0};

	if (options->ignorefile)
		return load_rules(context, options->ignorefile, err);
	if (!context->directory)
		return 0;
	cleanup_free char *dockerfile = local_dockerfile(context, options->dockerfile);
	if (dockerfile) {
		strlist_printf(&candidates, "%s.containerignore", dockerfile);
		strlist_printf(&candidates, "%s.dockerignore", dockerfile);
	}
	strlist_printf(&candidates, "%s/.containerignore", context->directory);
	strlist_printf(&candidates, "%s/.dockerignore", context->directory);
	for (size_t i = 0; i < candidates.count; i++) {
		cleanup_error struct error *why = NULL;
		int rc = load_rules(context, candidates.items[i], &why);
		if (rc == -ENOENT || rc == -ENOTDIR)
			continue;
		if (rc < 0 && err)
			*err = take_ptr(&why);
		return rc;
	}
	return 0;
}

int build_context_open(struct workshop *w, const char *where, const struct context_options *options,
		       struct build_context **context, struct error **err)
{
	cleanup(build_context_close) struct build_context *opened = mem_alloc(sizeof(*opened));

	*opened = (struct build_context){.w = w,
					 .registry = options->registry,
					 .where = mem_strdup(where),
					 .time = -1,
					 .keep_git_dir = options->keep_git_dir,
					 .is_for_time = options->is_for_time,
					 .root = -1,
					 .text = BUF_INIT(DOCKERFILE_SIZE_MAX),
					 .stdin_fd = options->stdin_fd};
	int rc = open_kind(opened, where, err);
	if (rc == 0)
		rc = find_rules(opened, options, err);
	if (rc < 0)
		return rc;
	*context = take_ptr(&opened);
	return 0;
}

void build_context_close(struct build_context *context)
{
	if (!context)
		return;
	int tmp = context->temporary ? store_tmp(workshop_store(context->w), NULL) : -1;
	fd_close(context->root);
	if (tmp >= 0)
		tree_remove(tmp, context->temporary, NULL); /* what is left of it is swept later */
	ignore_rules_done(&context->rules);
	buf_done(&context->text);
	free(context->where);
	free(context->commit);
	free(context->directory);
	free(context->temporary);
	free(context);
}

const char *build_context_origin(const struct build_context *context)
{
	return context->is_remote ? context->where : NULL;
}

const char *build_context_commit(const struct build_context *context)
{
	return context->commit;
}

int64_t build_context_time(const struct build_context *context)
{
	return context->time;
}

bool build_context_is_lasting(const struct build_context *context)
{
	return context->directory != NULL;
}

int build_context_fd(const struct build_context *context)
{
	return context->root;
}

const struct ignore_rules *build_context_ignore(const struct build_context *context)
{
	return context->has_rules ? &context->rules : NULL;
}

/* ---- the Dockerfile ---- */

/* A file inside the context, which may be anybody's. */
static int read_inside(struct build_context *context, const char *path, struct buf *text, struct error **err)
{
	cleanup_close int fd = rootpath_open_file(context->root, path, DOCKERFILE_SIZE_MAX, err);

	return fd < 0 ? fd : fd_read_all(fd, text, err);
}

/* `path` or the Containerfile or Dockerfile in it, by `read`. */
typedef int read_text(struct build_context *context, const char *path, struct buf *text, struct error **err);

static int read_outside(struct build_context *context, const char *path, struct buf *text, struct error **err)
{
	return fd_read_user_file(path, text, err);
}

static int read_first(struct build_context *context, read_text *read, const char *directory, struct buf *text,
		      char **name, struct error **err)
{
	for (size_t i = 0; i < ARRAY_COUNT(dockerfile_names); i++) {
		cleanup_error struct error *why = NULL;
		cleanup_free char *path = mem_printf("%s%s%s", directory, *directory ? "/" : "", dockerfile_names[i]);
		int rc = read(context, path, text, &why);
		if (rc == -ENOENT)
			continue;
		if (rc < 0 && err)
			*err = take_ptr(&why);
		if (rc < 0)
			return error_prefix(err, "%s", dockerfile_names[i]);
		*name = mem_strdup(dockerfile_names[i]);
		return 0;
	}
	return error_set(err, ENOENT, "no Containerfile or Dockerfile in '%s'",
			 *directory ? directory : context->where);
}

static int read_at(struct build_context *context, read_text *read, const char *path, struct buf *text, char **name,
		   struct error **err)
{
	cleanup_error struct error *why = NULL;
	int rc = read(context, path, text, &why);

	if (rc >= 0) {
		*name = mem_strdup(path);
		return 0;
	}
	buf_clear(text);
	if (rc == -EISDIR)
		return read_first(context, read, path, text, name, err);
	if (err)
		*err = take_ptr(&why);
	return rc;
}

/* The one place, and where nothing is, the other. */
static int read_named(struct build_context *context, const char *path, struct buf *text, char **name,
		      struct error **err)
{
	cleanup_free char *below = context->directory ? mem_printf("%s/%s", context->directory, path) : NULL;
	bool is_own = context->directory || context->root < 0;
	cleanup_error struct error *why = NULL;
	int rc = is_own ? read_at(context, read_outside, path, text, name, &why)
			: read_at(context, read_inside, path, text, name, &why);

	const char *other = is_own ? below : path;
	if (rc == -ENOENT && other && (*path != '/' || !is_own)) {
		error_clear(&why);
		rc = read_at(context, read_outside, other, text, name, &why);
	}
	if (rc == -ENOENT)
		return error_set(err, ENOENT, "no Dockerfile '%s', neither here nor in the context '%s'", path,
				 context->where);
	if (rc < 0 && err)
		*err = take_ptr(&why);
	return rc < 0 ? error_prefix(err, "Dockerfile '%s'", path) : 0;
}

static int read_default(struct build_context *context, struct buf *text, char **name, struct error **err)
{
	if (context->has_text) {
		buf_append(text, context->text.data, context->text.len);
		*name = mem_strdup("Dockerfile");
		return text->overflow ? error_set(err, EFBIG, "the Dockerfile is too large") : 0;
	}
	if (context->directory)
		return read_first(context, read_outside, context->directory, text, name, err);
	return read_first(context, read_inside, "", text, name, err);
}

int build_context_read_dockerfile(struct build_context *context, const char *path, struct buf *text, char **name,
				  struct error **err)
{
	int rc;

	if (!path)
		return read_default(context, text, name, err);
	if (is_web_address(path)) {
		rc = context_download_text(context, path, text, err);
	} else if (strcmp(path, "-") == 0) {
		rc = take_stdin(context, err);
		if (rc == 0)
			rc = fd_read_all(context->stdin_fd, text, err);
	} else {
		return read_named(context, path, text, name, err);
	}
	if (rc == 0)
		*name = mem_strdup("Dockerfile");
	return rc < 0 ? error_prefix(err, "Dockerfile '%s'", path) : 0;
}

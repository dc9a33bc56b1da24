/*
 * Where a Dockerfile's COPY and ADD take their sources from: a directory of the user's, or one that was made of a tar
 * archive, a git repository or a download. Its contents are hostile unless it is the user's own directory, and are only
 * reached through base/rootpath.h.
 */
#ifndef COOPER_BUILDER_CONTEXT_H
#define COOPER_BUILDER_CONTEXT_H

#include "base/buf.h"
#include "builder/workshop.h"
#include "dockerfile/ignore.h"
#include "registry/client.h"

struct build_context;

struct context_options {
	const char *ignorefile; /* --ignorefile; NULL: found by Docker's rules */
	const char *dockerfile; /* path of the Dockerfile as given by -f, for <Dockerfile>.dockerignore; NULL */
	int stdin_fd;		/* for "-" */
	bool keep_git_dir;	/* of a repository, as if its address said so */
	bool is_for_time; /* only build_context_time() is wanted: it may be a file of any kind, and have no files */
	const struct registry_options *registry; /* for downloads */
};

/* `where`: a directory, "-" (a tar archive, or a Dockerfile, on stdin), a git URL with "#ref:subdir" or query form, an
 * http(s) URL of a tar archive or a Dockerfile. -ENOENT, -EINVAL name it. Temporary trees vanish with the context. */
int build_context_open(struct workshop *w, const char *where, const struct context_options *options,
		       struct build_context **context, struct error **err);
void build_context_close(struct build_context *context);
CLEANUP_FOR(struct build_context, build_context_close)
/* The root directory (borrowed); -1 when there are no files, only a Dockerfile. */
int build_context_fd(const struct build_context *context);
/* True for a directory of the user's, which the next build will find again. */
bool build_context_is_lasting(const struct build_context *context);
/* Where it came from, for people and documents, without passwords; NULL for the user's own directory and for what came
 * on standard input. Borrowed. */
const char *build_context_origin(const struct build_context *context);
/* The commit of a git repository, all digits of it; NULL for other kinds. Borrowed. */
const char *build_context_commit(const struct build_context *context);
/* When it was made, in seconds since the epoch: of a git repository the commit's time; of a download what the server
 * says, else that of the newest file in the archive. -1 when nobody knows, and for the user's own directory. */
int64_t build_context_time(const struct build_context *context);
/* What its ignore file excludes; NULL when there is none. Borrowed. */
const struct ignore_rules *build_context_ignore(const struct build_context *context);
/* Reads a Dockerfile. `path`: as the user's shell sees it, else inside the context (an own directory's; for any other
 * context inside first); a directory stands for the Containerfile or Dockerfile in it; "-" is stdin; an http(s) address
 * is downloaded. NULL: Containerfile, Dockerfile or dockerfile of the context, or the text that came instead of a
 * context. *name is what errors call it. -ENOENT, -EFBIG past DOCKERFILE_SIZE_MAX. */
int build_context_read_dockerfile(struct build_context *context, const char *path, struct buf *text, char **name,
				  struct error **err);

#endif

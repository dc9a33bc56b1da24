/*
 * What the files of a build context share: the context itself, and how each kind of it is filled.
 */
#ifndef COOPER_BUILDER_CONTEXT_INTERNAL_H
#define COOPER_BUILDER_CONTEXT_INTERNAL_H

#include "builder/context.h"

struct build_context {
	struct workshop *w;
	const struct registry_options *registry; /* borrowed; NULL */
	char *where;				 /* for errors, without passwords */
	bool is_remote;				 /* `where` is an address */
	char *commit;				 /* of a git repository; NULL */
	int64_t time;				 /* see build_context_time() */
	bool keep_git_dir, is_for_time;		 /* as the options say */
	char *directory;			 /* path of the user's own directory; NULL for every other kind */
	int root;				 /* -1: there are no files */
	char *temporary;			 /* its name in store_tmp(), removed in the end; NULL */
	bool has_text;				 /* a Dockerfile came instead of files */
	struct buf text;
	bool has_rules;
	struct ignore_rules rules;
	int stdin_fd;
	bool stdin_is_taken;
};

/* A fresh directory of ours for a context that is not the user's: sets `temporary` and `root`, gives its path. */
int context_make_temporary(struct build_context *context, char **path, struct error **err);

/* Bytes that are a tar archive (packed in whatever way) or a Dockerfile, from the position of `fd` on; a pipe will do.
 * Fills context->root or context->text. */
int context_take_stream(struct build_context *context, int fd, struct error **err);

int context_open_git(struct build_context *context, const char *address, struct error **err);
int context_open_url(struct build_context *context, const char *url, struct error **err);
/* A Dockerfile from the web. */
int context_download_text(struct build_context *context, const char *url, struct buf *text, struct error **err);

#endif

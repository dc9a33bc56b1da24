/*
 * Files into a container: what copy and add (and later COPY and ADD) do.
 */
#ifndef COOPER_BUILDER_COPY_H
#define COOPER_BUILDER_COPY_H

#include "base/ownertable.h"
#include "builder/container.h"
#include "dockerfile/ignore.h"
#include "registry/client.h"

struct build_seen;
struct pack_ahead;

/* Sources in a directory that the caller holds open, with a Dockerfile's rules: `into` is decided for each source by
 * itself, directories that are made belong to --chown. */
struct copy_root {
	int fd;
	const struct ignore_rules *ignore; /* relative to it; NULL */
	bool keep_owner;		   /* sources keep theirs, as with `from` */
	const struct owner_table *owners;  /* what is recorded of theirs beside the tree; NULL: nothing */
	struct build_seen *seen;  /* is told of all that is copied (build_seen.h), a file as it lies there, with what
				    is recorded of its owner; NULL: nobody asks. Not for options.parents or add */
	struct pack_ahead *ahead; /* of the layer that this copy alone makes (imagefmt/packahead.h); NULL */
};

struct copy_options {
	bool add;		      /* URLs are fetched, local archives unpacked */
	const char *contextdir;	      /* sources are inside it, as in a root; NULL = "/" with relative sources from the
					 working directory */
	const char *from;	      /* container or image that sources are taken from */
	const struct copy_root *root; /* instead of contextdir and from; NULL */
	const char *chown;    /* "user[:group]" of the container's own files; NULL = 0:0 (with from: as it is there) */
	const char *chmod;    /* octal or symbolic; NULL = as it is */
	const char *checksum; /* "sha256:…" of a URL's body, the beginning of a git commit's id */
	const struct strlist *exclude; /* patterns */
	const char *ignorefile;
	bool parents, link;
	bool no_follow_symlinks;
	bool allow_empty_wildcard;
	bool keep_archive; /* --unpack=false */
	bool force_unpack; /* --unpack=true: of URLs too */
	bool keep_git_dir; /* of git repositories */
	bool git_modes;	   /* files are 0644 or 0755, directories 0755, as git keeps them */
	int64_t mtime;	   /* --timestamp: of everything copied, or -1 */
	struct registry_options registry;
};

/* Does add take this source from elsewhere: an http(s) address, a git repository? */
bool copy_is_git(const char *source);
bool copy_is_remote(const char *source);

struct copy_result {
	struct digest digest; /* of what was added: names, modes, owners, contents; never times */
	const char *kind;     /* "file", "dir" or "multi" */
};
/* `sources` into `destination` (NULL: the working directory). Works through the container's root; on failure what was
 * copied so far stays, as cp(1) does, and what the failing file would have replaced is still there. The caller holds
 * the container and is inside. */
int copy_into_container(struct workshop *w, const struct container *c, const struct strlist *sources,
			const char *destination, const struct copy_options *options, struct copy_result *result,
			struct error **err);

#endif

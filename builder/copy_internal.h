/*
 * What the files of a copy share. One job is one call of copy_into_container():
 *
 *	copy.c		the flow: owner, mode, destination
 *	copy_from.c	where sources come from
 *	copy_source.c	sources: what the user writes to paths
 *	copy_put.c	what each source becomes
 *	copy_tree.c	files and directories
 *	copy_content.c	the bytes of a file
 *	copy_ahead.c	the tar of the layer that comes of it
 *	copy_archive.c	archives, through libarchive
 *	copy_place.c	the container's side: everything that is made in its root is made there
 */
#ifndef COOPER_BUILDER_COPY_INTERNAL_H
#define COOPER_BUILDER_COPY_INTERNAL_H

#include "builder/copy.h"
#include "builder/modechange.h"
#include "builder/records.h"
#include "dockerfile/ignore.h"
#include "imagefmt/tar.h"

#include <string.h>
#include <sys/stat.h>

/* Where the first link to a file went. */
struct link_slot {
	dev_t dev;
	ino_t ino;
	char *path;	/* in the container; NULL: free */
	dev_t made_dev; /* what was made there */
	ino_t made_ino;
	off_t made_size;
	struct digest content; /* what was written there; null: nobody has asked */
};
struct link_table {
	struct link_slot *slots;
	size_t size, count;
};

struct copy_job {
	struct workshop *w;
	const struct container *c;
	const struct copy_options *options;
	int root; /* of the container */
	bool single_id;
	bool is_root; /* owner_is_root() */
	char *above;  /* the directory in the container that something was put into last, kept open; NULL */
	int above_fd;
	struct owner_table *owners; /* with a single id: of what cannot carry a record in the root */
	bool keep_owner;	    /* sources keep theirs (--from, archives) unless has_owner */
	bool has_owner;
	uint32_t uid, gid;
	struct mode_change mode;

	int source_root;
	const struct owner_table *source_owners; /* the same for the source, if it is one of ours; NULL */
	const struct vouchers *vouchers;	 /* of records of ownership in the source; NULL: all count */
	struct ignore_rules context_rules;	 /* relative to the source root */
	struct ignore_rules exclude_rules;	 /* relative to each copied directory */
	struct link_table links;

	struct strlist digest_lines;
	size_t prefix;	    /* of paths in the container: what the digest does not see of them */
	size_t files, dirs; /* sources of each kind */
	unsigned beside;    /* names given so far to what waits beside its place */
	char *block;	    /* copy_content.c's; NULL before the first */
	struct hasher *hasher;
	char *said; /* to the tar ahead, last: a path in the container without the '/' before it; NULL: nothing */
	struct strlist said_parents; /* directories that were not copied */
};

void copy_job_done(struct copy_job *job);

/* ---- copy_from.c ------------------------------------------------------------------------------------------------ */

struct rootfs;

/* Where sources come from. */
struct copy_from {
	struct rootfs *rootfs;	/* of --from */
	struct records records; /* of --from a container; of an image the owners alone */
	bool is_container;
	bool is_target;	 /* it is the container that is copied into */
	int lock;	 /* of another container */
	int fd;		 /* of anything else */
	char *directory; /* that relative sources are in: "/" or our working directory */
};
#define COPY_FROM_INIT ((struct copy_from){.fd = -1, .lock = -1, .records = RECORDS_INIT})

void copy_from_done(struct copy_from *from);
CLEANUP_FOR_VALUE(struct copy_from, copy_from_done)
/* `from` is COPY_FROM_INIT before. */
int copy_from_open(struct workshop *w, const struct container *target, const struct copy_options *options,
		   struct copy_from *from, struct error **err);
/* What the job's options leave out; its source_root is open. */
int copy_load_ignore_rules(struct copy_job *job, struct error **err);
/* The sources as paths of where they come from: one that is written as an absolute path into the context is meant
 * there, and not as a path below it. */
void copy_source_texts(const struct copy_options *options, const struct strlist *sources, struct strlist *texts);

/* ---- copy_place.c ----------------------------------------------------------------------------------------------- */

/* What is to be made. Owner and mode are the source's; the job's options are applied when it is made. */
struct copy_entry {
	struct stat st;	  /* st_mode with its type, st_uid, st_gid, st_rdev, st_mtim */
	const char *link; /* target of a symlink */
	int attributes;	  /* descriptor whose extended attributes are taken over, or -1 */
};

/* `path` is absolute in the container, cleaned. Missing parents are made 0755. What is there is replaced, except that a
 * directory is never replaced by something else (-EISDIR) and stays when a directory comes. */
int copy_place_directory(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err);
/* The time of a directory, once nothing more is put into it. */
void copy_place_directory_time(struct copy_job *job, const char *path, const struct stat *st);
int copy_place_symlink(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err);
/* Devices, FIFOs, sockets. */
int copy_place_node(struct copy_job *job, const char *path, const struct copy_entry *entry, struct error **err);
/* Another name for what is at `existing` in the container. */
int copy_place_hardlink(struct copy_job *job, const char *path, const char *existing, struct error **err);

/* A file on its way to its place: made empty, filled by its descriptor, finished, settled. Until then what stood in its
 * place stays there; who gives up leaves no half of a file behind. */
struct copy_place {
	int fd;
	int parent; /* borrowed from the job, until something is put into another directory */
	char *leaf;
	char *name; /* in the parent, of what was made; NULL: it has none yet */
	bool is_settled;
};
#define COPY_PLACE_INIT ((struct copy_place){.fd = -1, .parent = -1})
void copy_place_done(struct copy_place *place);
CLEANUP_FOR_VALUE(struct copy_place, copy_place_done)
int copy_place_file(struct copy_job *job, const char *path, struct copy_place *place, struct error **err);
/* Owner, mode, attributes, time. */
int copy_finish_file(struct copy_job *job, const char *path, const struct copy_place *place,
		     const struct copy_entry *entry, struct error **err);
int copy_settle_file(struct copy_job *job, const char *path, struct copy_place *place, struct error **err);

/* Who it will belong to. */
void copy_owner_of(const struct copy_job *job, const struct stat *st, uint32_t *uid, uint32_t *gid);
/* The directory that is copied into, made when missing: 0755 and root's, or as --chmod and --chown say. */
int copy_make_destination(struct copy_job *job, const char *path, struct error **err);

/* The mode that git would have checked out with the usual umask. */
static inline mode_t copy_git_mode(mode_t mode)
{
	if (S_ISDIR(mode))
		return S_IFDIR | 0755;
	return S_ISREG(mode) ? S_IFREG | (mode & 0100 ? 0755 : 0644) : mode;
}

/* What the digest knows a path by: relative to the destination. */
static inline const char *copy_digest_path(const struct copy_job *job, const char *path)
{
	return strlen(path) > job->prefix ? path + job->prefix : "";
}

/* ---- copy_source.c ---------------------------------------------------------------------------------------------- */

/* One thing to copy: a path in the source root, or an address. */
struct copy_source {
	char *path;
	bool is_url, is_git;
	const char *kept; /* with --parents: the part of path that is kept, borrowed from it; else NULL */
};
struct copy_sources {
	struct copy_source *items;
	size_t count;
};
void copy_sources_done(struct copy_sources *sources);
CLEANUP_FOR_VALUE(struct copy_sources, copy_sources_done)
/* What the texts stand for; relative ones are in `directory`. */
int copy_sources_expand(struct copy_job *job, const char *directory, const struct strlist *texts,
			struct copy_sources *sources, struct error **err);
/* Where "**" is no more than "*", as in a Dockerfile without --parents: makes it one. */
void copy_join_stars(char *pattern);
/* Paths in the source root that a pattern (absolute, cleaned) stands for, sorted. None is success. */
int copy_expand(int root, const char *pattern, struct strlist *paths, struct error **err);

/* ---- copy_put.c ------------------------------------------------------------------------------------------------- */

struct copy_destination {
	char *path; /* in the container */
	bool into;  /* it is or becomes a directory, and what comes is put into it */
};
void copy_destination_done(struct copy_destination *to);
CLEANUP_FOR_VALUE(struct copy_destination, copy_destination_done)
int copy_put(struct copy_job *job, const struct copy_source *source, const struct copy_destination *to,
	     struct error **err);

static inline const char *copy_last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- copy_tree.c ------------------------------------------------------------------------------------------------ */

/* A file, open at `fd`, to `path`. `source` is where it is in the source root, NULL when it is not from there.
 * `content` (may be NULL) gets what options->seen is to know of it. */
int copy_file(struct copy_job *job, int fd, const struct stat *st, const char *source, const char *path,
	      struct digest *content, struct error **err);
/* Tells options->seen, where there is one: `path` is the file's in the copied directory, `source` that directory or the
 * file itself. */
void copy_tell_seen(const struct copy_job *job, const char *source, const char *path, const struct stat *st,
		    const char *link, const struct digest *content);
/* The contents of the directory `fd` (`source` in the source root) into the existing directory `path`. */
int copy_directory(struct copy_job *job, int fd, const char *source, const char *path, struct error **err);

/* Puts over *st what is recorded beside a tree, in `owners` (may be NULL), of a symlink or a node: dirfd/name, itself
 * not followed. */
void copy_see_aside(const struct owner_table *owners, int dirfd, const char *name, struct stat *st);
/* The same by its path in the source root; nothing for files and directories, and where sources do not keep their
 * owners. */
void copy_apply_aside_at(const struct copy_job *job, const char *path, bool follow, struct stat *st);

/* ---- copy_content.c --------------------------------------------------------------------------------------------- */

/* All of `from`, open at its start, to `to`, which is empty. With `digest` (may be NULL) that of what was written.
 * `size` is about what there is. */
int copy_content(struct copy_job *job, int from, int to, uint64_t size, struct digest *digest, struct error **err);

/* ---- copy_ahead.c ----------------------------------------------------------------------------------------------- */

/* `path` in the container comes next. Of a file before its `size` bytes; of a hard link, entry->link is the first one's
 * path. */
void copy_say_ahead(struct copy_job *job, const char *path, enum tar_type type, const struct copy_entry *entry,
		    uint64_t size);
void copy_give_up_ahead(struct copy_job *job, const char *path);
/* All is copied. */
void copy_end_ahead(struct copy_job *job);

/* ---- copy_git.c ------------------------------------------------------------------------------------------------- */

/* A git repository's files into the directory `path`. */
int copy_git(struct copy_job *job, const char *address, const char *path, struct error **err);

/* ---- copy_archive.c --------------------------------------------------------------------------------------------- */

/* Whether the file is an archive that `add` unpacks. `name` is its file name. The position of fd is 0 afterwards. */
int copy_is_archive(const struct copy_job *job, int fd, const char *name, bool *is_archive, struct error **err);
int copy_unpack_archive(struct copy_job *job, int fd, const char *name, const char *path, struct error **err);

#endif

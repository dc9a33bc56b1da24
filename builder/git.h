/*
 * A git repository as a source of files, for build contexts and ADD: what an address says, and a checkout of it made by
 * the git program. The repository is hostile: no hooks, no configuration but the user's own, no protocol but the one of
 * the address.
 *
 *	https://host/team/app.git#v1.2:src        reference and subdirectory behind '#'
 *	https://host/team/app.git?tag=v1.2&subdir=src
 *	ssh://git@host/app.git  git@host:app.git  git://host/app.git  file:///srv/app.git  github.com/team/app
 */
#ifndef COOPER_BUILDER_GIT_H
#define COOPER_BUILDER_GIT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum git_mtime { GIT_MTIME_CHECKOUT, GIT_MTIME_COMMIT };

struct git_address {
	char *url; /* what git is given: without '#', without the query where that was ours, and without the next: */
	char *user, *password; /* of an http(s) address; NULL. A user alone may be a token, and so a secret. */
	char *protocol;	       /* "https", "ssh", "git", "http", "file": the only one it may use */
	char *ref;	       /* a branch, tag, full name or commit; NULL: what the repository's HEAD names */
	char *subdir;	       /* NULL: all of it */
	char *checksum;	       /* what the commit's id has to begin with; NULL */
	bool keep_git_dir;
	bool no_submodules;
	enum git_mtime mtime;
};

void git_address_done(struct git_address *address);
CLEANUP_FOR_VALUE(struct git_address, git_address_done)
/* Is `text` meant as a git repository? An http(s) address is only when its path ends in ".git". */
bool git_address_is(const char *text);
/* -EINVAL: an unknown key of the query, a reference or subdirectory that git could take for something else. */
int git_address_parse(const char *text, struct git_address *address, struct error **err);
/* The address for people: without a password. */
MUST_CHECK char *git_address_format(const struct git_address *address);

/* What was checked out. */
struct git_commit {
	char *id;     /* all digits of it */
	int64_t time; /* of its committer, in seconds since the epoch */
};

void git_commit_done(struct git_commit *commit);
CLEANUP_FOR_VALUE(struct git_commit, git_commit_done)

/* Fills the empty directory `dirfd` (a place of ours, whose path is `path`) with the tree of that commit and its
 * submodules, without ".git" unless keep_git_dir. The subdirectory is the caller's to open, inside of it. *commit may
 * be NULL. -ENOENT: no git program, no such reference; -EACCES is not told apart
 * from other failures of git, whose own words are in the error; -EBADMSG: another checksum. */
int git_checkout(const struct git_address *address, int dirfd, const char *path, struct git_commit *commit,
		 struct error **err);

#endif

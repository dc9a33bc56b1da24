/*
 * Downloads and checkouts for ADD.
 */
#include "builder/build_remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rootpath.h"
#include "base/tree.h"
#include "builder/copy.h"
#include "builder/git.h"
#include "registry/download.h"

#define URL_MODE 0600
#define UNNAMED "__unnamed__" /* as BuildKit calls what has no name in its address */

static void remote_done(struct workshop *w, struct build_remote *remote)
{
	int tmp = remote->name ? store_tmp(workshop_store(w), NULL) : -1;

	fd_close(remote->root);
	if (tmp >= 0)
		tree_remove(tmp, remote->name, NULL);
	free(remote->name);
	free(remote->source);
	free(remote->commit);
}

void build_remotes_done(struct build_remotes *remotes)
{
	for (size_t i = 0; i < remotes->count; i++)
		remote_done(remotes->w, &remotes->items[i]);
	free(remotes->items);
	remotes->items = NULL;
	remotes->count = 0;
}

/* ---- an address ---- */

static int finish_file(int fd, const struct download *download, struct build_remote *remote, struct error **err)
{
	remote->mtime = download->last_modified >= 0 ? download->last_modified : 0;
	const struct timespec times[2] = {{.tv_sec = remote->mtime}, {.tv_sec = remote->mtime}};

	remote->content = download->digest;
	if (fchmod(fd, URL_MODE) < 0 || futimens(fd, times) < 0)
		return error_set_errno(err, "keep what was downloaded");
	return 0;
}

static int fetch_file(const char *address, const char *checksum, const struct registry_options *registry,
		      struct build_remote *remote, struct error **err)
{
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup(download_done) struct download download = {0};
	struct digest want;

	int rc = checksum ? digest_parse(checksum, &want, err) : 0;
	if (rc < 0)
		return error_prefix(err, "--checksum");
	rc = registry_client_new(registry, &client, err);
	if (rc < 0)
		return rc;
	cleanup_close int fd = openat(remote->root, UNNAMED, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, URL_MODE);
	if (fd < 0)
		return error_set_errno(err, "make a file for what is downloaded");
	rc = download_file(client, address, fd, checksum ? &want : NULL, &download, err);
	if (rc >= 0)
		rc = finish_file(fd, &download, remote, err);
	if (rc < 0)
		return rc;
	remote->source = mem_strdup(download.file_name ? download.file_name : UNNAMED);
	if (renameat(remote->root, UNNAMED, remote->root, remote->source) < 0)
		return error_set_errno(err, "name what was downloaded");
	return 0;
}

/* ---- a repository ---- */

static int set_checksum(struct git_address *address, const char *checksum, struct error **err)
{
	if (!checksum)
		return 0;
	if (address->checksum && strcmp(address->checksum, checksum) != 0)
		return error_set(err, EINVAL, "checksum mismatch \"%s\" != \"%s\"", checksum, address->checksum);
	mem_replace(&address->checksum, checksum);
	return 0;
}

static int fetch_tree(struct workshop *w, const struct instruction_copy *add, const char *source, const char *checksum,
		      struct build_remote *remote, struct error **err)
{
	cleanup(git_address_done) struct git_address address = {0};
	cleanup(git_commit_done) struct git_commit commit = {0};
	cleanup_free char *path = store_tmp_path(workshop_store(w), remote->name);
	int rc = git_address_parse(source, &address, err);

	if (rc >= 0)
		rc = set_checksum(&address, checksum, err);
	if (rc < 0)
		return rc;
	if (add->keep_git_dir != FLAG_UNSET)
		address.keep_git_dir = add->keep_git_dir == FLAG_TRUE;
	rc = git_checkout(&address, remote->root, path, &commit, err);
	if (rc < 0)
		return rc;
	remote->commit = take_ptr(&commit.id);
	remote->source = mem_strdup("/");
	remote->is_tree = true;
	if (!address.subdir)
		return 0;
	int subdir = rootpath_open(remote->root, address.subdir, O_RDONLY | O_DIRECTORY, 0, err);
	if (subdir < 0)
		return error_prefix(err, "%s", source);
	fd_close(remote->root);
	remote->root = subdir;
	return 0;
}

/* ---- all ---- */

static int fetch(struct build_remotes *remotes, const struct instruction_copy *add, const char *source,
		 const struct registry_options *registry, struct error **err)
{
	struct store *store = workshop_store(remotes->w);
	const char *checksum = add->checksum && *add->checksum ? add->checksum : NULL;
	int tmp = store_tmp(store, err);

	if (tmp < 0)
		return tmp;
	remotes->items = mem_grow(remotes->items, remotes->count + 1, sizeof(*remotes->items));
	struct build_remote *remote = &remotes->items[remotes->count++];
	*remote = (struct build_remote){.name = store_tmp_name(store, "remote"), .root = -1};
	if (mkdirat(tmp, remote->name, 0700) < 0)
		return error_set_errno(err, "make a directory for what is fetched");
	remote->root = fd_open_dir(tmp, remote->name, err);
	if (remote->root < 0)
		return remote->root;
	return copy_is_git(source) ? fetch_tree(remotes->w, add, source, checksum, remote, err)
				   : fetch_file(source, checksum, registry, remote, err);
}

int build_remotes_fetch(struct build_remotes *remotes, const struct instruction *instruction,
			const struct registry_options *registry, struct error **err)
{
	const struct instruction_copy *add = &instruction->copy;
	int rc = 0;

	if (remotes->count || instruction->kind != INSTRUCTION_ADD)
		return 0;
	if (add->checksum && *add->checksum && add->sources.count + add->files.count != 1)
		return error_set(err, EINVAL, "checksum can't be specified for multiple sources");
	for (size_t i = 0; rc >= 0 && i < add->sources.count; i++)
		if (copy_is_remote(add->sources.items[i]))
			rc = fetch(remotes, add, add->sources.items[i], registry, err);
	return rc;
}

void build_remotes_key(const struct build_remotes *remotes, struct build_key *key)
{
	for (size_t i = 0; i < remotes->count; i++) {
		const struct build_remote *remote = &remotes->items[i];
		build_key_text(key, "the address", remote->source);
		build_key_text(key, "the commit", remote->commit);
		if (remote->is_tree)
			continue;
		build_key_digest(key, "the download", &remote->content);
		build_key_number(key, "the time of the download", (uint64_t)remote->mtime);
	}
}

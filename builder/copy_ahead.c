/*
 * What a copy says of its layer's tar while it writes the files (imagefmt/packahead.h). All of it is a guess at what
 * the walk will find; where one would be hard to make, the tar is given up, and made by the walk.
 */
#include "builder/copy_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/rootpath.h"
#include "imagefmt/layerxattr.h"
#include "imagefmt/packahead.h"

static struct pack_ahead *ahead_of(const struct copy_job *job)
{
	struct pack_ahead *ahead = job->options->root ? job->options->root->ahead : NULL;

	return pack_ahead_is_on(ahead) ? ahead : NULL;
}

static void give_up(const struct copy_job *job, const char *path, const char *why)
{
	trace(BUILD, "'%s' %s: the layer is packed by a walk", path, why);
	pack_ahead_give_up(ahead_of(job));
}

/* Has it attributes that a tar would have? */
static bool has_attributes(int fd)
{
	char names[4096];
	ssize_t size = flistxattr(fd, names, sizeof(names));
	bool has_some = size < 0 && errno == ERANGE;

	for (const char *name = names; !has_some && size > 0 && name < names + size; name += strlen(name) + 1) {
		cleanup_free char *in_tar = layer_xattr_to_tar(name);
		has_some = in_tar != NULL;
	}
	return has_some;
}

static void say(struct copy_job *job, const struct tar_entry *entry)
{
	mem_replace(&job->said, entry->path);
	pack_ahead_entry(job->options->root->ahead, entry);
}

/* Has something in this directory been said, or the directory itself? */
static bool is_said(const struct copy_job *job, const char *path, size_t length)
{
	return job->said && strncmp(job->said, path, length) == 0 &&
	       (job->said[length] == '/' || job->said[length] == '\0');
}

/* A directory that was there, or was made on the way. Its time is that of the last change in it, which the tar says
 * first: it gets one in the end. */
static void say_parent(struct copy_job *job, const char *path, size_t length)
{
	cleanup_free char *parent = mem_strndup(path, length);
	cleanup_close int fd = rootpath_open(job->root, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, NULL);
	struct owner_record record;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return give_up(job, parent, "is no directory of that name");
	if (has_attributes(fd))
		return give_up(job, parent, "has extended attributes");
	owner_see(&st);
	if (owner_get(fd, &record, NULL) == 0)
		owner_apply(&record, &st);
	say(job, &(struct tar_entry){.path = parent,
				     .type = TAR_DIRECTORY,
				     .mode = st.st_mode & 07777,
				     .uid = st.st_uid,
				     .gid = st.st_gid,
				     .mtime = workshop_options(job->w)->now});
	strlist_append(&job->said_parents, parent);
}

static void say_parents(struct copy_job *job, const char *path)
{
	for (const char *slash = path; ahead_of(job) && (slash = strchr(slash, '/')); slash++) {
		size_t length = (size_t)(slash - path);
		if (!is_said(job, path, length))
			say_parent(job, path, length);
	}
}

void copy_say_ahead(struct copy_job *job, const char *path, enum tar_type type, const struct copy_entry *entry,
		    uint64_t size)
{
	const char *inside = path + strspn(path, "/");
	struct tar_entry said = {.path = inside, .type = type, .size = size, .mtime = entry->st.st_mtim.tv_sec};

	if (!ahead_of(job))
		return;
	if (entry->attributes >= 0 && has_attributes(entry->attributes))
		return give_up(job, path, "has extended attributes");
	say_parents(job, inside);
	if (!ahead_of(job))
		return;
	copy_owner_of(job, &entry->st, &said.uid, &said.gid);
	said.mode = type == TAR_SYMLINK ? 0777 : mode_change_apply(&job->mode, entry->st.st_mode) & 07777;
	said.link = entry->link && entry->link[0] == '/' && type == TAR_HARDLINK ? entry->link + 1 : entry->link;
	say(job, &said);
}

void copy_give_up_ahead(struct copy_job *job, const char *path)
{
	if (ahead_of(job))
		give_up(job, path, "is neither a file, a directory, a link nor a FIFO of a directory");
}

void copy_end_ahead(struct copy_job *job)
{
	const struct stat st = {.st_mtim.tv_sec = workshop_options(job->w)->now};

	for (size_t i = 0; ahead_of(job) && i < job->said_parents.count; i++)
		copy_place_directory_time(job, job->said_parents.items[i], &st);
}

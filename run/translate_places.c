/*
 * The directories that names were looked up in last, by the text of their paths: most paths of a step are absolute and
 * differ in their last component only. A directory that is known here needs no walk, no look at its links, and no
 * question for its name.
 *
 * It is the same directory until a name on the way to it leads elsewhere. Within the step's root only we change names
 * (the container is locked, the kernel changes none without us), so we know when: a directory or a link was moved,
 * replaced or removed. Then what lies below it is forgotten, and all that a link leads to, wherever that link is.
 * Volumes, where others may do that, are not remembered at all.
 *
 * Directories that are not there are remembered as well, until any directory or link is made: programs look for what
 * they load in many places that most systems lack.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/translate_internal.h"

#define PLACES 128   /* a power of two: each holds a descriptor */
#define BESIDE_MAX 4 /* links in a row that are followed here */

/* By the text that a call had. */
struct missing {
	char *text; /* NULL: none */
	size_t length;
	uint64_t made; /* directories and links had been made by then */
};

struct places {
	struct place places[PLACES];
	uint64_t serial;
	struct missing missing[PLACES];
	uint64_t made;
};

static void place_done(struct place *place)
{
	if (!place->text)
		return;
	free(place->text);
	free(place->name);
	fd_close(place->fd);
	*place = (struct place){0};
}

void places_made(struct translation *t)
{
	if (t->places)
		t->places->made++;
}

void places_forget(struct translation *t, const char *name)
{
	size_t length = name ? strlen(name) : 0;

	places_made(t);
	for (size_t i = 0; t->places && i < PLACES; i++) {
		struct place *place = &t->places->places[i];
		if (place->text && (!name || place->has_links || view_is_in(place->name, name, length)))
			place_done(place);
	}
}

void places_free(struct translation *t)
{
	places_forget(t, NULL);
	for (size_t i = 0; t->places && i < PLACES; i++)
		free(t->places->missing[i].text);
	free(t->places);
	t->places = NULL;
}

/* FNV-1a; who makes two texts meet in one slot makes his own step slower. */
static size_t slot_of(struct translation *t, const char *text, size_t length)
{
	uint32_t hash = 2166136261;

	if (!t->places)
		t->places = mem_alloc(sizeof(*t->places));
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619;
	return hash & (PLACES - 1);
}

/* What is known by this text. */
static const struct place *find_known(struct translation *t, const char *text, size_t length)
{
	size_t slot = slot_of(t, text, length);
	const struct place *place = &t->places->places[slot];

	return place->text && place->length == length && memcmp(place->text, text, length) == 0 ? place : NULL;
}

static bool is_known_missing(struct translation *t, const char *text, size_t length)
{
	size_t slot = slot_of(t, text, length);
	const struct missing *missing = &t->places->missing[slot];

	return missing->text && missing->made == t->places->made && missing->length == length &&
	       memcmp(missing->text, text, length) == 0;
}

static void note_missing(struct translation *t, const char *text, size_t length)
{
	size_t slot = slot_of(t, text, length);
	struct missing *missing = &t->places->missing[slot];

	free(missing->text);
	*missing = (struct missing){.text = mem_strndup(text, length), .length = length, .made = t->places->made};
}

/* Takes the directory. */
static const struct place *note_place(struct translation *t, const char *text, size_t length, int directory,
				      const char *name)
{
	size_t slot = slot_of(t, text, length);
	struct place *place = &t->places->places[slot];

	place_done(place);
	*place = (struct place){
		.text = mem_strndup(text, length),
		.length = length,
		.fd = directory,
		.name = mem_strdup(name),
		.has_links = strlen(name) != length || memcmp(name, text, length) != 0,
		.has_mounts = view_has_mounts(t, name),
		.serial = ++t->places->serial,
	};
	return place;
}

bool places_are_changed_by(int thing)
{
	struct stat st;

	return thing >= 0 && (fstat(thing, &st) < 0 || S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode));
}

/* ---- The way there ---- */

static bool has_own_root(struct translation *t, const struct trap *trap)
{
	const struct task *task = view_task(t, trap);

	return !task || !task->fs || task->fs->root >= 0;
}

/* `rest` of a directory that is known. 1: *fd is what it leads to, *path its name. -ENOENT, -ENOTDIR: it is not there.
 * 0: another way is to be gone. */
static int open_below(struct translation *t, const struct place *above, const char *rest, int *fd, struct buf *path)
{
	text_name(above->name, rest, path);
	/* Something may be mounted on the way. */
	if (view_mount_of(t, buf_str(path)) != &t->mounts[0])
		return 0;
	int opened = text_open(above->fd, rest, O_DIRECTORY);
	if (opened >= 0)
		*fd = opened;
	return opened >= 0 ? 1 : text_is_missing(opened) ? opened : 0;
}

/* So many directories above are looked for, and so many links with something missing behind them: a path may have two
 * thousand of each, and nobody else is answered meanwhile. */
#define ABOVE_MAX 16

/* From the next directory above that is known. */
static int open_from_known(struct translation *t, const char *text, size_t length, int *fd, struct buf *path)
{
	size_t above = length;

	for (unsigned i = 0; above > 0 && i < ABOVE_MAX; i++) {
		const char *slash = memrchr(text, '/', above);
		above = slash ? (size_t)(slash - text) : 0;
		const struct place *known = above ? find_known(t, text, above) : NULL;
		if (!known)
			continue;
		cleanup_free char *rest = mem_strndup(slash + 1, length - above - 1);
		return open_below(t, known, rest, fd, path);
	}
	return 0;
}

/* From the root. */
static int open_from_root(struct translation *t, const char *text, size_t length, int *fd, struct buf *path)
{
	cleanup_free char *rest = length ? mem_strndup(text + 1, length - 1) : mem_strdup(".");
	cleanup_close int opened = text_open_above(t, t->mounts[0].fd, "", rest, path);

	if (opened < 0)
		return text_is_missing(opened) ? opened : 0;
	if (view_mount_of(t, buf_str(path)) != &t->mounts[0])
		return 0;
	*fd = take_fd(&opened);
	return 1;
}

/* The place of this text, which is plain and in the root: known, or made known, after a look at so many directories
 * above. 1, -ENOENT, -ENOTDIR, or 0: another way is to be gone. */
static int find_directory(struct translation *t, const char *text, size_t length, unsigned levels,
			  const struct place **place)
{
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);
	cleanup_close int fd = -1;

	*place = find_known(t, text, length);
	if (*place)
		return 1;
	int found = open_from_known(t, text, length, &fd, &name);
	if (found == 0)
		found = open_from_root(t, text, length, &fd, &name);
	const char *slash = length ? memrchr(text, '/', length) : NULL;
	/* A link on the way, and something behind it that is missing: what is above is there, or missing in turn. */
	if (found == 0 && slash && slash != text && levels > 0) {
		const struct place *above;
		cleanup_free char *last = mem_strndup(slash + 1, length - (size_t)(slash - text) - 1);
		found = find_directory(t, text, (size_t)(slash - text), levels - 1, &above);
		if (found > 0)
			found = open_below(t, above, last, &fd, &name);
	}
	if (found > 0)
		*place = note_place(t, text, length, take_fd(&fd), buf_str(&name));
	return found;
}

int view_find_place(struct translation *t, const struct trap *trap, const char *path, const struct place **place,
		    const char **leaf)
{
	const char *slash = strrchr(path, '/');
	cleanup(buf_done) struct buf name = BUF_INIT((size_t)2 * PATH_MAX);

	if (path[0] != '/' || slash[1] == '\0' || strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0 ||
	    strlen(slash + 1) > NAME_MAX || has_own_root(t, trap))
		return 0;
	size_t length = (size_t)(slash - path);
	*leaf = slash + 1;
	*place = find_known(t, path, length);
	if (!*place) {
		if (is_known_missing(t, path, length))
			return -ENOENT;
		int found = text_is_in_root(t, path) ? find_directory(t, path, length, ABOVE_MAX, place) : 0;
		if (found == -ENOENT)
			note_missing(t, path, length);
		if (found <= 0)
			return found;
	}
	if (!(*place)->has_mounts)
		return 1;
	buf_clear(&name);
	buf_printf(&name, "%s/%s", (*place)->name, *leaf);
	return !view_is_mount_point(t, buf_str(&name));
}

/* ---- What lies in one ---- */

int view_look_in_place(struct translation *t, const struct trap *trap, const char *path, unsigned flags,
		       struct leaf *leaf)
{
	char text[NAME_MAX + 1];
	const char *name;
	int found = view_find_place(t, trap, path, &leaf->place, &name);

	/* Of links only those to names beside them are followed here: libraries, above all. */
	for (unsigned links = 0; found > 0 && links < BESIDE_MAX; links++) {
		snprintf(leaf->name, sizeof(leaf->name), "%s", name);
		if (fstatat(leaf->place->fd, leaf->name, &leaf->st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? -ENOENT : 0;
		if (!S_ISLNK(leaf->st.st_mode) || !(flags & VIEW_FOLLOW))
			return 1;
		ssize_t length = readlinkat(leaf->place->fd, leaf->name, text, sizeof(text) - 1);
		text[length > 0 ? length : 0] = '\0';
		/* One that is longer was cut, and is no name in any case: then it is as if it had a '/'. */
		if (length <= 0 || length == sizeof(text) - 1 || strchr(text, '/') || strcmp(text, ".") == 0 ||
		    strcmp(text, "..") == 0)
			return 0;
		found = !leaf->place->has_mounts;
		name = text;
	}
	return found > 0 ? 0 : found;
}

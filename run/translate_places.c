/*
 * The directories that names were looked up in last, by the text of their paths: most paths of a step are absolute and
 * differ in their last component only. A directory that is known here needs no walk, no look at its links, and no
 * question for its name.
 *
 * It is the same directory until a name on the way to it leads elsewhere. Within the step's root only we change names
 * (the container is locked, the kernel changes none without us), so we know when: a directory or a link was moved,
 * replaced or removed. Then what lies below it is forgotten, and all that a link leads to, wherever that link is.
 * Volumes, where others may do that, are not remembered at all.
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

struct places {
	struct place places[PLACES];
	uint64_t serial;
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

void places_forget(struct translation *t, const char *name)
{
	size_t length = name ? strlen(name) : 0;

	for (size_t i = 0; t->places && i < PLACES; i++) {
		struct place *place = &t->places->places[i];
		if (place->text && (!name || place->has_links || view_is_in(place->name, name, length)))
			place_done(place);
	}
}

void places_free(struct translation *t)
{
	places_forget(t, NULL);
	free(t->places);
	t->places = NULL;
}

/* FNV-1a; who makes two texts meet in one slot makes his own step slower. */
static struct place *slot_of(struct translation *t, const char *text, size_t length)
{
	uint32_t hash = 2166136261;

	if (!t->places)
		t->places = mem_alloc(sizeof(*t->places));
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619;
	return &t->places->places[hash & (PLACES - 1)];
}

const struct place *places_find(struct translation *t, const char *text, size_t length)
{
	const struct place *place = slot_of(t, text, length);

	return place->text && place->length == length && memcmp(place->text, text, length) == 0 ? place : NULL;
}

const struct place *places_note(struct translation *t, const char *text, size_t length, int directory, const char *name)
{
	struct place *place = slot_of(t, text, length);

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

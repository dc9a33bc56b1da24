/* A hash table with open addressing, never more than half full. */
#include "imagefmt/pathmap.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 64

void path_map_done(struct path_map *map)
{
	for (size_t i = 0; i < map->size; i++)
		free(map->slots[i].path);
	free(map->slots);
	*map = (struct path_map){0};
}

/* FNV-1a. Whoever makes its paths collide slows down only the unpacking of their own layer. */
static uint32_t hash_of(const char *path, size_t length)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)path[i]) * 16777619U;
	return hash;
}

static struct path_slot *find(const struct path_map *map, const char *path, size_t length, uint32_t hash)
{
	for (size_t i = hash;; i++) {
		struct path_slot *slot = &map->slots[i & (map->size - 1)];
		if (slot->path == NULL ||
		    (slot->hash == hash && strncmp(slot->path, path, length) == 0 && slot->path[length] == '\0'))
			return slot;
	}
}

static void grow(struct path_map *map)
{
	struct path_map larger = {.size = map->size == 0 ? SIZE_FIRST : map->size * 2, .count = map->count};

	larger.slots = mem_alloc(larger.size * sizeof(*larger.slots));
	for (size_t i = 0; i < map->size; i++) {
		const struct path_slot *slot = &map->slots[i];
		if (slot->path != NULL)
			*find(&larger, slot->path, strlen(slot->path), slot->hash) = *slot;
	}
	free(map->slots);
	*map = larger;
}

size_t *path_map_put(struct path_map *map, const char *path, size_t length, size_t value, bool *added)
{
	uint32_t hash = hash_of(path, length);

	if (2 * map->count >= map->size)
		grow(map);
	struct path_slot *slot = find(map, path, length, hash);
	bool is_new = slot->path == NULL;
	if (is_new) {
		*slot = (struct path_slot){.path = mem_strndup(path, length), .hash = hash, .value = value};
		map->count++;
	}
	if (added != NULL)
		*added = is_new;
	return &slot->value;
}

bool path_map_has(const struct path_map *map, const char *path)
{
	size_t length = strlen(path);

	return map->count > 0 && find(map, path, length, hash_of(path, length))->path != NULL;
}

/*
 * A hash table with open addressing; entries are never removed.
 */
#include "base/inodetable.h"

#include <stdint.h>
#include <stdlib.h>

#define INODE_TABLE_FIRST 64

void inode_table_done(struct inode_table *table)
{
	for (size_t i = 0; i < table->size; i++)
		free(table->slots[i].path);
	free(table->slots);
	*table = (struct inode_table){0};
}

/* The slot of that file, or the free one where it belongs. */
static struct inode_slot *find_slot(const struct inode_table *table, dev_t dev, ino_t ino)
{
	/* Inode numbers run on: a multiplication by the golden ratio spreads them (Knuth, vol. 3, 6.4). */
	uint64_t hash = ((uint64_t)ino ^ (uint64_t)dev << 40) * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (size_t)(hash >> 32) & (table->size - 1);

	while (table->slots[at].path && (table->slots[at].dev != dev || table->slots[at].ino != ino))
		at = (at + 1) & (table->size - 1);
	return &table->slots[at];
}

static void grow(struct inode_table *table)
{
	struct inode_table bigger = {.size = table->size ? table->size * 2 : INODE_TABLE_FIRST, .count = table->count};

	bigger.slots = mem_alloc(bigger.size * sizeof(*bigger.slots));
	for (size_t i = 0; i < table->size; i++) {
		if (table->slots[i].path)
			*find_slot(&bigger, table->slots[i].dev, table->slots[i].ino) = table->slots[i];
	}
	free(table->slots);
	*table = bigger;
}

const char *inode_table_visit(struct inode_table *table, const struct stat *st, const char *path)
{
	if ((table->count + 1) * 2 > table->size)
		grow(table);
	struct inode_slot *slot = find_slot(table, st->st_dev, st->st_ino);
	if (slot->path)
		return slot->path;
	*slot = (struct inode_slot){.dev = st->st_dev, .ino = st->st_ino, .path = mem_strdup(path)};
	table->count++;
	return NULL;
}

/*
 * Layers that this process has found good, by binary search.
 */
#include "imagefmt/store_internal.h"

#include <stdlib.h>
#include <string.h>

/* The place of the layer, or where it belongs. */
static size_t find_known_layer(const struct store *store, const char *hex, bool *is_known)
{
	size_t low = 0, high = store->known_layer_count;

	*is_known = false;
	while (low < high && !*is_known) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(hex, store->known_layers[middle].hex);
		*is_known = order == 0;
		if (order <= 0)
			high = middle;
		else
			low = middle + 1;
	}
	return *is_known ? high : low;
}

const char *store_known_layer(const struct store *store, const char *hex)
{
	bool is_known;
	size_t at = find_known_layer(store, hex, &is_known);

	return is_known ? store->known_layers[at].name : NULL;
}

void store_know_layer(struct store *store, const char *hex, const char *name)
{
	bool is_known;
	size_t at = find_known_layer(store, hex, &is_known);

	if (is_known) {
		mem_replace(&store->known_layers[at].name, name);
		return;
	}
	size_t count = store->known_layer_count;
	if ((count & (count - 1)) == 0) /* full: room for twice as many */
		store->known_layers =
			mem_grow(store->known_layers, count ? 2 * count : 1, sizeof(*store->known_layers));
	memmove(&store->known_layers[at + 1], &store->known_layers[at], (count - at) * sizeof(*store->known_layers));
	store->known_layers[at] = (struct known_layer){mem_strdup(hex), mem_strdup(name)};
	store->known_layer_count++;
}

void store_forget_layers(struct store *store)
{
	for (size_t i = 0; i < store->known_layer_count; i++) {
		free(store->known_layers[i].hex);
		free(store->known_layers[i].name);
	}
	free(take_ptr(&store->known_layers));
	store->known_layer_count = 0;
}

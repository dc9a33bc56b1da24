/*
 * Which repository has which blob, as far as we know.
 */
#include "registry/known.h"

#include <stdlib.h>
#include <string.h>

#include "imagefmt/blob.h"
#include "imagefmt/images.h"
#include "imagefmt/layer.h"
#include "registry/client_internal.h"

void known_blobs_done(struct known_blobs *known)
{
	for (size_t i = 0; i < known->count; i++) {
		free(known->items[i].domain);
		free(known->items[i].path);
	}
	free(known->items);
	*known = (struct known_blobs){0};
}

static struct known_blob *find(const struct known_blobs *known, const struct digest *digest, const char *domain,
			       const char *path)
{
	for (size_t i = 0; i < known->count; i++) {
		struct known_blob *item = &known->items[i];
		if (digest_equal(&item->digest, digest) && strcmp(item->domain, domain) == 0 &&
		    strcmp(item->path, path) == 0)
			return item;
	}
	return NULL;
}

static struct known_blob *add(struct registry_client *client, const struct digest *digest, const char *domain,
			      const char *path)
{
	struct known_blobs *known = &client->known;
	struct known_blob *item = find(known, digest, domain, path);

	if (item)
		return item;
	known->items = mem_grow(known->items, known->count + 1, sizeof(*known->items));
	item = &known->items[known->count++];
	*item = (struct known_blob){.digest = *digest, .domain = mem_strdup(domain), .path = mem_strdup(path)};
	return item;
}

void known_blob_add(struct registry_client *client, const struct digest *digest, const char *domain, const char *path)
{
	add(client, digest, domain, path);
}

void known_blob_seen(struct registry_client *client, const struct digest *digest, const char *domain, const char *path)
{
	add(client, digest, domain, path)->seen = true;
}

bool known_blob_is_seen(const struct registry_client *client, const struct digest *digest, const char *domain,
			const char *path)
{
	const struct known_blob *item = find(&client->known, digest, domain, path);

	return item && item->seen;
}

/* What is to be found out, and where. */
struct search {
	struct registry_client *client;
	struct store *store;
	const struct digest *blobs;
	size_t count;
};

static void note_blob(const struct search *search, const struct digest *digest, const struct reference *ref)
{
	for (size_t i = 0; i < search->count; i++)
		if (digest_equal(&search->blobs[i], digest))
			known_blob_add(search->client, digest, ref->domain, ref->path);
}

static void note_layers(const struct search *search, const struct image_entry *entry, const struct reference *ref)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	cleanup(manifest_done) struct manifest manifest = {0};

	/* A list, or an image that cannot be read: it says nothing about where blobs are, and that is all. */
	if (blob_read(search->store, &entry->manifest.digest, MANIFEST_SIZE_MAX, &text, NULL) < 0 ||
	    manifest_parse(text.data, text.len, "manifest", &manifest, NULL) < 0)
		return;
	for (size_t i = 0; i < manifest.layer_count; i++) {
		const struct digest *digest = &manifest.layers[i].digest;
		cleanup(layer_record_done) struct layer_record record = {0};
		note_blob(search, digest, ref);
		/* A layer that was built here is named by its diff_id, and went there as one of its blobs. */
		if (layer_load_record(search->store, digest, &record, NULL) < 0)
			continue;
		for (size_t j = 0; j < record.blob_count; j++)
			note_blob(search, &record.blobs[j].digest, ref);
	}
}

void known_blobs_from_store(struct registry_client *client, struct store *store, const char *domain,
			    const struct digest *blobs, size_t count)
{
	cleanup(image_list_done) struct image_list list = {0};
	const struct search search = {client, store, blobs, count};

	/* Without it nothing is mounted, and all is sent. */
	if (images_list(store, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		for (size_t j = 0; j < list.items[i].names.count; j++) {
			cleanup(reference_done) struct reference ref = {0};
			if (reference_parse(list.items[i].names.items[j], &ref, NULL) == 0 && ref.domain &&
			    strcmp(ref.domain, domain) == 0)
				note_layers(&search, &list.items[i], &ref);
		}
	}
}

void known_blob_sources(const struct registry_client *client, const struct digest *digest, const char *domain,
			const char *path, struct strlist *paths)
{
	const struct known_blobs *known = &client->known;

	/* What was seen there comes before what is only said. */
	for (int seen = 1; seen >= 0; seen--) {
		for (size_t i = 0; i < known->count && paths->count < KNOWN_SOURCES_MAX; i++) {
			const struct known_blob *item = &known->items[i];
			if (item->seen == seen && digest_equal(&item->digest, digest) &&
			    strcmp(item->domain, domain) == 0 && strcmp(item->path, path) != 0)
				strlist_append(paths, item->path);
		}
	}
}

/*
 * Changes of image indexes in memory.
 */
#include "imagefmt/index.h"

#include <string.h>

#define ATTESTATION_TYPE "vnd.docker.reference.type"
#define ATTESTATION_OF "vnd.docker.reference.digest"

bool index_entry_is_attestation(const struct descriptor *entry)
{
	if (strlist_env_get(&entry->annotations, ATTESTATION_TYPE))
		return true;
	return entry->platform && entry->platform->os && strcmp(entry->platform->os, "unknown") == 0;
}

bool index_entry_attests(const struct descriptor *entry, const struct digest *image)
{
	const char *text = strlist_env_get(&entry->annotations, ATTESTATION_OF);
	struct digest of;
	return text && digest_parse(text, &of, NULL) == 0 && digest_equal(&of, image);
}

struct descriptor *image_index_find(const struct image_index *index, const struct digest *digest)
{
	for (size_t i = 0; i < index->manifest_count; i++) {
		if (digest_equal(&index->manifests[i].digest, digest))
			return &index->manifests[i];
	}
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_list(const struct strlist *a, const struct strlist *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!strlist_contains(b, a->items[i]))
			return false;
	}
	return true;
}

static bool same_platform(const struct descriptor *a, const struct descriptor *b)
{
	if (!a->platform || !b->platform || index_entry_is_attestation(a) || index_entry_is_attestation(b))
		return false;
	if (a->artifact_type || b->artifact_type) /* which go with an image, not in its place */
		return false;
	const struct platform *x = a->platform, *y = b->platform;
	return same_text(x->os, y->os) && same_text(x->architecture, y->architecture) &&
	       same_text(x->variant, y->variant) && same_text(x->os_version, y->os_version) &&
	       same_list(&x->os_features, &y->os_features);
}

static void remove_at(struct image_index *index, size_t at)
{
	descriptor_done(&index->manifests[at]);
	index->manifest_count--;
	memmove(&index->manifests[at], &index->manifests[at + 1],
		(index->manifest_count - at) * sizeof(*index->manifests));
}

static void remove_attestations(struct image_index *index, const struct digest *image)
{
	for (size_t i = index->manifest_count; i-- > 0;) {
		if (index_entry_attests(&index->manifests[i], image))
			remove_at(index, i);
	}
}

void image_index_append(struct image_index *index, const struct descriptor *entry)
{
	index->manifests = mem_grow(index->manifests, index->manifest_count + 1, sizeof(*index->manifests));
	struct descriptor *added = &index->manifests[index->manifest_count++];
	*added = (struct descriptor){0};
	descriptor_copy(added, entry);
}

void image_index_put(struct image_index *index, const struct descriptor *entry)
{
	struct descriptor *same = image_index_find(index, &entry->digest);
	for (size_t i = 0; !same && i < index->manifest_count; i++) {
		if (same_platform(&index->manifests[i], entry))
			same = &index->manifests[i];
	}
	if (!same) {
		image_index_append(index, entry);
		return;
	}
	const struct digest before = same->digest;
	descriptor_copy(same, entry);
	if (!digest_equal(&before, &entry->digest))
		remove_attestations(index, &before);
}

bool image_index_remove(struct image_index *index, const struct digest *digest)
{
	const struct digest image = *digest; /* may be that of an entry that moves */
	const struct descriptor *entry = image_index_find(index, &image);
	if (!entry)
		return false;
	remove_at(index, (size_t)(entry - index->manifests));
	remove_attestations(index, &image);
	return true;
}

/*
 * Of all claims those about the blobs in hand; and who else looks at what comes in goes on looking.
 */
#include "builder/claims.h"

#include <stdlib.h>

#include "imagefmt/blob.h"

void layer_claims_done(struct layer_claims *claims)
{
	free(claims->items);
}

void layer_claims_add(struct layer_claims *claims, const struct manifest *manifest, const struct image_config *config,
		      size_t i)
{
	claims->items = mem_grow(claims->items, claims->count + 1, sizeof(*claims->items));
	claims->items[claims->count++] =
		(struct layer_claim){.packed = &manifest->layers[i], .diff_id = &config->diff_ids[i]};
}

static bool is_said_before(const struct layer_claims *claims, const struct layer_claim *claim)
{
	for (size_t i = 0; i < claims->count; i++)
		if (digest_equal(&claims->items[i].packed->digest, &claim->packed->digest) &&
		    digest_equal(claims->items[i].diff_id, claim->diff_id))
			return true;
	return false;
}

static void choose(const struct layer_claims *claims, const struct descriptor *const *blobs, size_t count,
		   struct layer_claims *chosen)
{
	chosen->items = mem_alloc((claims->count + 1) * sizeof(*chosen->items));
	for (size_t i = 0; i < claims->count; i++)
		for (size_t k = 0; k < count; k++)
			if (digest_equal(&claims->items[i].packed->digest, &blobs[k]->digest) &&
			    !is_said_before(chosen, &claims->items[i]))
				chosen->items[chosen->count++] = claims->items[i];
}

struct observers {
	const struct blob_observer *before; /* NULL: nobody */
	struct layer_verify *verify;
};

static int tell_both(void *context, const struct digest *want, int fd, uint64_t size, struct error **err)
{
	const struct observers *observers = context;
	const struct blob_observer *before = observers->before;
	int rc = before ? before->grown(before->context, want, fd, size, err) : 0;

	return rc < 0 ? rc : layer_verify_grown(observers->verify, want, fd, size, err);
}

int claims_fetch(const struct layer_claims *claims, struct image_source *source, const struct descriptor *const *blobs,
		 size_t count, struct store *store, struct error **err)
{
	cleanup(layer_claims_done) struct layer_claims chosen = {0};
	cleanup(layer_verify_free) struct layer_verify *verify = NULL;
	struct observers observers = {.before = store_observer(store)};
	const struct blob_observer observer = {.grown = tell_both, .context = &observers};

	if (claims)
		choose(claims, blobs, count, &chosen);
	if (chosen.count == 0)
		return image_source_fetch(source, blobs, count, store, err);
	int rc = layer_verify_start(store, chosen.items, chosen.count, &verify, err);
	if (rc < 0)
		return rc;
	observers.verify = verify;
	store_set_observer(store, &observer);
	rc = image_source_fetch(source, blobs, count, store, err);
	store_set_observer(store, observers.before);
	return rc < 0 ? rc : layer_verify_end(verify, err);
}

int claims_check(const struct layer_claims *claims, const struct descriptor *const *blobs, size_t count,
		 struct store *store, struct error **err)
{
	cleanup(layer_claims_done) struct layer_claims chosen = {0};
	cleanup(layer_verify_free) struct layer_verify *verify = NULL;

	if (claims)
		choose(claims, blobs, count, &chosen);
	if (chosen.count == 0)
		return 0;
	int rc = layer_verify_start(store, chosen.items, chosen.count, &verify, err);
	return rc < 0 ? rc : layer_verify_end(verify, err);
}

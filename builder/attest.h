/*
 * Attestations: unsigned in-toto statements (Statement v1) about an image that was built here. What they say is what
 * cooper saw itself: where the image comes from (SLSA provenance v1), and what the package databases in it list (SPDX
 * 2.3, CycloneDX 1.6). They speak of the manifest as it is sent, so its layers are packed first:
 *
 *	attest_pack_image(…)		the image, with the digest that will arrive
 *	attest_make(…)			the statements
 *	attest_write_entry(…)		BuildKit's layout: an entry of the index beside the image's
 *	attest_push_referrers(…)	or OCI 1.1 referrers: the image's own digest and media type stay
 */
#ifndef COOPER_BUILDER_ATTEST_H
#define COOPER_BUILDER_ATTEST_H

#include "builder/build.h"

#define ATTEST_PROVENANCE_TYPE "https://slsa.dev/provenance/v1"
#define ATTEST_SPDX_TYPE "https://spdx.dev/Document"
#define ATTEST_CYCLONEDX_TYPE "https://cyclonedx.org/bom"
#define ATTEST_STATEMENT_MEDIA_TYPE "application/vnd.in-toto+json"

enum attest_storage { ATTEST_AS_REFERRERS, ATTEST_IN_INDEX };

struct attest_options {
	bool provenance;
	bool is_max;	      /* provenance with the values of build arguments */
	bool spdx, cyclonedx; /* bills of materials: the same in two notations */
	enum attest_storage storage;
	const char *builder_id;	   /* what the user calls who builds; NULL: nobody has said */
	const char *invocation_id; /* of this run */
	int64_t started;	   /* seconds since the epoch */
};
static inline bool attest_is_wanted(const struct attest_options *options)
{
	return options->provenance || options->spdx || options->cyclonedx;
}

struct attestation {
	const char *predicate_type;
	struct digest digest; /* of the statement, a blob of the store */
	uint64_t size;
};
struct attestations {
	struct attestation items[3];
	size_t count;
};

/* Replaces *image by the same with its layers packed, its blobs in the store, and gives it the names. */
int attest_pack_image(struct workshop *w, const struct export_options *export, const struct strlist *names,
		      struct image *image, struct error **err);
/* Writes the statements about result->image, which is to be called `name` (NULL: nothing), into the store. The caller
 * holds it. */
int attest_make(struct workshop *w, const struct attest_options *options, const struct build_options *build,
		const struct build_result *result, const char *name, struct attestations *attestations,
		struct error **err);

/* Writes the manifest of the statements; *entry is what stands for it in the index. */
int attest_write_entry(struct workshop *w, const struct image *image, const struct attestations *attestations,
		       struct descriptor *entry, struct error **err);
/* One manifest for each statement, with the image as its subject, into the repository of ref (whose tag and digest do
 * not matter). The image is there. */
int attest_push_referrers(struct workshop *w, const struct image *image, const struct attestations *attestations,
			  struct registry_client *client, const struct reference *ref, struct error **err);

#endif

/*
 * The predicates, each made in a file of its own: provenance.c, sbom.c (SPDX) and sbom_cyclonedx.c.
 */
#ifndef COOPER_BUILDER_ATTEST_INTERNAL_H
#define COOPER_BUILDER_ATTEST_INTERNAL_H

#include "base/json.h"
#include "builder/attest.h"

/* What a build of the same source on another day would say in the same words is left to be so: with a fixed time there
 * are no times of this run in it. */
static inline bool attest_is_reproducible(const struct build_options *build)
{
	return build->source_date_epoch >= 0 || build->timestamp >= 0;
}

int provenance_make(struct workshop *w, const struct attest_options *options, const struct build_options *build,
		    const struct build_result *result, json_t **predicate, struct error **err);
struct sbom_packages;
/* `name` is the image's, or NULL. */
json_t *sbom_make_spdx(const struct build_result *result, const struct sbom_packages *packages, const char *name);
json_t *sbom_make_cyclonedx(const struct build_result *result, const struct sbom_packages *packages, const char *name);
/* What both say of where they have it from. Static. */
const char *sbom_how(const struct sbom_packages *packages);
/* A name that a document can call the image: `name`, or its digest. Newly allocated. */
MUST_CHECK char *sbom_image_name(const struct image *image, const char *name);

/* ---- sbom_packages.c: the databases of package managers ---- */

struct sbom_package {
	char *kind; /* of a package URL: "deb", "apk" */
	char *name, *version, *architecture;
};
struct sbom_packages {
	struct sbom_package *items; /* as the databases have them */
	size_t count;
	bool are_too_many;  /* there are more, which are not in the list */
	bool has_rpm;	    /* there is a database of rpm's, which is not read */
	char *distribution; /* ID of os-release, "" when there is none */
	char *release;	    /* VERSION_ID, or "" */
};
/* pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12, newly allocated; NULL when it is too long. */
MUST_CHECK char *sbom_package_url(const struct sbom_package *package, const struct sbom_packages *all);
void sbom_packages_done(struct sbom_packages *packages);
CLEANUP_FOR_VALUE(struct sbom_packages, sbom_packages_done)

/* Appends what a database lists; parts without a name or version are passed over. A dpkg status file, whole or of one
 * package as distroless images have it; apk's `installed`. */
void sbom_parse_dpkg(const char *text, struct sbom_packages *packages);
void sbom_parse_apk(const char *text, struct sbom_packages *packages);
/* A field of os-release, "" when it is missing; newly allocated. */
MUST_CHECK char *sbom_os_field(const char *text, const char *key);

/* Of an image: all of the above, where the image has it. */
int sbom_find_packages(struct workshop *w, const struct image *image, struct sbom_packages *packages,
		       struct error **err);

#endif

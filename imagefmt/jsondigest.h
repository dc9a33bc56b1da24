/*
 * Digests in JSON documents, as the typed getters of base/json.h read what is simpler. What is no digest is -EINVAL and
 * named by its place.
 */
#ifndef COOPER_IMAGEFMT_JSONDIGEST_H
#define COOPER_IMAGEFMT_JSONDIGEST_H

#include "base/json.h"
#include "imagefmt/digest.h"

/* Missing or null leaves *digest as it was. */
int json_get_digest(struct json_place at, struct digest *digest, struct error **err);
/* Missing or null is -EINVAL. */
int json_require_digest(struct json_place at, struct digest *digest, struct error **err);

#endif

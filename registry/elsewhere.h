/*
 * Where the bytes of a blob may be besides the registry: in its descriptor, or at the addresses that it names (OCI
 * image-spec descriptor.md, `data` and `urls`). What comes from there is checked as all else is.
 */
#ifndef COOPER_REGISTRY_ELSEWHERE_H
#define COOPER_REGISTRY_ELSEWHERE_H

#include "imagefmt/manifest.h"
#include "imagefmt/store.h"

#include <stdbool.h>

/* Puts what the descriptor carries itself into the store. False when it carries nothing, or not the blob. */
bool elsewhere_take_data(struct store *store, const struct descriptor *blob);
/* The address behind the first `*passed` of those that the blob may be fetched from, borrowed, and *passed counts it;
 * NULL: there is none left. What is not https is left out. */
const char *elsewhere_next_address(const struct descriptor *blob, size_t *passed);
/* True for a layer that is not to be sent to registries unless the user says so: one that must not be distributed and
 * says where it lies. */
bool elsewhere_has_its_place(const struct descriptor *blob);

#endif

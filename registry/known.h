/*
 * Where blobs are known to lie, so that a push mounts them from another repository of the same registry instead of
 * sending them (distribution-spec "Mounting a blob from another repository"). A hint that is wrong costs one request.
 */
#ifndef COOPER_REGISTRY_KNOWN_H
#define COOPER_REGISTRY_KNOWN_H

#include "imagefmt/digest.h"
#include "registry/client.h"

/* The blob is in the repository domain/path ("quay.io", "me/base"). All texts are copied. */
void known_blob_add(struct registry_client *client, const struct digest *digest, const char *domain, const char *path);

#endif

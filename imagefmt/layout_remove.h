/*
 * An image taken out of an OCI layout.
 */
#ifndef COOPER_IMAGEFMT_LAYOUT_REMOVE_H
#define COOPER_IMAGEFMT_LAYOUT_REMOVE_H

#include "imagefmt/reference.h"

/* Takes the entry that the location (oci:) names out of index.json, and then the blobs that none of the other entries
 * leads to; with location->blob_folder blobs stay, other layouts may use them. -ENOENT; -EINVAL when the name is
 * missing and there are several. Waits for those who are writing to the layout. */
int layout_remove_image(const struct location *location, struct error **err);

#endif

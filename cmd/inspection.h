/*
 * Images and containers as the JSON that inspect prints, in two spellings: the names of JSON output ("rootfs"), and the
 * names that Go templates use ("RootFS"), since scripts written for Buildah address Go's fields.
 */
#ifndef COOPER_CMD_INSPECTION_H
#define COOPER_CMD_INSPECTION_H

#include "base/json.h"
#include "builder/container.h"
#include "imagefmt/images.h"

enum spelling { SPELLING_JSON, SPELLING_GO };

/* Whether --format asks for the whole as JSON: it is not there (NULL), or is the word json as with Docker and Podman,
 * which as a template would print itself. */
bool inspect_wants_json(const char *format);

/* Both give a new reference. `mount_point` may be NULL. */
json_t *inspect_container(const struct container *c, const char *mount_point, enum spelling spelling);
/* `config_text` and `manifest_text` are the documents as they are stored. */
json_t *inspect_image(const struct image *image, const char *config_text, const char *manifest_text,
		      enum spelling spelling);

#endif

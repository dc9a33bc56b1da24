/*
 * What media types mean: the words of both families in one table. For this folder; others use manifest.h.
 */
#ifndef COOPER_IMAGEFMT_MEDIATYPE_H
#define COOPER_IMAGEFMT_MEDIATYPE_H

#include "imagefmt/manifest.h"

struct media_kind {
	const char *media_type;
	enum manifest_kind kind;
	enum image_format format;
};
/* NULL for a type (or NULL) that is neither a manifest's nor an index's. Borrowed, for ever. */
const struct media_kind *media_kind(const char *media_type);
bool media_type_is_schema1(const char *media_type);
/* True for what servers say when they do not know: none, octet-stream, text, plain JSON. */
bool media_type_is_generic(const char *media_type);
/* True for a configuration as config.h reads it, not that of an artifact. */
bool media_type_is_config(const char *media_type);

/* The type that a layer (or configuration) of this type has in a manifest of `format`. What has no twin there, such as
 * layers that must not be distributed and those of artifacts, keeps its own. Borrowed. */
const char *layer_type_in(enum image_format format, const char *media_type);
const char *config_type_in(enum image_format format, const char *media_type);

#endif

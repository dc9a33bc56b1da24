/*
 * Fields of a foreign document that have no place in our structs: kept as the text of a JSON object, so that they come
 * out again when the document is rewritten.
 */
#ifndef COOPER_IMAGEFMT_JSONREST_H
#define COOPER_IMAGEFMT_JSONREST_H

#include "base/json.h"

/* The fields of `object` that are not among `known`, as canonical text; NULL when there are none. A field that is one
 * of `known` but for its case is -EINVAL: Go's readers would take it for that one, and others not. */
int json_rest_take(const struct json_place *object, const char *const *known, size_t count, char **rest,
		   struct error **err);
/* Merges what json_rest_take() gave (NULL: nothing) into `object`. What is there already wins; objects on both sides
 * are merged in turn. */
void json_rest_put(json_t *object, const char *rest);
/* Adds to `rest` the object `inner` (text, NULL: nothing) under `key`. */
void json_rest_nest(char **rest, const char *key, const char *inner);
/* Removes the fields `keys` from `rest`, which becomes NULL when nothing is left. */
void json_rest_drop(char **rest, const char *const *keys, size_t count);

#endif

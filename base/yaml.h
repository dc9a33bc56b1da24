/*
 * YAML configuration files (registries.d and the like) as a JSON value: mappings, sequences and scalars. Plain scalars
 * become null, booleans and integers by the rules of YAML 1.2's core schema; all others are strings. One document;
 * duplicate keys, keys that are no scalars, anchors and aliases are -EINVAL with "file:line:". libyaml is loaded when
 * the first file is read.
 */
#ifndef COOPER_BASE_YAML_H
#define COOPER_BASE_YAML_H

#include "base/json.h"

/* An empty document is null. */
int yaml_parse(const char *text, size_t size, const char *file, json_t **root, struct error **err);

#endif

/*
 * The TOML that containers.conf, registries.conf and storage.conf are written in, as a JSON value: tables, dotted keys,
 * arrays of tables, inline tables and arrays, the four kinds of strings, integers, booleans; floats and dates come back
 * as strings. Duplicate keys and bad syntax give -EINVAL with "file:line:".
 */
#ifndef COOPER_BASE_TOML_H
#define COOPER_BASE_TOML_H

#include "base/json.h"

int toml_parse(const char *text, size_t size, const char *file, json_t **root, struct error **err);

#endif

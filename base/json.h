/*
 * JSON, the only door to jansson: strict reading with places in the errors, canonical writing.
 *
 * Readers take a `struct json_place`, which names where in which document we are; an error then reads
 * "config sha256:9f86…: rootfs.diff_ids[2]: not a string".
 *
 *	struct json_place at = json_root("config sha256:…", root);
 *	rc = json_get_string(json_field(&at, "architecture"), &arch, err);   // required
 *	if (json_has(&at, "os")) ...
 */
#ifndef COOPER_BASE_JSON_H
#define COOPER_BASE_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

void json_decref_cleanup(json_t **value);
#define cleanup_json __attribute__((__cleanup__(json_decref_cleanup)))

/* Parses text of `size` bytes: duplicate keys, trailing bytes, NULs and a depth over 64 are -EINVAL. `what` names the
 * document in the error. */
int json_parse(const char *text, size_t size, const char *what, json_t **root, struct error **err);
/* Reads and parses dirfd/path, a file of ours as fd_read_file() reads it; -ENOENT, -EFBIG past max bytes. */
int json_load_at(int dirfd, const char *path, size_t max, json_t **root, struct error **err);
/* The same for a file of the user's, as fd_read_user_file() reads it. */
int json_load_user(const char *path, size_t max, json_t **root, struct error **err);

struct json_place {
	const char *document;		 /* what the root is, for errors */
	const json_t *value;		 /* NULL when the field is missing */
	const struct json_place *parent; /* borrowed: a place lives no longer than its parent */
	const char *key;		 /* field name, or NULL for an element */
	size_t index;
};

struct json_place json_root(const char *document, const json_t *value);
struct json_place json_field(const struct json_place *object, const char *key);
struct json_place json_element(const struct json_place *array, size_t index);

/* True when the value is there and not null. */
bool json_is_present(const struct json_place *at);
/* "document: a.b[2]: text", -EINVAL. */
int json_error(const struct json_place *at, struct error **err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Typed getters. A missing or null value leaves *out as it was and succeeds: defaults are set before; what is required
 * is checked by json_require(). The wrong type is -EINVAL. Strings come back newly allocated; an embedded NUL is
 * -EINVAL. */
int json_require(const struct json_place *at, struct error **err);
int json_get_string(struct json_place at, char **out, struct error **err);
int json_get_i64(struct json_place at, int64_t *out, struct error **err);
int json_get_u64(struct json_place at, uint64_t *out, struct error **err);
int json_get_bool(struct json_place at, bool *out, struct error **err);
int json_get_strlist(struct json_place at, struct strlist *out, struct error **err);
/* An object of strings, as sorted "key=value" entries. */
int json_get_map(struct json_place at, struct strlist *out, struct error **err);
/* The array's or object's size; 0 when missing; -EINVAL when it is another type. */
ssize_t json_get_count(struct json_place at, struct error **err);

/* Building. NULL strings and empty lists are left out by the _opt forms. */
void json_set_string(json_t *object, const char *key, const char *value);
void json_set_string_opt(json_t *object, const char *key, const char *value);
void json_set_i64(json_t *object, const char *key, int64_t value);
void json_set_bool(json_t *object, const char *key, bool value);
void json_set_strlist(json_t *object, const char *key, const struct strlist *list);
void json_set_strlist_opt(json_t *object, const char *key, const struct strlist *list);
void json_set_map_opt(json_t *object, const char *key, const struct strlist *map); /* from "key=value" entries */
void json_set_take(json_t *object, const char *key, json_t *value);		   /* takes the reference */
/* Bytes of a path or name that may not be UTF-8: invalid ones become U+FFFD. */
MUST_CHECK json_t *json_from_bytes(const char *text);

/* Canonical text: keys sorted, no spaces, UTF-8 unescaped. Equal values give equal bytes. */
void json_format(const json_t *value, struct buf *into);
/* For people: `indent` spaces, keys sorted, newline at the end. */
void json_format_pretty(const json_t *value, int indent, struct buf *into);

#endif

/*
 * Named values, hashed.
 */
#include "builder/build_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void build_key_done(struct build_key *key)
{
	buf_done(&key->chunk);
	hasher_free(key->hasher);
	key->hasher = NULL;
}

/* Hands full chunks to a hasher, which is made for the first one. */
static void flush(struct build_key *key)
{
	if (!key->hasher && hasher_new(DIGEST_SHA256, &key->hasher, NULL) < 0) {
		key->failed = true;
		buf_clear(&key->chunk);
		return;
	}
	hasher_update(key->hasher, key->chunk.data, key->chunk.len);
	buf_clear(&key->chunk);
}

static void add(struct build_key *key, const char *data, size_t size)
{
	while (size) {
		size_t part = size < BUILD_KEY_CHUNK ? size : BUILD_KEY_CHUNK;
		if (key->chunk.len + part > BUILD_KEY_CHUNK)
			flush(key);
		buf_append(&key->chunk, data, part);
		data += part;
		size -= part;
	}
}

static void add_header(struct build_key *key, const char *name, size_t size)
{
	char number[32];
	int length = snprintf(number, sizeof(number), " %zu:", size);

	add(key, name, strlen(name));
	add(key, number, (size_t)length);
}

void build_key_text(struct build_key *key, const char *name, const char *value)
{
	if (!value) {
		add(key, name, strlen(name));
		add(key, " -\n", 3);
		return;
	}
	add_header(key, name, strlen(value));
	add(key, value, strlen(value));
	add(key, "\n", 1);
}

void build_key_number(struct build_key *key, const char *name, uint64_t value)
{
	char number[32];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
	build_key_text(key, name, number);
}

void build_key_list(struct build_key *key, const char *name, const struct strlist *list)
{
	build_key_number(key, name, list->count);
	for (size_t i = 0; i < list->count; i++)
		build_key_text(key, "", list->items[i]);
}

void build_key_digest(struct build_key *key, const char *name, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];

	build_key_text(key, name, digest_format(digest, text));
}

int build_key_finish(struct build_key *key, struct digest *digest, struct error **err)
{
	if (!key->hasher && !key->failed)
		return digest_of(buf_str(&key->chunk), key->chunk.len, digest, err);
	if (!key->failed)
		flush(key);
	if (key->failed)
		return error_set(err, ENOMEM, "make a key of the build cache: SHA-256 is not available");
	hasher_finish(key->hasher, digest);
	return 0;
}

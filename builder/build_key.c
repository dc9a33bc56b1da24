/*
 * Named values, hashed.
 */
#include "builder/build_key.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "builder/key_parts.h"

void build_key_done(struct build_key *key)
{
	buf_done(&key->chunk);
	hasher_free(key->hasher);
	key->hasher = NULL;
}

/* ---- bytes ----------------------------------------------------------------------------------------------------------
 */

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

static void add(struct build_key *key, const void *bytes, size_t size)
{
	const char *data = bytes;

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

static void add_text(struct build_key *key, const char *name, const char *value)
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

/* ---- values ---------------------------------------------------------------------------------------------------------
 */

void build_key_text(struct build_key *key, const char *name, const char *value)
{
	add_text(key, name, value);
	if (key->parts)
		key_parts_add_value(key->parts, name, value);
}

void build_key_number(struct build_key *key, const char *name, uint64_t value)
{
	char number[32];

	snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
	build_key_text(key, name, number);
}

static void add_list(struct build_key *key, const char *name, const struct strlist *list)
{
	char number[32];

	snprintf(number, sizeof(number), "%zu", list->count);
	add_text(key, name, number);
	for (size_t i = 0; i < list->count; i++)
		add_text(key, "", list->items[i]);
}

void build_key_list(struct build_key *key, const char *name, const struct strlist *list)
{
	add_list(key, name, list);
	if (!key->parts)
		return;
	cleanup_free char *joined = strlist_join(list, "\n");
	key_parts_add_value(key->parts, name, joined);
}

void build_key_env(struct build_key *key, const char *name, const struct strlist *env)
{
	add_list(key, name, env);
	for (size_t i = 0; key->parts && i < env->count; i++)
		key_parts_add_variable(key->parts, env->items[i]);
}

void build_key_digest(struct build_key *key, const char *name, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];

	build_key_text(key, name, digest_format(digest, text));
}

/* Fixed fields, each path up to its NUL, and behind it what the kind of file has: there is one way to read it. */
void build_key_file(struct build_key *key, const struct build_key_file *file)
{
	const uint32_t numbers[] = {htole32(file->mode), htole32(file->has_owner), htole32(file->uid),
				    htole32(file->gid)};
	const uint64_t device = htole64(file->device);

	add(key, "F", 1);
	add(key, file->path, strlen(file->path) + 1);
	add(key, numbers, sizeof(numbers));
	add(key, &device, sizeof(device));
	if (file->link)
		add(key, file->link, strlen(file->link) + 1);
	if (file->content)
		add(key, file->content->bytes, BUILD_KEY_CONTENT_SIZE);
	if (key->parts)
		key_parts_add_file(key->parts, file);
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

/* The file of a container's layers: written, read, and compared with what is there. */
#include "builder/container_base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/fields.h"
#include "base/parse.h"

#define PREFIX "base-"

enum key {
	KEY_DIFF_ID = 'd',
	KEY_LAYER_TYPE = 't',
	KEY_MANIFEST = 'i',
	KEY_HISTORY = 'h', /* begins an entry; "empty" or "" */
	KEY_CREATED = 'c',
	KEY_CREATED_BY = 'b',
	KEY_AUTHOR = 'a',
	KEY_COMMENT = 'm',
};

void container_base_free(struct container_base *base)
{
	if (!base)
		return;
	free(base->name);
	buf_done(&base->text);
	free(base);
}

void container_base_copy(const struct container_base *from, struct container_base *to)
{
	if (!from || !from->name)
		return;
	mem_replace(&to->name, from->name);
	to->text = BUF_INIT(CONTAINER_BASE_SIZE_MAX);
	buf_append(&to->text, from->text.data, from->text.len);
}

/* ---- writing ---- */

void container_base_format(const struct container *c, struct buf *text)
{
	char digest[DIGEST_TEXT_SIZE];

	for (size_t i = 0; i < c->config.diff_id_count; i++)
		field_put(text, KEY_DIFF_ID, digest_format(&c->config.diff_ids[i], digest));
	for (size_t i = 0; i < c->layer_types.count; i++)
		field_put(text, KEY_LAYER_TYPE, c->layer_types.items[i]);
	for (size_t i = 0; i < c->config.history_count; i++) {
		const struct history *entry = &c->config.history[i];
		field_put(text, KEY_HISTORY, entry->empty_layer ? "empty" : "");
		field_put(text, KEY_CREATED, entry->created);
		field_put(text, KEY_CREATED_BY, entry->created_by);
		field_put(text, KEY_AUTHOR, entry->author);
		field_put(text, KEY_COMMENT, entry->comment);
	}
	field_put(text, KEY_MANIFEST, c->image_manifest ? c->image_manifest : "");
}

/* ---- reading ---- */

static int take_diff_id(const struct field *field, struct container *c)
{
	struct digest digest;
	char text[DIGEST_TEXT_SIZE];

	if (field->size >= sizeof(text))
		return -EINVAL;
	memcpy(text, field->value, field->size);
	text[field->size] = '\0';
	if (digest_parse(text, &digest, NULL) < 0)
		return -EINVAL;
	image_config_add_diff_id(&c->config, &digest);
	return 0;
}

static int take_history(const struct field *field, struct container *c)
{
	struct history *last = c->config.history_count ? &c->config.history[c->config.history_count - 1] : NULL;
	char **place = NULL;

	if (field->key == KEY_HISTORY) {
		image_config_add_history(&c->config, &(struct history){.empty_layer = field->size > 0});
		return 0;
	}
	switch (field->key) {
	case KEY_CREATED:
		place = last ? &last->created : NULL;
		break;
	case KEY_CREATED_BY:
		place = last ? &last->created_by : NULL;
		break;
	case KEY_AUTHOR:
		place = last ? &last->author : NULL;
		break;
	case KEY_COMMENT:
		place = last ? &last->comment : NULL;
		break;
	}
	if (!place || *place)
		return -EINVAL;
	*place = mem_strndup(field->value, field->size);
	return 0;
}

static int take_field(const struct field *field, struct container *c)
{
	if (field->key == KEY_DIFF_ID)
		return take_diff_id(field, c);
	if (field->key == KEY_LAYER_TYPE) {
		strlist_take(&c->layer_types, mem_strndup(field->value, field->size));
		return 0;
	}
	if (field->key == KEY_MANIFEST) {
		free(c->image_manifest);
		c->image_manifest = mem_strndup(field->value, field->size);
		return 0;
	}
	return take_history(field, c);
}

int container_base_parse(const struct buf *text, const char *what, struct container *c, struct error **err)
{
	struct field field = {0};
	size_t at = 0;
	int rc;

	while ((rc = field_next(text, &at, &field)) > 0 && (rc = take_field(&field, c)) == 0)
		;
	/* The last one, always there: what was cut between two fields is noticed as well. */
	if (rc == 0 && field.key != KEY_MANIFEST)
		rc = -EINVAL;
	return rc < 0 ? error_set(err, -rc, "%s: it is damaged at byte %zu", what, at) : 0;
}

/* ---- the file ---- */

/* Takes the text. */
static void remember(struct container_base *base, const char *name, struct buf *text)
{
	mem_replace(&base->name, name);
	buf_done(&base->text);
	base->text = *text;
	*text = BUF_INIT(CONTAINER_BASE_SIZE_MAX);
}

static bool is_base_name(const char *name)
{
	return text_has_prefix(name, PREFIX) && !strchr(name, '/');
}

int container_base_load(int dirfd, const char *id, const char *name, struct container *c, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONTAINER_BASE_SIZE_MAX);
	cleanup_free char *path = mem_printf("%s/%s", id, name);

	if (!is_base_name(name))
		return error_set(err, EINVAL, "container %.12s: '%s' is no file of its layers", id, name);
	int rc = fd_read_file(dirfd, path, &text, err);
	if (rc == 0)
		rc = container_base_parse(&text, path, c, err);
	if (rc == 0)
		remember(c->base, name, &text);
	return rc;
}

static char *random_name(void)
{
	uint64_t random = 0;

	/* Only to keep names apart. */
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)getpid();
	return mem_printf(PREFIX "%016llx", (unsigned long long)random);
}

static bool is_same(const struct container_base *base, const struct buf *text)
{
	return base && base->name && base->text.len == text->len &&
	       memcmp(buf_str(&base->text), buf_str(text), text->len) == 0;
}

int container_base_save(int dir, const struct container *c, char **name, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(CONTAINER_BASE_SIZE_MAX);

	container_base_format(c, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the layers and history of container '%s' are too large", c->name);
	if (is_same(c->base, &text)) {
		*name = mem_strdup(c->base->name);
		return 0;
	}
	cleanup_free char *made = random_name();
	int rc = atomic_file_write(dir, made, 0600, buf_str(&text), text.len, ATOMIC_FILE_SYNC, err);
	if (rc < 0)
		return rc;
	/* The next one, of the same command, finds it written. */
	if (c->base) {
		remember(c->base, made, &text);
		c->base->has_others = true;
	}
	*name = take_ptr(&made);
	return 0;
}

void container_base_tidy(int dir, const struct container *c, const char *name)
{
	cleanup_directory DIR *names = NULL;
	int rc = directory_open(dir, ".", &names, NULL);

	for (const struct dirent *entry; rc == 0 && (entry = directory_next(names, &rc, NULL));)
		if (is_base_name(entry->d_name) && strcmp(entry->d_name, name) != 0)
			unlinkat(dir, entry->d_name, /* flags */ 0); /* what stays goes the next time */
	if (c->base && rc == 0)
		c->base->has_others = false;
}

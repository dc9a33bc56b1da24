/*
 * Parts of keys as bytes, and what differs between two of them. A part is
 *
 *	kind 1, shared 2, size 2, hash 8, of a file also mode 4, uid 4, gid 4, then `size` bytes of its name
 *
 * where `shared` is how much of the name before it begins the name. Numbers are the machine's: it never leaves it.
 */
#include "builder/key_parts.h"

#include <stdlib.h>
#include <string.h>

#define REST_NAME "the rest of the files"

struct part_head {
	uint8_t kind;
	uint16_t shared, size;
	uint64_t hash;
	uint32_t mode, uid, gid;
} __attribute__((packed));

void key_parts_done(struct key_parts *parts)
{
	buf_done(&parts->bytes);
	buf_done(&parts->last);
}

/* ---- writing --------------------------------------------------------------------------------------------------------
 */

/* FNV-1a: only to see that something is different; the key itself decides. */
static uint64_t hash_more(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_of(const void *data, size_t size)
{
	return hash_more(UINT64_C(0xcbf29ce484222325), data, size);
}

static size_t common_length(const char *a, const char *b, size_t max)
{
	size_t i = 0;

	while (i < max && a[i] && a[i] == b[i])
		i++;
	return i;
}

static void add(struct key_parts *parts, struct part_head head, const char *name, size_t length)
{
	size_t shared = common_length(buf_str(&parts->last), name, length < UINT16_MAX ? length : UINT16_MAX);
	size_t room = parts->bytes.max - parts->bytes.len;
	size_t needed = 2 * sizeof(head) + length - shared + strlen(REST_NAME);

	/* One part behind this must still fit. */
	if (parts->rest || length - shared > UINT16_MAX || room < needed) {
		parts->rest = hash_more(parts->rest ? parts->rest : 1, name, length);
		parts->rest = hash_more(parts->rest, &head, sizeof(head)) | 1;
		return;
	}
	head.shared = (uint16_t)shared;
	head.size = (uint16_t)(length - shared);
	buf_append(&parts->bytes, &head, sizeof(head));
	buf_append(&parts->bytes, name + shared, length - shared);
	buf_clear(&parts->last);
	buf_append(&parts->last, name, length);
}

void key_parts_add_value(struct key_parts *parts, const char *name, const char *value)
{
	add(parts, (struct part_head){.kind = KEY_VALUE, .hash = value ? hash_of(value, strlen(value)) : 0}, name,
	    strlen(name));
}

void key_parts_add_variable(struct key_parts *parts, const char *text)
{
	size_t name = strcspn(text, "=");

	add(parts, (struct part_head){.kind = KEY_VARIABLE, .hash = hash_of(text + name, strlen(text + name))}, text,
	    name);
}

void key_parts_add_file(struct key_parts *parts, const struct build_key_file *file)
{
	const char *name = file->shown ? file->shown : file->path;
	uint64_t hash = hash_of(&file->device, sizeof(file->device));

	if (file->link)
		hash = hash_more(hash, file->link, strlen(file->link));
	if (file->content)
		hash = hash_more(hash, file->content->bytes, BUILD_KEY_CONTENT_SIZE);
	const struct part_head head = {.kind = KEY_FILE,
				       .hash = hash,
				       .mode = file->mode,
				       .uid = file->has_owner ? file->uid : 0,
				       .gid = file->has_owner ? file->gid : 0};
	add(parts, head, name, strlen(name));
}

void key_parts_end(struct key_parts *parts)
{
	struct part_head head = {.kind = KEY_REST, .hash = parts->rest};

	if (!parts->rest)
		return;
	head.size = (uint16_t)strlen(REST_NAME);
	buf_append(&parts->bytes, &head, sizeof(head));
	buf_append_str(&parts->bytes, REST_NAME);
}

/* ---- reading --------------------------------------------------------------------------------------------------------
 */

struct part {
	struct part_head head;
	char *name;
	size_t number;
};
struct part_list {
	struct part *items;
	size_t count;
};

static void part_list_done(struct part_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
}
CLEANUP_FOR_VALUE(struct part_list, part_list_done)

static bool read_part(const char *bytes, size_t size, const char *last, struct part *part, size_t *taken)
{
	struct part_head head;

	if (size < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (head.kind > KEY_REST || head.shared > strlen(last) || head.size > size - sizeof(head))
		return false;
	*taken = sizeof(head) + head.size;
	*part = (struct part){
		.head = head,
		.name = mem_printf("%.*s%.*s", (int)head.shared, last, (int)head.size, bytes + sizeof(head))};
	return true;
}

static int compare_parts(const void *a, const void *b)
{
	const struct part *one = a, *other = b;

	if (one->head.kind != other->head.kind)
		return one->head.kind < other->head.kind ? -1 : 1;
	int order = strcmp(one->name, other->name);
	return order ? order : (one->number > other->number) - (one->number < other->number);
}

static bool read_list(const char *bytes, size_t size, struct part_list *list)
{
	size_t room = 0;

	for (size_t taken = 0; size; bytes += taken, size -= taken) {
		const char *last = list->count ? list->items[list->count - 1].name : "";
		if (list->count == room) {
			room = room ? room * 2 : 64;
			list->items = mem_grow(list->items, room, sizeof(*list->items));
		}
		if (!read_part(bytes, size, last, &list->items[list->count], &taken))
			return false;
		list->items[list->count].number = list->count;
		list->count++;
	}
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_parts);
	return true;
}

/* ---- comparing ------------------------------------------------------------------------------------------------------
 */

void key_changes_done(struct key_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->items[i].name);
		free(changes->items[i].change);
	}
	free(changes->items);
	*changes = (struct key_changes){0};
}

void key_changes_add(struct key_changes *changes, enum key_change_kind kind, const char *name, const char *change)
{
	changes->items = mem_grow(changes->items, changes->count + 1, sizeof(*changes->items));
	changes->items[changes->count++] =
		(struct key_change){.kind = kind, .name = mem_strdup(name), .change = mem_strdup(change)};
}

static void add_change(struct key_changes *changes, const struct part *part, const char *change)
{
	key_changes_add(changes, (enum key_change_kind)part->head.kind, part->name, change);
}

static void compare_file(const struct part *before, const struct part *now, struct key_changes *changes)
{
	const struct part_head *a = &before->head, *b = &now->head;
	const uint32_t type = 0170000;

	if ((a->mode & type) != (b->mode & type)) {
		add_change(changes, now, "it is another kind of file");
		return;
	}
	if (a->hash != b->hash)
		add_change(changes, now, "content changed");
	if (a->mode != b->mode) {
		cleanup_free char *text = mem_printf("mode %04o -> %04o", a->mode & ~type, b->mode & ~type);
		add_change(changes, now, text);
	}
	if (a->uid != b->uid || a->gid != b->gid) {
		cleanup_free char *text = mem_printf("owner %u:%u -> %u:%u", a->uid, a->gid, b->uid, b->gid);
		add_change(changes, now, text);
	}
}

static void compare_part(const struct part *before, const struct part *now, struct key_changes *changes)
{
	if (now->head.kind == KEY_FILE)
		compare_file(before, now, changes);
	else if (before->head.hash != now->head.hash)
		add_change(changes, now, "changed");
}

/* The order of two parts that are to be the same one: their place in the key does not matter. */
static int same_place(const struct part *a, const struct part *b)
{
	struct part one = *a, other = *b;

	one.number = other.number = 0;
	return compare_parts(&one, &other);
}

bool key_parts_compare(const void *before, size_t before_size, const void *now, size_t now_size,
		       struct key_changes *changes)
{
	cleanup(part_list_done) struct part_list old = {0}, new = {0};
	size_t i = 0, k = 0;

	if (!read_list(before, before_size, &old) || !read_list(now, now_size, &new))
		return false;
	while (i < old.count || k < new.count) {
		int order = i == old.count ? 1 : k == new.count ? -1 : same_place(&old.items[i], &new.items[k]);
		if (order < 0)
			add_change(changes, &old.items[i++], "removed");
		else if (order > 0)
			add_change(changes, &new.items[k++], "added");
		else
			compare_part(&old.items[i++], &new.items[k++], changes);
	}
	return true;
}

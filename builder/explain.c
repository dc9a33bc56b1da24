/*
 * One file for each stage: a head, a fixed entry for each step, and behind them each step's text (with its NUL) and
 * parts. It is mapped, so that a build in which nothing has changed only looks at the keys in front.
 */
#include "builder/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"

#define MAGIC "coopexp1"
#define FILE_SIZE_MAX ((size_t)16 << 20)
#define STEPS_MAX 10000

struct file_head {
	char magic[8];
	uint64_t count;
};

struct file_step {
	uint8_t key[BUILD_KEY_CONTENT_SIZE]; /* zeros: a step without a layer */
	uint64_t text_size, parts_size;
};

struct step {
	uint8_t key[BUILD_KEY_CONTENT_SIZE];
	bool is_there;
	const char *text;
	const char *parts;
	size_t parts_size;
	char *own_text, *own_parts; /* what the two above point to, unless it is in the map */
};

struct explain {
	struct store *store;
	char *name; /* in cache/ */
	void *map;
	size_t map_size;
	struct step *before, *now;
	size_t before_count, count;
};

/* ---- reading --------------------------------------------------------------------------------------------------------
 */

/* Fills the steps that the file has; false when it is not to be believed. */
static bool read_steps(struct explain *explain)
{
	struct file_head head;
	const char *at = explain->map, *end = at + explain->map_size;

	if (explain->map_size < sizeof(head))
		return false;
	memcpy(&head, at, sizeof(head));
	at += sizeof(head);
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)) != 0 || head.count > STEPS_MAX ||
	    (size_t)(end - at) < head.count * sizeof(struct file_step))
		return false;
	const char *data = at + head.count * sizeof(struct file_step);
	explain->before = mem_alloc((head.count + 1) * sizeof(*explain->before));
	for (; explain->before_count < head.count; at += sizeof(struct file_step)) {
		struct file_step read;
		struct step *step = &explain->before[explain->before_count];
		memcpy(&read, at, sizeof(read));
		if (read.text_size == 0 || read.text_size > (size_t)(end - data) ||
		    read.parts_size > (size_t)(end - data) - read.text_size || data[read.text_size - 1])
			return false;
		*step = (struct step){.text = data, .parts = data + read.text_size, .parts_size = read.parts_size};
		memcpy(step->key, read.key, sizeof(step->key));
		step->is_there = *step->text != '\0';
		data += read.text_size + read.parts_size;
		explain->before_count++;
	}
	return true;
}

static void map_file(struct explain *explain, int cache)
{
	cleanup_close int fd = openat(cache, explain->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || (uint64_t)st.st_size > FILE_SIZE_MAX)
		return;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	explain->map = map;
	explain->map_size = (size_t)st.st_size;
	if (!read_steps(explain))
		explain->before_count = 0;
}

struct explain *explain_open(struct store *store, const struct digest *place, size_t count)
{
	struct explain *explain = mem_alloc(sizeof(*explain));
	char hex[DIGEST_HEX_SIZE];
	int cache = store_folder(store, STORE_CACHE, NULL);

	*explain = (struct explain){.store = store, .count = count};
	explain->name = mem_printf(EXPLAIN_FOLDER "/%s", digest_hex(place, hex));
	explain->now = mem_alloc((count + 1) * sizeof(*explain->now));
	if (cache >= 0)
		map_file(explain, cache);
	return explain;
}

static void drop_step(struct step *step)
{
	free(step->own_text);
	free(step->own_parts);
	*step = (struct step){0};
}

void explain_close(struct explain *explain)
{
	if (!explain)
		return;
	for (size_t i = 0; i < explain->count; i++)
		drop_step(&explain->now[i]);
	free(explain->now);
	free(explain->before);
	free(explain->name);
	if (explain->map)
		munmap(explain->map, explain->map_size);
	free(explain);
}

/* ---- steps ----------------------------------------------------------------------------------------------------------
 */

static bool has_same_word(const char *a, const char *b)
{
	size_t length = strcspn(a, " \t\n");

	return strncmp(a, b, length) == 0 && length == strcspn(b, " \t\n");
}

static const struct step *counterpart(const struct explain *explain, const struct explain_step *step)
{
	const struct step *found = NULL;
	size_t distance = SIZE_MAX;

	/* Nearer is none. Most are where they were. */
	if (step->number < explain->before_count) {
		const struct step *same = &explain->before[step->number];
		if (same->is_there && strcmp(same->text, step->text) == 0)
			return same;
	}
	for (size_t i = 0; i < explain->before_count; i++) {
		const struct step *other = &explain->before[i];
		size_t away = i > step->number ? i - step->number : step->number - i;
		if (!other->is_there || away >= distance || strcmp(other->text, step->text) != 0)
			continue;
		found = other;
		distance = away;
	}
	if (found || step->number >= explain->before_count)
		return found;
	found = &explain->before[step->number];
	return found->is_there && has_same_word(found->text, step->text) ? found : NULL;
}

static bool has_key(const struct step *step, const struct digest *key)
{
	return step && step->is_there && memcmp(step->key, key->bytes, sizeof(step->key)) == 0;
}

bool explain_knows(const struct explain *explain, const struct explain_step *step)
{
	return has_key(&explain->now[step->number], step->key) || has_key(counterpart(explain, step), step->key);
}

bool explain_goes_on(const struct explain *explain, size_t number, const char *text)
{
	size_t below = number;

	if (number >= explain->before_count || !explain->before[number].is_there ||
	    strcmp(explain->before[number].text, text) != 0)
		return false;
	while (below > 0 && !explain->now[below - 1].is_there && !explain->before[below - 1].is_there)
		below--; /* they give no layer */
	return below > 0 && explain->now[below - 1].is_there && explain->before[below - 1].is_there &&
	       memcmp(explain->now[below - 1].key, explain->before[below - 1].key, sizeof(explain->now->key)) == 0;
}

void explain_note(struct explain *explain, const struct explain_step *step, const struct key_parts *parts)
{
	struct step *now = &explain->now[step->number];
	const struct step *before = counterpart(explain, step);

	if (!parts && has_key(now, step->key))
		return;
	drop_step(now);
	now->is_there = true;
	memcpy(now->key, step->key->bytes, sizeof(now->key));
	if (before && strcmp(before->text, step->text) == 0)
		now->text = before->text;
	else
		now->text = now->own_text = mem_strdup(step->text);
	if (parts) {
		now->parts = now->own_parts = mem_dup(buf_str(&parts->bytes), parts->bytes.len + 1);
		now->parts_size = parts->bytes.len;
	} else if (before) {
		now->parts = before->parts;
		now->parts_size = before->parts_size;
	}
}

enum explain_verdict explain_compare(const struct explain *explain, const struct explain_step *step,
				     struct key_changes *changes, const char **before)
{
	const struct step *now = &explain->now[step->number], *old = counterpart(explain, step);

	*before = old ? old->text : NULL;
	if (explain->before_count == 0)
		return EXPLAIN_FIRST;
	if (!old || !now->is_there)
		return EXPLAIN_NEW;
	/* Where one of them cannot be read nothing can be said about it. */
	if (!key_parts_compare(old->parts, old->parts_size, now->parts, now->parts_size, changes))
		return EXPLAIN_NEW;
	return changes->count ? EXPLAIN_CHANGED : EXPLAIN_SAME;
}

/* ---- writing --------------------------------------------------------------------------------------------------------
 */

/* The steps as they are to be written: what was noted, and behind it, of a stage that has not come to its end, what was
 * there. */
static const struct step *step_at(const struct explain *explain, size_t number, size_t noted)
{
	static const struct step none = {0};

	if (number < explain->count && (explain->now[number].is_there || number < noted))
		return &explain->now[number];
	return number >= noted && number < explain->before_count ? &explain->before[number] : &none;
}

static bool is_as_before(const struct explain *explain, size_t count, size_t noted)
{
	if (count != explain->before_count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct step *step = step_at(explain, i, noted), *before = &explain->before[i];
		if (step->is_there != before->is_there || step->own_text || step->own_parts ||
		    memcmp(step->key, before->key, sizeof(step->key)) != 0)
			return false;
	}
	return true;
}

static void format_steps(const struct explain *explain, size_t count, size_t noted, struct buf *into)
{
	struct file_head head = {.magic = MAGIC, .count = count};

	buf_append(into, &head, sizeof(head));
	for (size_t i = 0; i < count; i++) {
		const struct step *step = step_at(explain, i, noted);
		struct file_step written = {.text_size = strlen(step->text ? step->text : "") + 1,
					    .parts_size = step->parts_size};
		memcpy(written.key, step->key, sizeof(written.key));
		buf_append(into, &written, sizeof(written));
	}
	for (size_t i = 0; i < count; i++) {
		const struct step *step = step_at(explain, i, noted);
		const char *text = step->text ? step->text : "";
		buf_append(into, text, strlen(text) + 1);
		buf_append(into, step->parts, step->parts_size);
	}
}

void explain_save(const struct explain *explain, bool is_whole)
{
	cleanup(buf_done) struct buf bytes = BUF_INIT(FILE_SIZE_MAX);
	cleanup_error struct error *error = NULL;
	int cache = store_folder(explain->store, STORE_CACHE, NULL);
	size_t noted = explain->count, count = explain->count;

	while (!is_whole && noted > 0 && !explain->now[noted - 1].is_there)
		noted--;
	if (!is_whole && explain->before_count > count)
		count = explain->before_count;
	if (cache < 0 || count > STEPS_MAX || is_as_before(explain, count, noted))
		return;
	format_steps(explain, count, noted, &bytes);
	if (bytes.overflow || (mkdirat(cache, EXPLAIN_FOLDER, 0700) < 0 && errno != EEXIST))
		return;
	if (atomic_file_write(cache, explain->name, 0600, bytes.data, bytes.len, /* flags */ 0, &error) < 0)
		log_debug("%s; --explain will not know about this build", error_message(error));
}

/*
 * cache/stacks/<hash of the diff_ids and the id map>: a line that says for what it holds, then the name of each tree in
 * layers/, bottommost first. Not synced, and missing at any time.
 */
#include "imagefmt/layer_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/tree.h"

#define FOLDER "stacks"
#define COUNT_MIN 8
#define SIZE_MAX_TEXT ((size_t)1 << 20)

/* Copied with the store (cp -a) it says nothing: records of owners go by inode (layer.h). */
static char *format_head(struct store *store)
{
	struct stat st;
	int layers = store_folder(store, STORE_LAYERS, NULL);

	if (layers < 0 || fstat(layers, &st) < 0)
		return NULL;
	return mem_printf("1 %s %llx:%llx\n", store_boot_id(store), (unsigned long long)st.st_dev,
			  (unsigned long long)st.st_ino);
}

static char *path_of(struct store *store, const struct digest *diff_ids, size_t count, const char *suffix)
{
	cleanup(hasher_free) struct hasher *hasher = NULL;
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];

	if (hasher_new(DIGEST_SHA256, &hasher, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		uint8_t algorithm = (uint8_t)diff_ids[i].algorithm;
		hasher_update(hasher, &algorithm, sizeof(algorithm));
		hasher_update(hasher, diff_ids[i].bytes, algorithm == DIGEST_SHA256 ? 32 : sizeof(diff_ids[i].bytes));
	}
	hasher_update(hasher, store_id_map(store), strlen(store_id_map(store)));
	hasher_finish(hasher, &digest);
	return mem_printf(FOLDER "/%s%s", digest_hex(&digest, hex), suffix);
}

/* A name of a tree of this layer: "<hex>" or "<hex>.<map>". */
static bool is_name_of(const char *name, const char *hex)
{
	size_t length = strlen(hex);

	return strncmp(name, hex, length) == 0 && (name[length] == '\0' || name[length] == '.') && !strchr(name, '/');
}

/* The names, by lines of `text` behind its head; false when it is not about these layers. */
static bool take_names(struct store *store, const struct digest *diff_ids, size_t count, char *text)
{
	for (size_t i = 0; i < count; i++) {
		char hex[DIGEST_HEX_SIZE];
		char *end = strchr(text, '\n');
		if (!end)
			return false;
		*end = '\0';
		if (!is_name_of(text, digest_hex(&diff_ids[i], hex)))
			return false;
		store_know_layer(store, hex, text);
		text = end + 1;
	}
	return *text == '\0';
}

/* What stands behind the head in a file that holds, or NULL. */
static char *read_note(struct store *store, const char *path, struct buf *text)
{
	cleanup_free char *head = format_head(store);
	int cache = store_folder(store, STORE_CACHE, NULL);

	if (cache < 0 || !path || !head || fd_read_file(cache, path, text, NULL) < 0 ||
	    strncmp(buf_str(text), head, strlen(head)) != 0)
		return NULL;
	return text->data + strlen(head);
}

static void write_note(struct store *store, const char *path, const struct buf *text)
{
	cleanup_error struct error *why = NULL;
	int cache = store_folder(store, STORE_CACHE, NULL);

	if (cache < 0 || text->overflow || (mkdirat(cache, FOLDER, 0700) < 0 && errno != EEXIST))
		return;
	if (atomic_file_write(cache, path, 0600, text->data, text->len, /* flags */ 0, &why) < 0)
		log_debug("what is known of these layers is not written down: %s", error_message(why));
}

static bool recall(struct store *store, const struct digest *diff_ids, size_t count)
{
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_MAX_TEXT);

	if (count < COUNT_MIN)
		return false;
	cleanup_free char *path = path_of(store, diff_ids, count, "");
	char *names = read_note(store, path, &text);
	return names && take_names(store, diff_ids, count, names);
}

bool layer_stack_recall(struct store *store, const struct digest *diff_ids, size_t count)
{
	if (recall(store, diff_ids, count))
		return true;
	/* A commit has put one more on them. */
	if (count > 1)
		recall(store, diff_ids, count - 1);
	return false;
}

bool layer_stack_read(struct store *store, const struct digest *diff_ids, size_t count, const char *what,
		      struct buf *text)
{
	cleanup(buf_done) struct buf whole = BUF_INIT(SIZE_MAX_TEXT);
	cleanup_free char *suffix = mem_printf(".%s", what);

	if (count < COUNT_MIN)
		return false;
	cleanup_free char *path = path_of(store, diff_ids, count, suffix);
	const char *found = read_note(store, path, &whole);
	if (found)
		buf_append_str(text, found);
	return found != NULL;
}

void layer_stack_write(struct store *store, const struct digest *diff_ids, size_t count, const char *what,
		       const struct buf *text)
{
	cleanup(buf_done) struct buf whole = BUF_INIT(SIZE_MAX_TEXT);
	cleanup_free char *suffix = mem_printf(".%s", what);

	if (count < COUNT_MIN)
		return;
	cleanup_free char *path = path_of(store, diff_ids, count, suffix);
	cleanup_free char *head = format_head(store);
	if (!path || !head)
		return;
	buf_append_str(&whole, head);
	buf_append(&whole, text->data, text->len);
	write_note(store, path, &whole);
}

bool layer_stack_is_noted(struct store *store, const struct digest *diff_ids, size_t count, const char *what)
{
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_MAX_TEXT);

	return layer_stack_read(store, diff_ids, count, what, &text);
}

void layer_stack_note(struct store *store, const struct digest *diff_ids, size_t count, const char *what)
{
	cleanup(buf_done) struct buf nothing = BUF_INIT(1);

	layer_stack_write(store, diff_ids, count, what, &nothing);
}

/* Asking fewer costs less than writing down what they say. */
#define ASKED_MIN 64

bool layer_stack_is_all(struct store *store, const struct digest *diff_ids, size_t count, const char *what,
			layer_stack_ask *ask, const void *context)
{
	bool are_many = count >= ASKED_MIN;
	size_t known = 0;

	if (are_many && layer_stack_is_noted(store, diff_ids, count, what))
		return true;
	if (are_many && layer_stack_is_noted(store, diff_ids, count - 1, what))
		known = count - 1;
	for (size_t i = known; i < count; i++)
		if (!ask(store, &diff_ids[i], i, context))
			return false;
	if (are_many)
		layer_stack_note(store, diff_ids, count, what);
	return true;
}

bool layer_stack_is_there(struct store *store, const struct digest *diff_ids, size_t count)
{
	int layers = store_folder(store, STORE_LAYERS, NULL);

	if (layers < 0 || !layer_stack_recall(store, diff_ids, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		char hex[DIGEST_HEX_SIZE];
		const char *name = store_known_layer(store, digest_hex(&diff_ids[i], hex));
		if (!name || faccessat(layers, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
	}
	return true;
}

void layer_stack_remember(struct store *store, const struct digest *diff_ids, size_t count)
{
	cleanup(buf_done) struct buf text = BUF_INIT(SIZE_MAX_TEXT);

	if (count < COUNT_MIN)
		return;
	cleanup_free char *path = path_of(store, diff_ids, count, "");
	cleanup_free char *head = format_head(store);
	if (!path || !head)
		return;
	buf_append_str(&text, head);
	for (size_t i = 0; i < count; i++) {
		char hex[DIGEST_HEX_SIZE];
		const char *name = store_known_layer(store, digest_hex(&diff_ids[i], hex));
		if (!name)
			return;
		buf_printf(&text, "%s\n", name);
	}
	write_note(store, path, &text);
}

int layer_stacks_clear(struct store *store, struct error **err)
{
	int cache = store_folder(store, STORE_CACHE, err);

	return cache < 0 ? cache : tree_remove(cache, FOLDER, err);
}

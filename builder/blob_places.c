/*
 * A small file for each blob: lines of "domain path", the latest last.
 */
#include "builder/blob_places.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/log.h"
#include "registry/known.h"

#define PLACES_MAX 4 /* of a blob */
#define FILE_SIZE_MAX ((size_t)8 << 10)

static void read_places(int cache, const char *name, struct strlist *lines)
{
	cleanup(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);

	if (fd_read_file(cache, name, &text, NULL) < 0)
		return;
	strlist_split(lines, buf_str(&text), '\n');
	/* What stands behind the last newline. */
	if (lines->count && !*lines->items[lines->count - 1])
		strlist_remove(lines, lines->count - 1);
}

static char *file_name(const struct digest *blob)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf(BLOB_PLACES_FOLDER "/%s", digest_hex(blob, hex));
}

void blob_places_add(struct store *store, const struct digest *blob, const struct reference *repository)
{
	cleanup(strlist_done) struct strlist lines = {0};
	cleanup_error struct error *error = NULL;
	cleanup_free char *name = file_name(blob);
	int cache = store_folder(store, STORE_CACHE, NULL);

	if (cache < 0 || !repository->domain || !repository->path)
		return;
	cleanup_free char *line = mem_printf("%s %s", repository->domain, repository->path);
	read_places(cache, name, &lines);
	if (strlist_contains(&lines, line))
		return;
	while (lines.count >= PLACES_MAX)
		strlist_remove(&lines, 0);
	strlist_append(&lines, line);
	strlist_append(&lines, "");
	cleanup_free char *text = strlist_join(&lines, "\n");
	if (mkdirat(cache, BLOB_PLACES_FOLDER, 0700) < 0 && errno != EEXIST)
		return;
	if (atomic_file_write(cache, name, 0600, text, strlen(text), /* flags */ 0, &error) < 0)
		log_debug("%s; a later push sends the blob", error_message(error));
}

static void tell(int cache, const struct digest *blob, struct registry_client *client)
{
	cleanup(strlist_done) struct strlist lines = {0};
	cleanup_free char *name = file_name(blob);

	read_places(cache, name, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		char *path = strchr(lines.items[i], ' ');
		if (!path)
			continue;
		*path++ = '\0';
		known_blob_add(client, blob, lines.items[i], path);
	}
}

void blob_places_tell(struct store *store, const struct manifest *m, struct registry_client *client)
{
	int cache = store_folder(store, STORE_CACHE, NULL);

	for (size_t i = 0; cache >= 0 && i < m->layer_count; i++)
		tell(cache, &m->layers[i].digest, client);
}

/* Any bytes as a manifest or an index: no crash, and what is accepted is written as a text that reads and writes the
 * same again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "imagefmt/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_manifest(const char *text, size_t size)
{
	cleanup(manifest_done) struct manifest m = {0};
	cleanup(manifest_done) struct manifest again = {0};
	cleanup(buf_done) struct buf once = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf twice = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup_error struct error *err = NULL;
	if (manifest_parse(text, size, "fuzz", &m, &err) < 0) {
		assert(err && !m.layers);
		return;
	}
	manifest_format(&m, &once);
	if (once.len > MANIFEST_SIZE_MAX) /* numbers and escapes may grow */
		return;
	assert(manifest_parse(once.data, once.len, "again", &again, NULL) == 0);
	manifest_format(&again, &twice);
	assert(strcmp(buf_str(&once), buf_str(&twice)) == 0);
}

static void check_index(const char *text, size_t size)
{
	cleanup(image_index_done) struct image_index index = {0};
	cleanup(image_index_done) struct image_index again = {0};
	cleanup(buf_done) struct buf once = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf twice = BUF_INIT(BUF_MAX_DEFAULT);
	if (image_index_parse(text, size, "fuzz", &index, NULL) < 0)
		return;
	image_index_format(&index, &once);
	if (once.len > MANIFEST_SIZE_MAX)
		return;
	assert(image_index_parse(once.data, once.len, "again", &again, NULL) == 0);
	image_index_format(&again, &twice);
	assert(strcmp(buf_str(&once), buf_str(&twice)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum manifest_kind kind;
	const char *text = size > 0 ? (const char *)data : "";
	manifest_kind(text, size, NULL, &kind, NULL);
	manifest_kind(text, size, manifest_guess_media_type(text, size), &kind, NULL);
	check_manifest(text, size);
	check_index(text, size);
	return 0;
}

/* Any bytes as an image's configuration: no crash, and what is accepted is written, in both formats, as a text that
 * reads and writes the same again; a copy is equal. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "imagefmt/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_format(const struct image_config *config, enum image_format format)
{
	cleanup(image_config_done) struct image_config again = {0};
	cleanup(image_config_done) struct image_config copy = {0};
	cleanup(buf_done) struct buf once = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup(buf_done) struct buf twice = BUF_INIT(BUF_MAX_DEFAULT);
	image_config_format(config, format, &once);
	if (once.len > CONFIG_SIZE_MAX)
		return;
	assert(image_config_parse(once.data, once.len, "again", &again, NULL) == 0);
	assert(image_config_copy(&copy, &again, NULL) == 0);
	image_config_format(&copy, format, &twice);
	assert(strcmp(buf_str(&once), buf_str(&twice)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(image_config_done) struct image_config config = {0};
	cleanup_error struct error *err = NULL;
	const char *text = size > 0 ? (const char *)data : "";
	if (image_config_parse(text, size, "fuzz", &config, &err) < 0) {
		assert(err && !config.diff_ids);
		return 0;
	}
	assert(!err);
	check_format(&config, FORMAT_OCI);
	check_format(&config, FORMAT_DOCKER);
	return 0;
}

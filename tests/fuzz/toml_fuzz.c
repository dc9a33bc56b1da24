/* Any bytes as a configuration file: no crash, and what is accepted can be written as JSON and read again. */
#include <assert.h>

#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;
	if (toml_parse((const char *)data, size, "fuzz", &root, &err) < 0) {
		assert(!root && err);
		return 0;
	}
	assert(!err);
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_format(root, &text);
	cleanup_json json_t *again = json_loadb(buf_str(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
	assert(json_equal(root, again));
	return 0;
}

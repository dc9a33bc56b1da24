/* Any bytes as a YAML file (the list of `image sync`, registries.d, CDI): no crash, no value deeper or larger than its
 * text, and what is accepted can be written as JSON and read again. */
#include <assert.h>

#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *root = NULL;
	cleanup_error struct error *err = NULL;

	if (yaml_parse(size ? (const char *)data : "", size, "fuzz", &root, &err) < 0) {
		assert(!root && err);
		return 0;
	}
	assert(root && !err);
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	json_format(root, &text);
	/* No alias has multiplied anything: a byte becomes \u00XX at the most. */
	assert(!text.overflow && text.len <= 16 * size + 16);
	cleanup_json json_t *again =
		json_loadb(buf_str(&text), text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	assert(json_equal(root, again));
	return 0;
}

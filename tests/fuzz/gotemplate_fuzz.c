/* Any text as a template over a fixed value: no crash, no endless run, a result or an error. */
#include <assert.h>

#include "base/gotemplate.h"

#define RESULT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char sample[] =
		"{\"N\":3,\"F\":2.5,\"S\":\"h\xc3\xa9\",\"B\":true,\"Z\":null,\"L\":[\"a\",1,null],"
		"\"M\":{\"a\":{\"k\":\"v\"},\"b\":[]}}";
	cleanup_json json_t *root = NULL;
	int rc = json_parse(sample, sizeof(sample) - 1, "sample", &root, NULL);
	assert(rc == 0);
	cleanup_free char *text = mem_strndup((const char *)data, size);
	cleanup(buf_done) struct buf result = BUF_INIT(RESULT_MAX);
	cleanup_error struct error *err = NULL;
	rc = gotemplate_run(text, root, size % 2 == 0, &result, &err);
	assert((rc == 0) == !err);
	return 0;
}

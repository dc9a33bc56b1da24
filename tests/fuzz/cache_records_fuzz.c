/* Any bytes as the records of a cache: no crash, and what is accepted names only layers that are there, and is written
 * as a text that reads and writes the same again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "builder/cache_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(cache_records_done) struct cache_records records = {0}, again = {0};
	cleanup(buf_done) struct buf once = BUF_INIT(BUF_MAX_DEFAULT), twice = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup_error struct error *err = NULL;
	const char *text = size > 0 ? (const char *)data : "";

	if (cache_records_parse(text, size, "fuzz", &records, &err) < 0) {
		assert(err && !records.layers && !records.items);
		return 0;
	}
	assert(!err && records.count <= CACHE_RECORDS_MAX);
	for (size_t i = 0; i < records.count; i++) {
		assert(records.items[i].layer < records.layer_count && records.items[i].created >= 0);
		assert(cache_records_find(&records, &records.items[i].key));
	}
	cache_records_format(&records, &once);
	assert(cache_records_parse(buf_str(&once), once.len, "again", &again, NULL) == 0);
	cache_records_format(&again, &twice);
	assert(strcmp(buf_str(&once), buf_str(&twice)) == 0);
	return 0;
}

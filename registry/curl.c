/*
 * The door to libcurl.
 */
#include "registry/curl.h"

#include <errno.h>

int curl_library_load(struct curl_library *curl, struct error **err)
{
	static const char *const symbols[] = {CURL_FUNCTIONS(LIBRARY_SYMBOL)};
	int rc = library_load("libcurl.so.4", symbols, ARRAY_COUNT(symbols), curl, err);

	if (rc < 0)
		return rc;
	CURLcode code = curl->curl_global_init(CURL_GLOBAL_DEFAULT);
	if (code != CURLE_OK)
		return error_set(err, EIO, "libcurl does not start: %s", curl->curl_easy_strerror(code));
	return 0;
}

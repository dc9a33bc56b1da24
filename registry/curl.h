/*
 * libcurl, loaded when the first request is made: most commands never make one. The table has curl's own names and
 * types; registry/ calls it as curl->curl_easy_init() and so on.
 */
#ifndef COOPER_REGISTRY_CURL_H
#define COOPER_REGISTRY_CURL_H

/* The checking macros of curl.h would put a call of the linked function where the table's member is meant. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/error.h"
#include "base/library.h"

#define CURL_FUNCTIONS(X)           \
	X(curl_global_init)         \
	X(curl_easy_init)           \
	X(curl_easy_cleanup)        \
	X(curl_easy_setopt)         \
	X(curl_easy_getinfo)        \
	X(curl_easy_pause)          \
	X(curl_easy_strerror)       \
	X(curl_slist_append)        \
	X(curl_slist_free_all)      \
	X(curl_multi_init)          \
	X(curl_multi_cleanup)       \
	X(curl_multi_add_handle)    \
	X(curl_multi_remove_handle) \
	X(curl_multi_perform)       \
	X(curl_multi_poll)          \
	X(curl_multi_info_read)     \
	X(curl_multi_setopt)        \
	X(curl_multi_strerror)      \
	X(curl_share_init)          \
	X(curl_share_setopt)        \
	X(curl_share_cleanup)

struct curl_library {
	CURL_FUNCTIONS(LIBRARY_MEMBER)
};

/* Fills the table and initialises the library (before any thread exists). */
int curl_library_load(struct curl_library *curl, struct error **err);

#endif

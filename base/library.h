/*
 * Libraries that are loaded when they are first used. libcurl and libarchive alone bring some thirty others and cost 5
 * of the 6 ms that a start of cooper would take; most commands need neither.
 *
 * A user of such a library keeps a table of its functions, typed by the library's own header:
 *
 *	#define FUNCTIONS(X) X(curl_easy_init) X(curl_easy_perform)
 *	struct curl_library { FUNCTIONS(LIBRARY_MEMBER) };
 *	static const struct library_symbol symbols[] = { FUNCTIONS(LIBRARY_SYMBOL) };
 *	...
 *	rc = library_load("libcurl.so.4", symbols, ARRAY_COUNT(symbols), table, err);
 *
 * The members stand in the table in the order of the symbols, each a function pointer.
 */
#ifndef COOPER_BASE_LIBRARY_H
#define COOPER_BASE_LIBRARY_H

#include "base/error.h"

#define LIBRARY_MEMBER(name) typeof(name) *name;
#define LIBRARY_SYMBOL(name) #name,

/* Loads `soname` for the life of the process and fills `table`, an array of `count` function pointers. The error names
 * the library and the Debian package that brings it, where it is known. */
int library_load(const char *soname, const char *const *symbols, size_t count, void *table, struct error **err);

#endif

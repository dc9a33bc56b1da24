/*
 * Listings: padded columns for people, one template per row for scripts, JSON for programs.
 */
#ifndef COOPER_CMD_TABLE_H
#define COOPER_CMD_TABLE_H

#include "base/json.h"

struct table_column {
	const char *title;
	const char *field; /* of each row's JSON object */
};

struct table_options {
	const char *format; /* Go template per row, or NULL */
	bool json, quiet, no_heading;
	const char *quiet_field;
};

/* Prints `rows`, an array of objects: `columns` are for people and templates' headings. */
int table_print(const struct table_options *options, const struct table_column *columns, size_t count,
		const json_t *rows, const json_t *json_rows, struct error **err);

#endif

/*
 * Rows of a listing to stdout.
 */
#include "cmd/table.h"

#include <stdio.h>
#include <string.h>

#include "base/gotemplate.h"

static const char *text_of(const json_t *row, const char *field)
{
	const char *text = json_string_value(json_object_get(row, field));
	return text ? text : "";
}

/* Characters, not bytes: names and ages may hold UTF-8. */
static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void print_row(const struct table_column *columns, size_t count, const size_t *widths, const json_t *row)
{
	for (size_t i = 0; i < count; i++) {
		const char *text = row ? text_of(row, columns[i].field) : columns[i].title;
		bool last = i + 1 == count;
		printf("%s%*s", text, last ? 0 : (int)(widths[i] - width_of(text)) + 3, "");
	}
	printf("\n");
}

static void print_columns(const struct table_column *columns, size_t count, bool heading, const json_t *rows)
{
	cleanup_free size_t *widths = mem_grow(NULL, count, sizeof(*widths));
	for (size_t i = 0; i < count; i++) {
		widths[i] = heading ? width_of(columns[i].title) : 0;
		for (size_t r = 0; r < json_array_size(rows); r++) {
			size_t width = width_of(text_of(json_array_get(rows, r), columns[i].field));
			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	if (heading)
		print_row(columns, count, widths, NULL);
	for (size_t r = 0; r < json_array_size(rows); r++)
		print_row(columns, count, widths, json_array_get(rows, r));
}

/* "table {{.ID}}" asks for headings, which templates without it do not have. */
static int print_templates(const char *format, const json_t *rows, struct error **err)
{
	const char *text = strncmp(format, "table ", 6) == 0 ? format + 6 : format;
	if (strcmp(text, "json") == 0)
		text = "{{json .}}";
	for (size_t r = 0; r < json_array_size(rows); r++) {
		cleanup(buf_done) struct buf line = BUF_INIT(BUF_MAX_DEFAULT);
		int rc = gotemplate_run(text, json_array_get(rows, r), /* strict_fields */ true, &line, err);
		if (rc < 0)
			return error_prefix(err, "--format");
		printf("%s\n", buf_str(&line));
	}
	return 0;
}

int table_print(const struct table_options *options, const struct table_column *columns, size_t count,
		const json_t *rows, const json_t *json_rows, struct error **err)
{
	if (options->json) {
		cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
		json_format_pretty(json_rows, 4, &text);
		fputs(buf_str(&text), stdout);
		return 0;
	}
	if (options->quiet) {
		for (size_t r = 0; r < json_array_size(rows); r++)
			printf("%s\n", text_of(json_array_get(rows, r), options->quiet_field));
		return 0;
	}
	if (options->format)
		return print_templates(options->format, rows, err);
	print_columns(columns, count, !options->no_heading, rows);
	return 0;
}

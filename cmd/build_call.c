/*
 * Answers without a build: checks, targets, outlines.
 */
#include "cmd/build_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/terminal.h"
#include "cmd/build_bases.h"
#include "cmd/table.h"
#include "dockerfile/lint.h"
#include "dockerfile/outline.h"

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

static json_t *place(unsigned line, unsigned column)
{
	json_t *at = json_object();

	json_set_i64(at, "line", line);
	json_set_i64(at, "character", column ? column - 1 : 0);
	return at;
}

static json_t *location(const struct source_range *range)
{
	json_t *whole = json_object();
	json_t *lines = json_object();
	json_t *ranges = json_array();

	json_set_take(lines, "start", place(range->first_line, range->first_column));
	json_set_take(lines, "end", place(range->last_line, range->last_column));
	json_array_append_new(ranges, lines);
	json_set_i64(whole, "sourceIndex", 0);
	json_set_take(whole, "ranges", ranges);
	return whole;
}

/* The Dockerfile that locations speak of, in base64 as Go writes bytes. */
static json_t *encoded_source(const struct dockerfile *file)
{
	cleanup_free char *text = strlist_join(&file->source.lines, "\n");
	cleanup_free char *whole = mem_printf("%s\n", text);
	cleanup_free char *encoded = format_base64(whole, strlen(whole));

	return json_string(encoded);
}

static json_t *sources(const struct dockerfile *file)
{
	json_t *list = json_array();

	json_array_append_new(list, encoded_source(file));
	return list;
}

static json_t *text_value(const char *text)
{
	return json_from_bytes(text ? text : "");
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_set_take(object, key, text_value(text));
}

/* The same as the checks give it, with its name. */
static json_t *named_sources(const struct dockerfile *file)
{
	json_t *list = json_array();
	json_t *source = json_object();

	set_text(source, "filename", file->source.name);
	set_text(source, "language", "Dockerfile");
	json_set_take(source, "data", encoded_source(file));
	json_array_append_new(list, source);
	return list;
}

static int print_json(const json_t *root, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	json_format_pretty(root, 2, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the answer is too large");
	fputs(buf_str(&text), stdout);
	return 0;
}

/* Text of the Dockerfile's author on the user's terminal. */
static void print_text(struct buf *text)
{
	if (text->len)
		terminal_disarm(text->data, text->len);
	fputs(buf_str(text), stdout);
}

/* Cells of a table: no newlines, nothing that a terminal obeys. */
static json_t *cell(const char *text)
{
	cleanup_free char *copy = mem_strdup(text ? text : "");

	terminal_disarm(copy, strlen(copy));
	for (char *c = copy; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return json_from_bytes(copy);
}

/* ---- arguments ----------------------------------------------------------------------------------------------------
 */

static void add_platform(struct strlist *args, const char *prefix, const struct platform *platform)
{
	const struct {
		const char *name, *value;
	} parts[] = {{"OS", platform->os}, {"ARCH", platform->architecture}, {"VARIANT", platform->variant}};
	cleanup_free char *whole = platform_format(platform);

	strlist_printf(args, "%sPLATFORM=%s", prefix, whole);
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		strlist_printf(args, "%s%s=%s", prefix, parts[i].name, parts[i].value ? parts[i].value : "");
}

/* What ARGs get without a default: of the user, with those of his environment, and of the platforms. */
static void given_args(const struct build_request *request, struct strlist *args)
{
	cleanup(platform_done) struct platform here = {0};

	platform_complete(&here);
	add_platform(args, "BUILD", &here);
	add_platform(args, "TARGET", request->options.platform ? request->options.platform : &here);
	for (size_t i = 0; i < request->build_args.count; i++) {
		const char *text = request->build_args.items[i];
		const char *value = strchr(text, '=') ? NULL : getenv(text);
		if (value)
			strlist_printf(args, "%s=%s", text, value);
		else if (strchr(text, '='))
			strlist_append(args, text);
	}
}

/* ---- checks -------------------------------------------------------------------------------------------------------
 */

/* With `failure` what would end a build is part of the answer, also a check= or a target that is none. */
static int find(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
		const struct build_context *context, struct findings *findings, struct lint_failure *failure,
		bool *is_error, struct error **err)
{
	cleanup(build_bases_done) struct build_bases bases = {0};
	cleanup(lint_config_done) struct lint_config config = {0};
	const char *override = strlist_env_get(&request->build_args, "BUILDKIT_DOCKERFILE_CHECK");
	cleanup(strlist_done) struct strlist args = {0};
	struct lint_options options = {.config = &config, .build_args = &args, .ignore = build_context_ignore(context)};
	cleanup_error struct error *why = NULL;
	int rc = lint_config_parse(override ? override : file->directives.check, &config, failure ? &why : err);

	if (rc < 0 && failure) {
		failure->message = mem_printf("failed to parse check options: %s", error_message(why));
		failure->range = override ? (struct source_range){0} : file->directives.check_range;
		return 0;
	}
	if (rc < 0)
		return override ? error_prefix(err, "BUILDKIT_DOCKERFILE_CHECK")
				: source_error(&file->source, &file->directives.check_range, err);
	*is_error = config.error;
	given_args(request, &args);
	if (file->failure) {
		lint_run(file, &options, findings, failure);
		return 0;
	}
	/* A build speaks of what it builds; else of all stages, unless one was asked for by name. */
	if (request->options.target || request->call == BUILD_CALL_BUILD)
		rc = dockerfile_target(file, request->options.target, &options.target, failure ? &why : err);
	options.is_file_only = rc < 0;
	if (rc < 0 && !failure)
		return rc;
	build_bases_find(w, request, file, &bases);
	options.bases = bases.known;
	lint_run(file, &options, findings, failure);
	if (rc < 0 && !failure->message)
		failure->message = mem_strdup(error_message(why));
	if (rc == 0)
		build_bases_check(&bases, file, &config, findings);
	return 0;
}

static json_t *finding_json(const struct finding *finding)
{
	const struct lint_rule *rule = lint_rule_find(finding->rule);
	json_t *object = json_object();

	set_text(object, "ruleName", finding->rule);
	set_text(object, "description", rule ? rule->description : NULL);
	set_text(object, "url", rule ? rule->url : NULL);
	set_text(object, "detail", finding->message);
	if (finding->range.first_line)
		json_set_take(object, "location", location(&finding->range));
	return object;
}

static json_t *failure_json(const struct lint_failure *failure)
{
	json_t *object = json_object();

	set_text(object, "message", failure->message);
	if (failure->range.first_line)
		json_set_take(object, "location", location(&failure->range));
	return object;
}

static int print_findings_json(const struct dockerfile *file, const struct findings *findings,
			       const struct lint_failure *failure, struct error **err)
{
	cleanup_json json_t *root = json_object();
	json_t *warnings = json_array();

	for (size_t i = 0; i < findings->count; i++)
		json_array_append_new(warnings, finding_json(&findings->items[i]));
	json_set_take(root, "warnings", warnings);
	json_set_take(root, "sources", named_sources(file));
	if (failure->message)
		json_set_take(root, "buildError", failure_json(failure));
	return print_json(root, err);
}

static void print_findings(const struct dockerfile *file, const struct findings *findings,
			   const struct lint_failure *failure)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	if (findings->count == 0 && !failure->message)
		puts("Check complete, no warnings found.");
	if (findings->count == 0)
		return;
	printf("Check complete, %zu %s been found!\n", findings->count,
	       findings->count == 1 ? "warning has" : "warnings have");
	lint_format(file, findings, &text);
	print_text(&text);
}

/* What would end the build: part of the answer, and so no error of the command itself. */
static void print_failure(const struct dockerfile *file, const struct lint_failure *failure)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);

	if (failure->range.first_line)
		buf_printf(&text, "%s:%u: ", file->source.name, failure->range.first_line);
	buf_printf(&text, "%s\n", failure->message);
	source_excerpt(&file->source, &failure->range, &text);
	if (text.len)
		terminal_disarm(text.data, text.len);
	fflush(stdout);
	fprintf(stderr, "cooper: %s", buf_str(&text));
}

/* "lint violation found for rules: A, B", each once. */
static char *violation(const struct findings *findings)
{
	cleanup(strlist_done) struct strlist rules = {0};

	for (size_t i = 0; i < findings->count; i++)
		if (!strlist_contains(&rules, findings->items[i].rule))
			strlist_append(&rules, findings->items[i].rule);
	cleanup_free char *names = strlist_join(&rules, ", ");
	return mem_printf("lint violation found for rules: %s", names);
}

static int call_check(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
		      const struct build_context *context, struct error **err)
{
	cleanup(findings_done) struct findings findings = {0};
	cleanup(lint_failure_done) struct lint_failure failure = {0};
	bool is_error = false;
	int rc = find(w, request, file, context, &findings, &failure, &is_error, err);

	if (rc == 0 && is_error && findings.count && !failure.message)
		failure.message = violation(&findings);
	if (rc == 0 && request->call_json)
		rc = print_findings_json(file, &findings, &failure, err);
	if (rc < 0)
		return rc;
	if (!request->call_json)
		print_findings(file, &findings, &failure);
	if (failure.message)
		print_failure(file, &failure);
	return findings.count || failure.message ? 1 : 0;
}

int build_lint(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
	       const struct build_context *context, size_t *count, struct error **err)
{
	cleanup(findings_done) struct findings findings = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	bool is_error = false;
	/* What would end the build ends it, with its own words. */
	int rc = find(w, request, file, context, &findings, /* failure */ NULL, &is_error, err);

	if (rc < 0)
		return rc;
	*count = findings.count;
	if (findings.count == 0 || !is_error)
		return 0;
	lint_format(file, &findings, &text);
	if (text.len)
		terminal_disarm(text.data, text.len);
	cleanup_free char *message = violation(&findings);
	return error_set(err, EINVAL, "%s\n%s", message, buf_str(&text));
}

/* ---- targets ------------------------------------------------------------------------------------------------------
 */

static int print_targets_json(const struct dockerfile *file, const struct outline_targets *targets, struct error **err)
{
	cleanup_json json_t *root = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < targets->count; i++) {
		const struct outline_target *target = &targets->items[i];
		json_t *object = json_object();
		set_text(object, "name", target->name);
		if (target->is_default)
			json_set_bool(object, "default", true);
		set_text(object, "description", target->description);
		set_text(object, "base", target->base);
		set_text(object, "platform", target->platform);
		json_set_take(object, "location", location(&target->range));
		json_array_append_new(list, object);
	}
	json_set_take(root, "targets", list);
	json_set_take(root, "sources", sources(file));
	return print_json(root, err);
}

static int call_targets(const struct build_request *request, const struct dockerfile *file, struct error **err)
{
	static const struct table_column columns[] = {{"TARGET", "target"}, {"DESCRIPTION", "description"}};
	static const struct table_options options = {0};
	cleanup(outline_targets_done) struct outline_targets targets = {0};
	cleanup_json json_t *rows = json_array();

	outline_targets_list(file, &targets);
	if (request->call_json)
		return print_targets_json(file, &targets, err);
	for (size_t i = 0; i < targets.count; i++) {
		const struct outline_target *target = &targets.items[i];
		cleanup_free char *name = mem_printf("%s%s%s", target->name ? target->name : "",
						     target->name && target->is_default ? " " : "",
						     target->is_default ? "(default)" : "");
		json_t *row = json_object();
		/* A stage in the middle without a name cannot be asked for but by its number. */
		cleanup_free char *number = mem_printf("%zu", i);
		json_set_take(row, "target", cell(*name ? name : number));
		json_set_take(row, "description", cell(target->description));
		json_array_append_new(rows, row);
	}
	return table_print(&options, columns, ARRAY_COUNT(columns), rows, rows, err);
}

/* ---- outline ------------------------------------------------------------------------------------------------------
 */

static json_t *args_json(const struct outline *outline)
{
	json_t *list = json_array();

	for (size_t i = 0; i < outline->arg_count; i++) {
		const struct outline_arg *arg = &outline->args[i];
		json_t *object = json_object();
		set_text(object, "name", arg->name);
		set_text(object, "description", arg->description);
		set_text(object, "value", arg->value);
		json_set_take(object, "location", location(&arg->range));
		json_array_append_new(list, object);
	}
	return list;
}

static json_t *mounts_json(const struct outline_mount *mounts, size_t count, const char *key)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *object = json_object();
		set_text(object, key, mounts[i].name);
		if (mounts[i].required)
			json_set_bool(object, "required", true);
		json_set_take(object, "location", location(&mounts[i].range));
		json_array_append_new(list, object);
	}
	return list;
}

static int print_outline_json(const struct dockerfile *file, const struct outline *outline, struct error **err)
{
	cleanup_json json_t *root = json_object();

	set_text(root, "name", outline->name);
	set_text(root, "description", outline->description);
	if (outline->arg_count)
		json_set_take(root, "args", args_json(outline));
	if (outline->secret_count)
		json_set_take(root, "secrets", mounts_json(outline->secrets, outline->secret_count, "name"));
	if (outline->ssh_count)
		json_set_take(root, "ssh", mounts_json(outline->ssh, outline->ssh_count, "name"));
	if (outline->cache_count)
		json_set_take(root, "cache", mounts_json(outline->caches, outline->cache_count, "ID"));
	json_set_take(root, "sources", sources(file));
	return print_json(root, err);
}

static int print_args(const struct outline *outline, struct error **err)
{
	static const struct table_column columns[] = {
		{"BUILD ARG", "name"}, {"VALUE", "value"}, {"DESCRIPTION", "description"}};
	static const struct table_options options = {0};
	cleanup_json json_t *rows = json_array();

	for (size_t i = 0; i < outline->arg_count; i++) {
		json_t *row = json_object();
		json_set_take(row, "name", cell(outline->args[i].name));
		json_set_take(row, "value", cell(outline->args[i].value));
		json_set_take(row, "description", cell(outline->args[i].description));
		json_array_append_new(rows, row);
	}
	puts("");
	return table_print(&options, columns, ARRAY_COUNT(columns), rows, rows, err);
}

static int print_mounts(const char *title, const struct outline_mount *mounts, size_t count, struct error **err)
{
	const struct table_column columns[] = {{title, "name"}, {"REQUIRED", "required"}};
	static const struct table_options options = {0};
	cleanup_json json_t *rows = json_array();

	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		json_t *row = json_object();
		json_set_take(row, "name", cell(mounts[i].name));
		json_set_take(row, "required", cell(mounts[i].required ? "true" : ""));
		json_array_append_new(rows, row);
	}
	puts("");
	return table_print(&options, columns, ARRAY_COUNT(columns), rows, rows, err);
}

static int print_outline(const struct outline *outline, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	int rc;

	buf_printf(&text, "TARGET:        %s\n", outline->name ? outline->name : "(default)");
	if (outline->description)
		buf_printf(&text, "DESCRIPTION:   %s\n", outline->description);
	print_text(&text);
	rc = outline->arg_count ? print_args(outline, err) : 0;
	if (rc == 0)
		rc = print_mounts("SECRET", outline->secrets, outline->secret_count, err);
	if (rc == 0)
		rc = print_mounts("SSH", outline->ssh, outline->ssh_count, err);
	if (rc == 0)
		rc = print_mounts("CACHE", outline->caches, outline->cache_count, err);
	return rc;
}

static int call_outline(const struct build_request *request, const struct dockerfile *file, struct error **err)
{
	cleanup(outline_done) struct outline outline = {0};
	cleanup(strlist_done) struct strlist args = {0};
	const struct stage *target = NULL;
	int rc = dockerfile_target(file, request->options.target, &target, err);

	if (rc < 0)
		return rc;
	given_args(request, &args);
	outline_make(file, target, &args, &outline);
	return request->call_json ? print_outline_json(file, &outline, err) : print_outline(&outline, err);
}

int build_call(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
	       const struct build_context *context, struct error **err)
{
	switch (request->call) {
	case BUILD_CALL_CHECK:
		return call_check(w, request, file, context, err);
	case BUILD_CALL_OUTLINE:
		return call_outline(request, file, err);
	case BUILD_CALL_TARGETS:
		return call_targets(request, file, err);
	case BUILD_CALL_BUILD:
		break;
	}
	return 0;
}

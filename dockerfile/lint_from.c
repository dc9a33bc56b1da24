/*
 * Checks of FROM: its arguments, its image, its platform.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/lint_internal.h"
#include "dockerfile/reach_internal.h"

/* ---- Arguments ---- */

static bool is_declared(const struct dockerfile *file, const char *name)
{
	if (is_predefined_arg(name))
		return true;
	for (size_t i = 0; i < file->arg_count; i++)
		for (size_t j = 0; j < file->args[i]->pairs.count; j++)
			if (strcmp(file->args[i]->pairs.items[j].key, name) == 0)
				return true;
	return false;
}

/* Newly allocated is what the word becomes; NULL when it cannot be expanded, which would end the build. The names that
 * are not set are appended to `unset`. */
static char *check_undeclared(const struct lint_run *run, const struct instruction *from, const char *word,
			      struct strlist *unset)
{
	const struct expand_scope scope = {.lists = {run->head}, .count = 1, .escape = run->file->directives.escape};
	cleanup_error struct error *err = NULL;
	char *text = NULL;

	if (expand_word(word, &scope, unset, &text, &err) < 0) {
		lint_failed(run, &from->range, err);
		return NULL;
	}
	for (size_t i = 0; i < unset->count; i++) {
		cleanup_free char *nearest = NULL;
		if (is_declared(run->file, unset->items[i]))
			continue;
		lint_suggest(unset->items[i], &run->head, 1, &nearest);
		lint_found(run, "UndefinedArgInFrom", &from->range, "FROM argument '%s' is not declared%s%s%s",
			   unset->items[i], nearest ? " (did you mean " : "", nearest ? nearest : "",
			   nearest ? "?)" : "");
	}
	return text;
}

/* What ends the build may come of an argument that was mistyped. */
static void fail_with(const struct lint_run *run, const struct instruction *from, const struct strlist *unset,
		      const char *fmt, const char *written)
{
	cleanup_error struct error *err = NULL;
	cleanup_free char *nearest = NULL;

	error_set(&err, EINVAL, fmt, written);
	if (unset->count > 0 && lint_suggest(unset->items[0], &run->head, 1, &nearest))
		error_hint(&err, "did you mean %s?", nearest);
	lint_failed(run, &from->range, err);
}

/* ---- The image ---- */

static void check_image(const struct lint_run *run, const struct instruction *from)
{
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup_free char *image = check_undeclared(run, from, from->from.image, &unset);

	if (image && !*image)
		fail_with(run, from, &unset, "base name (%s) should not be blank", from->from.image);
}

static bool is_name_part(const char *text, size_t size, bool is_domain)
{
	if (size == 0)
		return false;
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		bool edge = i == 0 || i + 1 == size;
		if (islower((unsigned char)c) || isdigit((unsigned char)c) || (is_domain && isupper((unsigned char)c)))
			continue;
		if (edge || !strchr(is_domain ? ".-:[]_" : "._-", c))
			return false;
	}
	return true;
}

/* Could this be the name of an image? A look at its shape: the notation itself belongs to imagefmt. */
static bool is_image_name(const char *text)
{
	size_t size = strcspn(text, "@");
	const char *slash = memrchr(text, '/', size);
	const char *last = slash ? slash + 1 : text;
	const char *colon = memchr(last, ':', size - (size_t)(last - text));

	if (text[size] == '@' && !strchr(text + size, ':'))
		return false;
	if (colon) {
		const char *tag = colon + 1;
		size_t tag_size = size - (size_t)(tag - text);
		if (tag_size == 0 || tag_size > 128 || *tag == '.' || *tag == '-')
			return false;
		for (size_t i = 0; i < tag_size; i++)
			if (!isalnum((unsigned char)tag[i]) && !strchr("_.-", tag[i]))
				return false;
		size = (size_t)(colon - text);
	}
	for (size_t at = 0; at <= size;) {
		const char *next = memchr(text + at, '/', size - at);
		size_t part = next ? (size_t)(next - text) - at : size - at;
		bool is_domain = at == 0 && next && memchr(text, '.', part);
		is_domain |= at == 0 && next && (memchr(text, ':', part) || strncmp(text, "localhost", part) == 0);
		if (!is_name_part(text + at, part, is_domain))
			return false;
		at += part + 1;
	}
	return true;
}

/* What the image would be if nobody gave a --build-arg. False when that cannot be said: then of no stage behind it
 * either. */
static bool check_default(const struct lint_run *run, const struct stage *stage, const struct strlist *defaults)
{
	const struct expand_scope scope = {.lists = {defaults}, .count = 1, .escape = run->file->directives.escape};
	const char *image = stage->from->from.image;
	cleanup_free char *text = NULL;

	if (expand_word(image, &scope, NULL, &text, NULL) < 0)
		return false;
	if (!is_image_name(text))
		lint_found(run, "InvalidDefaultArgInFrom", &stage->from->range,
			   "Default value for ARG %s results in empty or invalid base image name", image);
	return true;
}

/* ---- --platform ---- */

/* What Go calls a processor that has other names, too. */
static const char *common_name(const char *processor)
{
	static const char *const names[][2] = {{"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"},
					       {"i386", "386"},	    {"armhf", "arm"},	 {"armel", "arm"}};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (strcasecmp(processor, names[i][0]) == 0)
			return names[i][1];
	return processor;
}

static bool is_system(const char *name)
{
	static const char *const systems[] = {"linux",	 "windows", "darwin",  "macos",	    "freebsd",
					      "netbsd",	 "openbsd", "solaris", "dragonfly", "aix",
					      "android", "illumos", "js",      "plan9"};

	for (size_t i = 0; i < ARRAY_COUNT(systems); i++)
		if (strcasecmp(name, systems[i]) == 0)
			return true;
	return false;
}

/* A stage for one platform that says so in its name is meant: its system or its processor, as Go calls it. A processor
 * alone is one of Linux. */
static bool name_tells_platform(const struct stage *stage, const char *platform)
{
	cleanup(strlist_done) struct strlist parts = {0};

	strlist_split(&parts, platform, '/');
	if (!stage->name || parts.count == 0)
		return false;
	bool is_alone = parts.count == 1;
	const char *system = is_alone && !is_system(parts.items[0]) ? "linux" : parts.items[0];
	const char *processor = common_name(is_alone ? parts.items[0] : parts.items[1]);
	return strcasestr(stage->name, system) || (*processor && strcasestr(stage->name, processor));
}

/* Is TARGETPLATFORM all that it holds? */
static bool is_target_platform(const struct lint_run *run, const char *platform)
{
	const struct expand_scope scope = {.lists = {run->head}, .count = 1, .escape = run->file->directives.escape};
	const char *target = strlist_env_get(run->head, "TARGETPLATFORM");
	cleanup(strlist_done) struct strlist names = {0};
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup_free char *text = NULL;

	if (expand_names(platform, scope.escape, &names, NULL) < 0 || names.count != 1 ||
	    strcmp(names.items[0], "TARGETPLATFORM") != 0)
		return false;
	/* Nobody may have said what the target is: then the two plain forms are all that can be told. */
	if (!target)
		return strcmp(platform, "$TARGETPLATFORM") == 0 || strcmp(platform, "${TARGETPLATFORM}") == 0;
	return expand_word(platform, &scope, &unset, &text, NULL) == 0 && strcmp(text, target) == 0;
}

/* One to three parts that hold something. */
static bool has_shape_of_platform(const char *text)
{
	cleanup(strlist_done) struct strlist parts = {0};

	strlist_split(&parts, text, '/');
	for (size_t i = 0; i < parts.count; i++)
		if (!*parts.items[i])
			return false;
	return parts.count >= 1 && parts.count <= 3;
}

static void check_platform(const struct lint_run *run, const struct stage *stage)
{
	const char *platform = stage->from->from.platform;
	const struct source_range *range = &stage->from->range;

	if (!platform || !*platform)
		return;
	cleanup(strlist_done) struct strlist unset = {0};
	cleanup_free char *text = check_undeclared(run, stage->from, platform, &unset);
	if (!text)
		return;
	if (is_target_platform(run, platform))
		lint_found(run, "RedundantTargetPlatform", range,
			   "Setting platform to predefined %s in FROM is redundant as this is the default behavior",
			   platform);
	else if (!strchr(platform, '$') && has_shape_of_platform(text) && !name_tells_platform(stage, platform))
		lint_found(run, "FromPlatformFlagConstDisallowed", range,
			   "FROM --platform flag should not use constant value \"%s\"", platform);
	if (!*text)
		fail_with(run, stage->from, &unset, "empty platform value from expression %s", platform);
	else if (!has_shape_of_platform(text))
		fail_with(run, stage->from, &unset, "failed to parse platform %s", platform);
}

void lint_from(const struct lint_run *run, const struct stage *stage)
{
	check_image(run, stage->from);
	if (!lint_has_failed(run))
		check_platform(run, stage);
}

void lint_from_defaults(const struct lint_run *run)
{
	const struct dockerfile *file = run->file;
	cleanup(strlist_done) struct strlist given = {0};
	cleanup(strlist_done) struct strlist defaults = {0};
	bool is_known = true;

	/* Of what was given only what the platform says, not what a user chose. */
	for (size_t i = 0; run->options->build_args && i < run->options->build_args->count; i++) {
		const char *entry = run->options->build_args->items[i];
		cleanup_free char *key = mem_strndup(entry, strcspn(entry, "="));
		if (is_predefined_arg(key))
			strlist_append(&given, entry);
	}
	if (!head_values(file, &given, &defaults, /* place */ NULL, /* err */ NULL))
		return;
	for (size_t i = 0; is_known && i < file->stage_count; i++)
		is_known = check_default(run, &file->stages[i], &defaults);
}

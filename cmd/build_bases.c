/*
 * The environments of base images, without which the checks cannot know what is set in a stage.
 */
#include "cmd/build_bases.h"

#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "builder/acquire.h"
#include "builder/build_scope.h"
#include "builder/named_context.h"

void build_bases_done(struct build_bases *bases)
{
	for (size_t i = 0; i < bases->count; i++) {
		image_done(&bases->images[i]);
		free(bases->names[i]);
		free(bases->wanted[i]);
	}
	free(bases->names);
	free(bases->wanted);
	free(bases->images);
	free(bases->known);
	*bases = (struct build_bases){0};
}

/* A directory or another image may stand in its place. */
static bool is_replaced(const struct build_request *request, const char *name)
{
	const char *where = NULL;

	return named_context_find(request->options.named_contexts, name, request->options.platform, &where) != SIZE_MAX;
}

/* What FROM asks for, else what is built for. */
static void check_platform(const struct build_request *request, const struct instruction *from, size_t index,
			   struct build_bases *bases)
{
	const struct platform *have = &bases->images[index].config.platform;
	cleanup(platform_done) struct platform want = {0};

	if (from->from.platform && *from->from.platform) {
		if (platform_parse(from->from.platform, &want, NULL) < 0)
			return;
	} else if (request->options.platform) {
		platform_copy(&want, request->options.platform);
	}
	platform_complete(&want);
	if (platform_rank(&want, have) == 0)
		bases->wanted[index] = platform_format(&want);
}

static void find_base(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
		      const struct expand_scope *scope, size_t index, struct build_bases *bases)
{
	cleanup(instruction_free) struct instruction *from = NULL;
	const struct acquire_options acquire = {.policy = PULL_NEVER, .keep_packed = true};

	if (instruction_expand(file->stages[index].from, scope, /* unset */ NULL, &from, NULL) < 0)
		return;
	const char *name = from->from.image;
	if (!*name || strcmp(name, "scratch") == 0 || is_replaced(request, name) || dockerfile_stage(file, name, index))
		return;
	if (acquire_image(w, name, &acquire, &bases->images[index], NULL) < 0)
		return;
	const struct image_config *config = &bases->images[index].config;
	bases->known[index] = (struct lint_base){.env = &config->env, .has_shell = config->shell.count > 0};
	bases->names[index] = mem_strdup(name);
	check_platform(request, from, index, bases);
}

void build_bases_find(struct workshop *w, const struct build_request *request, const struct dockerfile *file,
		      struct build_bases *bases)
{
	cleanup(build_globals_done) struct build_globals globals = {0};
	cleanup(platform_done) struct platform host = {0};
	const struct platform *wanted = request->options.platform;

	bases->images = mem_alloc(file->stage_count * sizeof(*bases->images));
	bases->known = mem_alloc(file->stage_count * sizeof(*bases->known));
	bases->names = mem_alloc(file->stage_count * sizeof(*bases->names));
	bases->wanted = mem_alloc(file->stage_count * sizeof(*bases->wanted));
	bases->count = file->stage_count;
	platform_host(&host);
	const struct build_globals_options options = {.build_args = &request->build_args,
						      .target_platform = wanted ? wanted : &host,
						      .build_platform = &host};
	if (build_globals_make(file, &options, &globals, NULL) < 0)
		return;
	const struct expand_scope scope = {.lists = {&globals.args}, .count = 1, .escape = globals.escape};
	for (size_t i = 0; i < file->stage_count; i++)
		find_base(w, request, file, &scope, i, bases);
}

void build_bases_check(const struct build_bases *bases, const struct dockerfile *file, const struct lint_config *config,
		       struct findings *findings)
{
	for (size_t i = 0; i < bases->count; i++) {
		const struct instruction *from = file->stages[i].from;
		if (!bases->wanted[i])
			continue;
		cleanup_free char *have = platform_format(&bases->images[i].config.platform);
		lint_add(findings, config, file, "InvalidBaseImagePlatform", &from->range,
			 "Base image %s was pulled with platform \"%s\", expected \"%s\" for current build",
			 bases->names[i], have, bases->wanted[i]);
	}
}

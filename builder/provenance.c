/*
 * SLSA provenance v1 (slsa.dev/spec/v1.0/provenance): the build as the user asked for it, what it ran on, and what it
 * was made of. docs/attestations.md describes the build type. Secrets have no place here; of build arguments, which
 * some people put tokens into, only the names, unless mode=max was asked for.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/parse.h"
#include "builder/attest_internal.h"
#include "run/ladder.h"

#define BUILD_TYPE "urn:io.github.cooper:dockerfile:v1"

static json_t *source_json(const struct build_options *build)
{
	json_t *source = json_object();
	const char *origin = build->context ? build_context_origin(build->context) : NULL;
	const char *commit = build->context ? build_context_commit(build->context) : NULL;

	/* Where on his disk a user's directory lies is nobody's business. */
	json_set_string(source, "context", origin ? origin : "local");
	json_set_string_opt(source, "commit", commit);
	json_set_take(source, "dockerfile", json_from_bytes(build->file->source.name));
	return source;
}

static json_t *arguments_json(const struct build_result *result, bool with_values)
{
	json_t *names = json_array();
	json_t *values = json_object();

	for (size_t i = 0; i < result->build_args.count; i++) {
		const char *text = result->build_args.items[i];
		cleanup_free char *key = mem_strndup(text, strcspn(text, "="));
		const char *value = text[strlen(key)] ? text + strlen(key) + 1 : "";
		json_array_append_new(names, json_from_bytes(key));
		json_set_take(values, key, json_from_bytes(value));
	}
	json_decref(with_values ? names : values);
	return with_values ? values : names;
}

static json_t *external_json(const struct attest_options *options, const struct build_options *build,
			     const struct build_result *result)
{
	cleanup_free char *platform = platform_format(&result->image.config.platform);
	json_t *external = json_object();

	json_set_take(external, "source", source_json(build));
	json_set_string_opt(external, "target", build->target);
	json_set_string(external, "platform", platform);
	json_set_take(external, "buildArgs", arguments_json(result, options->is_max));
	if (options->is_max && build->labels)
		json_set_map_opt(external, "labels", build->labels);
	return external;
}

static int find_rung(struct workshop *w, enum rung *rung, struct error **err)
{
	cleanup(ladder_done) struct ladder ladder = {0};
	const struct idmap *map = NULL;
	int containers = store_folder(workshop_store(w), STORE_CONTAINERS, err);
	int rc = containers < 0 ? containers : workshop_idmap(w, &map, err);

	if (rc >= 0)
		rc = ladder_find(map, containers, &ladder, err);
	if (rc >= 0)
		*rung = ladder.rung;
	return rc < 0 ? rc : 0;
}

static int internal_json(struct workshop *w, json_t **internal, struct error **err)
{
	enum rung rung = RUNG_NONE;
	struct utsname machine;
	int rc = find_rung(w, &rung, err);

	if (rc < 0)
		return rc;
	if (uname(&machine) < 0)
		return error_set_errno(err, "ask for the kernel's name");
	*internal = json_object();
	json_set_string(*internal, "cooper", COOPER_VERSION);
	json_set_string(*internal, "kernel", machine.release);
	json_set_string(*internal, "architecture", machine.machine);
	json_set_string(*internal, "isolation", workshop_is_translated(w) ? "translated" : rung_name(rung));
	return 0;
}

static json_t *materials_json(const struct materials *materials)
{
	json_t *array = json_array();

	for (size_t i = 0; i < materials->count; i++) {
		const struct material *material = &materials->items[i];
		json_t *object = json_object();
		json_set_take(object, "uri", json_from_bytes(material->uri));
		if (material->value) {
			json_t *digest = json_object();
			json_set_string(digest, material->algorithm, material->value);
			json_set_take(object, "digest", digest);
		}
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *run_json(const struct attest_options *options, const struct build_options *build,
			const struct build_result *result)
{
	json_t *run = json_object();
	json_t *builder = json_object();

	/* Who builds is the user's to say; cooper cannot know and does not make it up. */
	json_set_string(builder, "id", options->builder_id ? options->builder_id : "");
	json_set_take(run, "builder", builder);
	if (attest_is_reproducible(build))
		return run;
	cleanup_free char *started = format_time(options->started, 0);
	cleanup_free char *finished = format_time(options->started + result->spent_ms / 1000, 0);
	json_t *metadata = json_object();
	json_set_string_opt(metadata, "invocationId", options->invocation_id);
	json_set_string(metadata, "startedOn", started);
	json_set_string(metadata, "finishedOn", finished);
	json_set_take(run, "metadata", metadata);
	return run;
}

int provenance_make(struct workshop *w, const struct attest_options *options, const struct build_options *build,
		    const struct build_result *result, json_t **predicate, struct error **err)
{
	json_t *internal = NULL;
	int rc = internal_json(w, &internal, err);

	if (rc < 0)
		return rc;
	json_t *definition = json_object();
	json_set_string(definition, "buildType", BUILD_TYPE);
	json_set_take(definition, "externalParameters", external_json(options, build, result));
	json_set_take(definition, "internalParameters", internal);
	json_set_take(definition, "resolvedDependencies", materials_json(&result->materials));
	*predicate = json_object();
	json_set_take(*predicate, "buildDefinition", definition);
	json_set_take(*predicate, "runDetails", run_json(options, build, result));
	return 0;
}

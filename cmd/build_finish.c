/*
 * Results of a build on their way out.
 */
#include "cmd/build_finish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "builder/cache_export.h"
#include "builder/manifest_list.h"
#include "cmd/build_report.h"
#include "imagefmt/index.h"

/* A single image becomes a list, too, when something is stated about it there. */
static bool is_in_index(const struct build_request *request)
{
	return attest_is_wanted(&request->attest) && request->attest.storage == ATTEST_IN_INDEX;
}

void build_outcome_init(struct build_outcome *outcome, const struct build_request *request)
{
	size_t count = request->platform_count ? request->platform_count : 1;

	*outcome = (struct build_outcome){
		.results = mem_alloc(count * sizeof(*outcome->results)),
		.attestations = mem_alloc(count * sizeof(*outcome->attestations)),
		.images = mem_alloc(count * sizeof(*outcome->images)),
		.count = count,
		.is_list =
			count > 1 || is_in_index(request) || build_request_switch(request, "BUILDKIT_MULTI_PLATFORM"),
	};
	for (size_t i = 0; i < count; i++)
		outcome->images[i] = &outcome->results[i].image;
}

void build_outcome_done(struct build_outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++)
		build_result_done(&outcome->results[i]);
	free(outcome->results);
	free(outcome->attestations);
	free(outcome->images);
	image_entry_done(&outcome->list);
	*outcome = (struct build_outcome){0};
}

/* ---- the list -----------------------------------------------------------------------------------------------------
 */

/* Of just these images; what bore the names before does so no longer. */
static int write_list(struct workshop *w, const struct build_request *request, struct build_outcome *outcome,
		      struct error **err)
{
	cleanup(image_index_done) struct image_index index = {.format = request->options.format};

	for (size_t i = 0; i < outcome->count; i++) {
		cleanup(descriptor_done) struct descriptor entry = {0};
		manifest_list_entry_of(outcome->images[i], &entry);
		image_index_append(&index, &entry);
	}
	/* Behind all that can be run: who knows nothing of them finds an image first. */
	for (size_t i = 0; i < outcome->count && is_in_index(request); i++) {
		cleanup(descriptor_done) struct descriptor entry = {0};
		int rc = attest_write_entry(w, outcome->images[i], &outcome->attestations[i], &entry, err);
		if (rc < 0)
			return rc;
		image_index_append(&index, &entry);
	}
	return manifest_list_write(w, &index, &request->names, &outcome->list, err);
}

/* The image's own name is the list's where there is one. */
static int attest(struct workshop *w, const struct build_request *request, struct build_outcome *outcome,
		  struct error **err)
{
	static const struct strlist none = {0};
	const struct strlist *names = outcome->is_list ? &none : &request->names;
	const char *name = request->names.count ? request->names.items[0] : request->manifest;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < outcome->count; i++) {
		struct build_result *result = &outcome->results[i];
		rc = attest_pack_image(w, &request->export, names, &result->image, err);
		if (rc == 0)
			rc = attest_make(w, &request->attest, &request->options, result, name,
					 &outcome->attestations[i], err);
	}
	return rc;
}

int build_outcome_list(struct workshop *w, const struct build_request *request, struct build_outcome *outcome,
		       struct error **err)
{
	int rc = attest_is_wanted(&request->attest) ? attest(w, request, outcome, err) : 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && request->manifest && i < outcome->count; i++)
		rc = manifest_list_add_image(w, request->manifest, outcome->images[i], /* changes */ NULL,
					     &outcome->list, err);
	if (rc < 0)
		return error_prefix(err, "--manifest %s", request->manifest);
	/* With no name but the list's, the list is what is meant. */
	if (outcome->is_list && (!request->manifest || request->names.count))
		rc = write_list(w, request, outcome, err);
	return rc < 0 ? error_prefix(err, "write the list of images") : 0;
}

/* ---- places -------------------------------------------------------------------------------------------------------
 */

/* *sent: the last digest under which it went out. */
static int write_outputs(struct command_context *context, const struct build_request *request,
			 const struct build_outcome *outcome, bool pushes, struct digest *sent, struct error **err)
{
	struct export_options export = request->export;
	const struct strlist manifest = {.items = (char *[]){request->manifest, NULL}, .count = 1};
	bool by_manifest = request->manifest && request->tags.count == 0 && outcome->is_list;
	const struct output_options options = {.names = by_manifest ? &manifest : &request->tags, .export = &export};
	const struct output_product product = {
		.images = outcome->images, .count = outcome->count, .list = outcome->is_list ? &outcome->list : NULL};
	int rc = 0;

	if (!pushes) /* archives and layouts have no place for signatures */
		export.signing = NULL;
	export.if_absent &= pushes;
	for (size_t i = 0; rc == 0 && i < request->output_count; i++) {
		const struct output *output = &request->outputs[i];
		struct digest digest;
		if ((output->type == OUTPUT_REGISTRY) != pushes)
			continue;
		rc = output_write(context->workshop, output, &product, &options, &digest, err);
		if (rc == 0 && !digest_is_null(&digest))
			*sent = digest;
	}
	for (size_t i = 0; rc == 0 && i < request->places.count; i++) {
		const char *place = request->places.items[i];
		if (text_has_prefix(place, "docker://") != pushes)
			continue;
		rc = output_send(context->workshop, &product, place, &export, sent, err);
		if (rc < 0)
			return error_prefix(err, "--tag %s", place);
	}
	return rc;
}

int build_check_push(const struct build_request *request, struct error **err)
{
	const struct strlist manifest = {.items = (char *[]){request->manifest, NULL}, .count = 1};
	bool by_manifest = request->manifest && request->tags.count == 0;
	struct export_options export = request->export;
	const struct output_options options = {.names = by_manifest ? &manifest : &request->tags, .export = &export};
	int rc = 0;

	export.client = NULL; /* a build forks, and its steps are not to have connections */

	for (size_t i = 0; rc == 0 && i < request->output_count; i++)
		if (request->outputs[i].type == OUTPUT_REGISTRY)
			rc = output_check_push(&request->outputs[i], &options, err);
	for (size_t i = 0; rc == 0 && i < request->places.count; i++)
		if (text_has_prefix(request->places.items[i], "docker://"))
			rc = export_check_push(request->places.items[i], &export, err);
	return rc;
}

/* ---- referrers ----------------------------------------------------------------------------------------------------
 */

static int push_to(struct workshop *w, const struct build_request *request, const struct build_outcome *outcome,
		   const char *place, struct error **err)
{
	struct registry_client **client = request->export.client;
	cleanup(reference_done) struct reference ref = {0};
	int rc = reference_parse(place, &ref, err);

	/* As where the image went. */
	if (rc == 0)
		reference_set_docker_domain(&ref);
	if (rc == 0 && !*client)
		rc = registry_client_new(&request->export.registry, client, err);
	for (size_t i = 0; rc == 0 && i < outcome->count; i++)
		rc = attest_push_referrers(w, outcome->images[i], &outcome->attestations[i], *client, &ref, err);
	return rc < 0 ? error_prefix(err, "%s", place) : 0;
}

/* Behind the images that they speak of, to each registry that these went to. */
static int push_referrers(struct workshop *w, const struct build_request *request, const struct build_outcome *outcome,
			  struct error **err)
{
	static const char docker[] = "docker://";
	cleanup(strlist_done) struct strlist places = {0};
	int rc = 0;

	if (!attest_is_wanted(&request->attest) || request->attest.storage != ATTEST_AS_REFERRERS)
		return 0;
	for (size_t i = 0; i < request->output_count; i++) {
		const struct output *output = &request->outputs[i];
		if (output->type != OUTPUT_REGISTRY)
			continue;
		if (output->names.count)
			strlist_append_all(&places, &output->names);
		else if (request->tags.count)
			strlist_append_all(&places, &request->tags);
		else if (request->manifest)
			strlist_append(&places, request->manifest);
	}
	for (size_t i = 0; i < request->places.count; i++)
		if (text_has_prefix(request->places.items[i], docker))
			strlist_append(&places, request->places.items[i] + strlen(docker));
	for (size_t i = 0; rc == 0 && i < places.count; i++)
		rc = push_to(w, request, outcome, places.items[i], err);
	return rc;
}

/* ---- the cache ----------------------------------------------------------------------------------------------------
 */

/* What all platforms gave is one cache. */
static void merge_records(struct build_outcome *outcome)
{
	struct build_result *first = &outcome->results[0];

	for (size_t i = 1; i < outcome->count; i++) {
		const struct build_result *other = &outcome->results[i];
		for (size_t mode = 0; mode < CACHE_MODES; mode++)
			cache_records_add_all(&first->records[mode], &other->records[mode]);
		for (size_t k = 0; k < other->mounts.count; k++)
			cache_mounts_add(&first->mounts, &other->mounts.items[k].name, other->mounts.items[k].id);
	}
}

static int write_caches(struct command_context *context, const struct build_request *request,
			struct build_outcome *outcome, struct error **err)
{
	int rc = 0;

	merge_records(outcome);
	for (size_t i = 0; rc == 0 && i < request->cache_to_count; i++) {
		const struct cache_place *place = &request->cache_to[i];
		const struct build_result *result = &outcome->results[0];
		if (place->kind != CACHE_INLINE) /* which is in the image */
			rc = cache_export(context->workshop, place, &result->records[place->mode], &result->mounts,
					  &request->options.registry, err);
	}
	return rc;
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

/* The id of what was built: of the image, or of the list. */
static const struct digest *outcome_id(const struct build_outcome *outcome)
{
	return outcome->is_list ? &outcome->list.id : &outcome->images[0]->entry.id;
}

static const struct descriptor *outcome_manifest(const struct build_outcome *outcome)
{
	return outcome->is_list ? &outcome->list.manifest : &outcome->images[0]->entry.manifest;
}

static void add_reports(const struct build_outcome *outcome, json_t *root)
{
	json_t *platforms = json_object();

	if (!outcome->is_list) {
		json_decref(platforms);
		json_set_take(root, "io.github.cooper.build", build_report_json(&outcome->results[0]));
		return;
	}
	for (size_t i = 0; i < outcome->count; i++) {
		cleanup_free char *platform = platform_format(&outcome->images[i]->config.platform);
		json_set_take(platforms, platform, build_report_json(&outcome->results[i]));
	}
	json_set_take(root, "io.github.cooper.builds", platforms);
}

static int write_metadata(const char *path, const struct build_request *request, const struct build_outcome *outcome,
			  const struct digest *sent, struct error **err)
{
	const struct descriptor *manifest = outcome_manifest(outcome);
	bool is_own = digest_is_null(sent) || digest_equal(sent, &manifest->digest);
	char id[DIGEST_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup_free char *names = strlist_join(&request->names, ",");

	digest_format(outcome_id(outcome), id);
	digest_format(is_own ? &manifest->digest : sent, digest);
	if (!outcome->is_list)
		json_set_string(root, "containerimage.config.digest", id);
	json_set_string(root, "containerimage.digest", digest);
	json_t *descriptor = json_object();
	json_set_string(descriptor, "digest", digest);
	json_set_string(descriptor, "mediaType",
			outcome->is_list ? manifest->media_type : manifest_media_type(&outcome->images[0]->manifest));
	if (is_own) /* one that was packed on the way has another size */
		json_set_i64(descriptor, "size", (int64_t)manifest->size);
	json_set_take(root, "containerimage.descriptor", descriptor);
	json_set_string_opt(root, "image.name", *names ? names : NULL);
	add_reports(outcome, root);
	json_format_pretty(root, 4, &text);
	return result_file_write(path, buf_str(&text), err);
}

static int write_files(const struct build_flags *flags, const struct build_request *request,
		       const struct build_outcome *outcome, const struct digest *sent, struct error **err)
{
	char id[DIGEST_TEXT_SIZE], hex[DIGEST_HEX_SIZE];
	int rc = 0;

	if (flags->iidfile)
		rc = result_file_write(flags->iidfile, digest_format(outcome_id(outcome), id), err);
	if (rc == 0 && flags->iidfile_raw)
		rc = result_file_write(flags->iidfile_raw, digest_hex(outcome_id(outcome), hex), err);
	if (rc == 0 && flags->metadata_file)
		rc = write_metadata(flags->metadata_file, request, outcome, sent, err);
	return rc;
}

static void print_id(const struct build_request *request, const struct build_outcome *outcome)
{
	char hex[DIGEST_HEX_SIZE];

	for (size_t i = 0; i < request->output_count; i++)
		if (output_is_stdout(&request->outputs[i])) /* the archive is the result */
			return;
	printf("%s\n", digest_hex(outcome_id(outcome), hex));
}

int build_finish(struct command_context *context, const struct build_flags *flags, const struct build_request *request,
		 struct build_progress_state *progress, struct build_outcome *outcome, struct error **err)
{
	struct digest sent = {0};
	int rc = write_outputs(context, request, outcome, /* pushes */ false, &sent, err);

	if (rc < 0)
		return rc;
	int pushed = write_outputs(context, request, outcome, /* pushes */ true, &sent, err);
	if (pushed == 0)
		pushed = push_referrers(context->workshop, request, outcome, err);
	/* The image is there: what a failed push leaves undone is said, and does not take it back. */
	if (pushed < 0)
		pushed = push_failed(err);
	if (write_caches(context, request, outcome, err) < 0)
		pushed = push_failed(err);
	rc = write_files(flags, request, outcome, &sent, err);
	if (rc < 0)
		return rc;
	build_progress_end(progress);
	print_id(request, outcome);
	return pushed;
}

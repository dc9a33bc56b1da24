/*
 * What the image is called and where it goes: names in the store, files, directories, registries.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "imagefmt/reference.h"

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec output_rows[] = {
	{"output", 'o', OPTION_LIST, BUILD(outputs), "type=TYPE,…",
	 "also write the result: local, tar, oci, docker, image, registry; DIR or - alone"},
	{"push", 0, OPTION_FLAG, BUILD(push), NULL, "push the image to the registries of its names"},
	{"push-by-digest", 0, OPTION_FLAG, BUILD(push_by_digest), NULL,
	 "push without a tag: other machines' images join it in a list by the digest that --metadata-file has"},
	{"load", 0, OPTION_FLAG, BUILD(load), NULL, "keep the image in the store, which is done in any case"},
	{"iidfile", 0, OPTION_TEXT, BUILD(iidfile), "FILE", "write sha256:ID to FILE"},
	{"iidfile-raw", 0, OPTION_TEXT, BUILD(iidfile_raw), "FILE", "write the ID to FILE"},
	{"metadata-file", 0, OPTION_TEXT, BUILD(metadata_file), "FILE", "write names and digests as JSON to FILE"},
};
const struct option_group build_output_group = {"Output options", output_rows, ARRAY_COUNT(output_rows)};

static int add_name(struct build_request *request, const char *text, const char *option, struct error **err)
{
	cleanup_free char *name = NULL;
	int rc = reference_local_name(text, &name, err);

	if (rc < 0)
		return error_prefix(err, "%s '%s'", option, text);
	if (!strlist_contains(&request->names, name))
		strlist_append(&request->names, name);
	return 0;
}

static int read_tags(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < flags->tags.count; i++) {
		const char *tag = flags->tags.items[i];
		if (location_has_transport(tag)) {
			cleanup(location_done) struct location location = {0};
			rc = location_parse(tag, &location, err);
			if (rc == 0)
				strlist_append(&request->places, tag);
			continue;
		}
		strlist_append(&request->tags, tag);
		rc = add_name(request, tag, "--tag", err);
	}
	return rc;
}

static int read_outputs(const struct build_flags *flags, struct build_request *request, struct error **err)
{
	size_t most = flags->outputs.count + 1;

	request->outputs = mem_alloc(most * sizeof(*request->outputs));
	for (size_t i = 0; i < flags->outputs.count; i++) {
		struct output *output = &request->outputs[i];
		int rc = output_parse(flags->outputs.items[i], output, err);
		if (rc < 0)
			return rc;
		request->output_count++;
		for (size_t k = 0; rc == 0 && k < output->names.count; k++)
			rc = add_name(request, output->names.items[k], "--output name", err);
		if (rc < 0)
			return rc;
		strlist_append_all(&request->annotations, &output->annotations);
		request->options.rewrite_timestamp |= output->rewrite_timestamp;
	}
	if (flags->push || flags->push_by_digest)
		request->outputs[request->output_count++] =
			(struct output){.type = OUTPUT_REGISTRY, .level = -1, .by_digest = flags->push_by_digest};
	return 0;
}

bool build_request_pushes(const struct build_request *request)
{
	for (size_t i = 0; i < request->output_count; i++)
		if (request->outputs[i].type == OUTPUT_REGISTRY)
			return true;
	for (size_t i = 0; i < request->places.count; i++)
		if (text_has_prefix(request->places.items[i], "docker://"))
			return true;
	return false;
}

/* Said now, and not behind an hour of building. */
static int check_pushes(const struct build_flags *flags, const struct build_request *request, struct error **err)
{
	int rc = push_flags_check(&flags->pushing, build_request_pushes(request),
				  "--push, or another output to a registry", err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; flags->pushing.if_absent && i < request->output_count; i++)
		if (request->outputs[i].by_digest)
			return error_set(err, EINVAL, "--if-absent: a push by digest sets no tag");
	return 0;
}

int build_output_flags_read(const struct command_context *context, const struct build_flags *flags,
			    struct build_request *request, struct error **err)
{
	int rc = read_tags(flags, request, err);

	request->options.names = &request->names;
	if (rc == 0)
		rc = read_outputs(flags, request, err);
	return rc == 0 ? check_pushes(flags, request, err) : rc;
}

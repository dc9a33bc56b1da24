/*
 * The statements that build is to make about the image: how it was made, and what is in it.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/parse.h"

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec attest_rows[] = {
	{"provenance", 0, OPTION_OPTIONAL, BUILD(provenance), "MODE",
	 "state how the image was made: min, or max with the values of build arguments", "min"},
	{"sbom", 0, OPTION_OPTIONAL, BUILD(sbom), "FORMAT",
	 "state what the image's package databases list: spdx (default), cyclonedx, or both with a comma", "spdx"},
	{"attest", 0, OPTION_LIST, BUILD(attest), "type=TYPE,…",
	 "the same: type=provenance,mode=MODE or type=sbom,format=FORMAT"},
	{"attest-storage", 0, OPTION_TEXT, BUILD(attest_storage), "WHERE",
	 "where statements go: referrers (default; with --push) or index"},
	{"builder-id", 0, OPTION_TEXT, BUILD(builder_id), "URI", "who builds, for the provenance"},
};
const struct option_group build_attest_group = {"Attestation options", attest_rows, ARRAY_COUNT(attest_rows)};

static int take_mode(const char *mode, const char *option, struct build_request *request, struct error **err)
{
	request->attest.is_max = strcmp(mode, "max") == 0;
	request->attest.provenance = true;
	if (!request->attest.is_max && strcmp(mode, "min") != 0)
		return error_set(err, EINVAL, "%s: the mode '%s' is neither min nor max", option, mode);
	return 0;
}

/* "min", "max", a truth value, or buildx's "mode=max,builder-id=URI". */
static int read_provenance(const char *text, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	bool on = false;

	if (parse_bool(text, "--provenance", &on, NULL) == 0) {
		request->attest.provenance = on;
		return 0;
	}
	int rc = parse_csv(text, "--provenance", &fields, err);
	for (size_t i = 0; rc == 0 && i < fields.count; i++) {
		const char *field = fields.items[i];
		if (text_has_prefix(field, "builder-id="))
			mem_replace(&request->builder_id, field + strlen("builder-id="));
		else if (text_has_prefix(field, "mode="))
			rc = take_mode(field + strlen("mode="), "--provenance", request, err);
		else
			rc = take_mode(field, "--provenance", request, err);
	}
	return rc;
}

/* "spdx", "cyclonedx", both with a comma, or a truth value: BuildKit knows SPDX only. */
static int read_sbom(const char *text, const char *option, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	struct attest_options *attest = &request->attest;
	bool on = false;

	if (parse_bool(text, option, &on, NULL) == 0) {
		attest->spdx = on;
		attest->cyclonedx = false;
		return 0;
	}
	strlist_split(&names, text, ',');
	attest->spdx = strlist_contains(&names, "spdx");
	attest->cyclonedx = strlist_contains(&names, "cyclonedx");
	for (size_t i = 0; i < names.count; i++)
		if (strcmp(names.items[i], "spdx") != 0 && strcmp(names.items[i], "cyclonedx") != 0)
			return error_set(err, EINVAL, "%s: '%s' is no bill of materials (spdx and cyclonedx are)",
					 option, names.items[i]);
	return 0;
}

static int read_attest_field(const char *field, struct build_request *request, bool *on, struct error **err)
{
	static const char *const prefixes[] = {"type=", "mode=", "builder-id=", "disabled=", "format="};
	size_t kind = 0;
	bool disabled = false;

	while (kind < ARRAY_COUNT(prefixes) && !text_has_prefix(field, prefixes[kind]))
		kind++;
	const char *value = kind < ARRAY_COUNT(prefixes) ? field + strlen(prefixes[kind]) : "";
	int rc = 0;
	switch (kind) {
	case 0:
		return 0;
	case 1:
		return take_mode(value, "--attest", request, err);
	case 2:
		mem_replace(&request->builder_id, value);
		return 0;
	case 3:
		rc = parse_bool(value, "--attest disabled", &disabled, err);
		*on = !disabled;
		return rc;
	case 4:
		return read_sbom(value, "--attest format", request, err);
	default:
		return error_set(err, EINVAL,
				 "--attest: '%s' is not known (type, mode, builder-id, format and disabled are)",
				 field);
	}
}

/* Its format may have been told before. */
static void take_sbom(struct build_request *request, bool on)
{
	struct attest_options *attest = &request->attest;

	if (!on)
		attest->spdx = attest->cyclonedx = false;
	else if (!attest->cyclonedx)
		attest->spdx = true;
}

static int read_attest(const char *text, struct build_request *request, struct error **err)
{
	cleanup(strlist_done) struct strlist fields = {0};
	const char *type = NULL;
	bool on = true;
	int rc = parse_csv(text, "--attest", &fields, err);

	for (size_t i = 0; rc == 0 && i < fields.count; i++) {
		rc = read_attest_field(fields.items[i], request, &on, err);
		if (text_has_prefix(fields.items[i], "type="))
			type = fields.items[i] + strlen("type=");
	}
	if (rc < 0)
		return rc;
	if (type && strcmp(type, "provenance") == 0)
		request->attest.provenance = on;
	else if (type && strcmp(type, "sbom") == 0)
		take_sbom(request, on);
	else
		return error_set(err, EINVAL, "--attest '%s': use type=provenance or type=sbom", text);
	return 0;
}

/* What statements are about must be what arrives, and they must have a place. */
static int check_attestations(const struct build_request *request, struct error **err)
{
	for (size_t i = 0; i < request->output_count; i++) {
		const struct output *output = &request->outputs[i];
		int rc = request->attest.storage == ATTEST_IN_INDEX ? output_check_list(output, err) : 0;
		if (rc < 0)
			return rc;
		if (output->has_codec || output->docker_media_types)
			return error_set(
				err, EINVAL,
				"attestations speak of one manifest: an --output with a compression or media types "
				"of its own would make another (use --compression-format)");
	}
	if (request->options.format == FORMAT_DOCKER)
		return error_set(err, EINVAL, "attestations go with OCI's format (leave --format docker out)");
	if (request->attest.storage == ATTEST_IN_INDEX && request->manifest)
		return error_set(
			err, EINVAL,
			"--attest-storage=index makes a list of its own; with --manifest attestations are referrers");
	if (request->attest.storage == ATTEST_AS_REFERRERS && !build_request_pushes(request))
		return error_set(
			err, EINVAL,
			"attestations as referrers go with images that are pushed (see --push; or put them into the "
			"image's index with --attest-storage=index)");
	return 0;
}

static void make_invocation_id(char id[37])
{
	unsigned char bytes[16] = {0};
	char hex[2 * sizeof(bytes) + 1];

	(void)!getrandom(bytes, sizeof(bytes), 0);
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	format_hex(bytes, sizeof(bytes), hex);
	snprintf(id, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

int build_attest_flags_read(const struct command_context *context, const struct build_flags *flags,
			    struct build_request *request, struct error **err)
{
	struct attest_options *attest = &request->attest;
	int rc = flags->provenance ? read_provenance(flags->provenance, request, err) : 0;

	if (rc == 0)
		rc = flags->sbom ? read_sbom(flags->sbom, "--sbom", request, err) : 0;
	for (size_t i = 0; rc == 0 && i < flags->attest.count; i++)
		rc = read_attest(flags->attest.items[i], request, err);
	if (rc < 0)
		return rc;
	if (flags->attest_storage && strcmp(flags->attest_storage, "index") == 0)
		attest->storage = ATTEST_IN_INDEX;
	else if (flags->attest_storage && strcmp(flags->attest_storage, "referrers") != 0)
		return error_set(err, EINVAL, "--attest-storage '%s': use referrers or index", flags->attest_storage);
	if (flags->builder_id)
		mem_replace(&request->builder_id, flags->builder_id);
	if (!attest_is_wanted(attest)) {
		if (flags->attest_storage || request->builder_id)
			return error_set(err, EINVAL,
					 "--attest-storage and --builder-id go with --provenance or --sbom");
		return 0;
	}
	make_invocation_id(request->invocation_id);
	attest->builder_id = request->builder_id;
	attest->invocation_id = request->invocation_id;
	attest->started = context->now;
	return check_attestations(request, err);
}

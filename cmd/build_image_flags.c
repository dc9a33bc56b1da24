/*
 * What the image says of itself besides what the Dockerfile says, and of which time it is.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>

#include "base/parse.h"

#define BUILD(member) offsetof(struct build_flags, member)
static const struct option_spec image_rows[] = {
	{"format", 0, OPTION_TEXT, BUILD(format), "FORMAT", "oci (default) or docker"},
	{"label", 0, OPTION_LIST, BUILD(labels), "K=V", "label of the image"},
	{"annotation", 0, OPTION_LIST, BUILD(annotations), "K=V", "annotation of the manifest"},
	{"env", 0, OPTION_LIST, BUILD(env), "K[=V]", "variable of the image, after the last instruction"},
	{"unsetenv", 0, OPTION_LIST, BUILD(unset_env), "K", "leave a variable out of the image"},
	{"unsetlabel", 0, OPTION_LIST, BUILD(unset_labels), "K", "leave a label out"},
	{"unsetannotation", 0, OPTION_LIST, BUILD(unset_annotations), "K", "leave an annotation out"},
	{"inherit-labels", 0, OPTION_OPTIONAL, BUILD(inherit_labels), "BOOL", NULL, "true"},
	{"inherit-annotations", 0, OPTION_OPTIONAL, BUILD(inherit_annotations), "BOOL", NULL, "true"},
	{"created-annotation", 0, OPTION_OPTIONAL, BUILD(created_annotation), "BOOL",
	 "write org.opencontainers.image.created (default false)", "true"},
	{"identity-label", 0, OPTION_OPTIONAL, BUILD(identity_label), "BOOL", "write a label with cooper's version",
	 "true"},
	{"omit-history", 0, OPTION_OPTIONAL, BUILD(omit_history), "BOOL", "write no history", "true"},
	{"timestamp", 0, OPTION_TEXT, BUILD(timestamp), "SECONDS", "time of creation, and of every file of new layers"},
	{"source-date-epoch", 0, OPTION_TEXT, BUILD(source_date_epoch), "SECONDS",
	 "time of creation (default $SOURCE_DATE_EPOCH)"},
	{"rewrite-timestamp", 0, OPTION_OPTIONAL, BUILD(rewrite_timestamp), "BOOL",
	 "with it, no file of a new layer is younger (default true)", "true"},
};
const struct option_group build_image_group = {"Image options", image_rows, ARRAY_COUNT(image_rows)};

static int read_changes(const struct build_flags *flags, struct image_changes *changes, struct error **err)
{
	*changes = (struct image_changes){.env = &flags->env,
					  .unset_env = &flags->unset_env,
					  .unset_labels = &flags->unset_labels,
					  .unset_annotations = &flags->unset_annotations};
	int rc = bool_flag_read(flags->created_annotation, "--created-annotation", &changes->created_annotation, err);
	if (rc == 0)
		rc = bool_flag_read(flags->identity_label, "--identity-label", &changes->identity_label, err);
	if (rc == 0)
		rc = bool_flag_read(flags->omit_history, "--omit-history", &changes->omit_history, err);
	return rc;
}

static int read_times(const struct command_context *context, const struct build_flags *flags,
		      struct build_options *options, struct error **err)
{
	bool rewrite = true;
	int rc = 0;

	options->timestamp = -1;
	options->source_date_epoch = workshop_options(context->workshop)->source_date_epoch;
	if (flags->timestamp && flags->source_date_epoch)
		return error_set(err, EINVAL, "--timestamp and --source-date-epoch cannot both be given");
	if (flags->timestamp)
		rc = parse_i64(flags->timestamp, 0, INT64_MAX, "--timestamp", &options->timestamp, err);
	if (rc == 0 && flags->source_date_epoch)
		rc = parse_i64(flags->source_date_epoch, 0, INT64_MAX, "--source-date-epoch",
			       &options->source_date_epoch, err);
	if (rc == 0)
		rc = bool_flag_read(flags->rewrite_timestamp, "--rewrite-timestamp", &rewrite, err);
	options->rewrite_timestamp |= rewrite; /* an --output may have asked for it */
	return rc;
}

int build_image_flags_read(const struct command_context *context, const struct build_flags *flags,
			   struct build_request *request, struct error **err)
{
	struct build_options *options = &request->options;
	int rc = read_times(context, flags, options, err);

	if (rc == 0)
		rc = format_flag_default(flags->format, &options->format, err);
	strlist_append_all(&request->annotations, &flags->annotations);
	options->annotations = &request->annotations;
	options->labels = &flags->labels;
	return rc == 0 ? read_changes(flags, &request->changes, err) : rc;
}

/*
 * Options that scripts for Buildah, podman and docker pass. Some have no meaning here and are taken without a word;
 * some can have one value only; and some would change the result, and are refused.
 */
#include "cmd/build_flags_internal.h"

#include <errno.h>

#define BUILD(member) offsetof(struct build_flags, member)
/* None of them is shown. */
static const struct option_spec compat_rows[] = {
	{"save-stages", 0, OPTION_OPTIONAL, BUILD(save_stages), "BOOL", NULL, "true"},
	{"stage-labels", 0, OPTION_OPTIONAL, BUILD(stage_labels), "BOOL", NULL, "true"},
	{"source-policy-file", 0, OPTION_TEXT, BUILD(source_policy_file), "FILE", NULL},
	{"userns-uid-map", 0, OPTION_TEXT, BUILD(userns_uid_map), "MAP", NULL},
	{"userns-gid-map", 0, OPTION_TEXT, BUILD(userns_gid_map), "MAP", NULL},
	{"userns-uid-map-user", 0, OPTION_TEXT, BUILD(userns_uid_map_user), "USER", NULL},
	{"userns-gid-map-group", 0, OPTION_TEXT, BUILD(userns_gid_map_group), "GROUP", NULL},
	{"layer-label", 0, OPTION_LIST, BUILD(layer_labels), "K=V", NULL},
	{"skip-unused-stages", 0, OPTION_OPTIONAL, BUILD(skip_unused_stages), "BOOL", NULL, "true"},
	{"compat-volumes", 0, OPTION_OPTIONAL, BUILD(compat_volumes), "BOOL", NULL, "true"},
	{"rm", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"force-rm", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"compress", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"disable-content-trust", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"log-rusage", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"builder", 0, OPTION_UNNEEDED, 0, "NAME", NULL},
	{"loglevel", 0, OPTION_UNNEEDED, 0, "N", NULL},
};
const struct option_group build_compat_group = {NULL, compat_rows, ARRAY_COUNT(compat_rows)};

/* A script that asks for it would get another result than it expects. */
static int refuse(const struct build_flags *flags, struct error **err)
{
	if (flags->source_policy_file)
		return error_set(
			err, EINVAL,
			"--source-policy-file: source policies are not applied (name images by digest, and use "
			"the trust policy of policy.json)");
	if (flags->userns_uid_map || flags->userns_gid_map || flags->userns_uid_map_user || flags->userns_gid_map_group)
		return error_set(err, EINVAL,
				 "--userns-uid-map and its kin: steps run under the id map of this user, which is made "
				 "of /etc/subuid and /etc/subgid (leave the option out)");
	if (flags->layer_labels.count)
		return error_set(err, EINVAL,
				 "--layer-label: steps leave layers, and no intermediate images that could have labels "
				 "(--label is for the image)");
	if (flags->logsplit && !flags->logfile)
		return error_set(err, EINVAL, "--logsplit: there is no --logfile to split");
	return 0;
}

/* Options that can have only one value here. */
static int check_constants(const struct build_flags *flags, struct error **err)
{
	const struct {
		const char *name, *text;
		bool value;
		const char *why;
	} constants[] = {
		{"--save-stages", flags->save_stages, false,
		 "stages do not become images of their own (build each with --target and --tag)"},
		{"--stage-labels", flags->stage_labels, false, "stages do not become images of their own"},
		{"--skip-unused-stages", flags->skip_unused_stages, true, "only what the target needs is built"},
		{"--compat-volumes", flags->compat_volumes, false, "what RUN writes below a VOLUME is kept"},
		{"--inherit-labels", flags->inherit_labels, true,
		 "an image has the labels of its base (see --unsetlabel)"},
		{"--inherit-annotations", flags->inherit_annotations, false,
		 "an image does not have the annotations of its base"},
	};

	for (size_t i = 0; i < ARRAY_COUNT(constants); i++) {
		bool on = constants[i].value;
		int rc = bool_flag_read(constants[i].text, constants[i].name, &on, err);
		if (rc < 0)
			return rc;
		if (on != constants[i].value)
			return error_set(err, EINVAL, "%s=%s: %s", constants[i].name, constants[i].text,
					 constants[i].why);
	}
	return 0;
}

int build_compat_flags_read(const struct command_context *context, const struct build_flags *flags,
			    struct build_request *request, struct error **err)
{
	int rc = refuse(flags, err);

	return rc == 0 ? check_constants(flags, err) : rc;
}

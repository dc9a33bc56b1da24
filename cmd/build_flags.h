/*
 * The options of `cooper build`, and what they become for the builder. Buildah's names with BuildKit's beside them
 * where they differ.
 */
#ifndef COOPER_CMD_BUILD_FLAGS_H
#define COOPER_CMD_BUILD_FLAGS_H

#include "builder/amend.h"
#include "builder/attest.h"
#include "builder/build.h"
#include "builder/cache_prune.h"
#include "builder/output.h"
#include "cmd/flags.h"
#include "cmd/push_flags.h"
#include "cmd/sign_flags.h"

struct build_flags {
	const char *target, *iidfile, *iidfile_raw, *metadata_file, *ignorefile, *format, *from, *logfile, *jobs;
	const char *layers, *timestamp, *source_date_epoch, *rewrite_timestamp, *context_modes, *progress, *call;
	const char *created_annotation, *identity_label, *omit_history;
	const char *cache_max_used, *cache_mounts, *save_stages, *stage_labels, *source_policy_file, *userns_uid_map,
		*userns_gid_map, *userns_uid_map_user, *userns_gid_map_group;
	const char *skip_unused_stages, *compat_volumes, *provenance, *sbom, *attest_storage, *builder_id,
		*inherit_labels, *inherit_annotations, *manifest;
	bool no_cache, explain, pass_stdin, quiet, squash, squash_all, push, push_by_digest, load, check, all_platforms,
		debug, logsplit;
	struct strlist files, tags, build_args, build_arg_files, build_contexts, secrets, ssh, labels, annotations,
		outputs, no_cache_filter, cache_from, cache_to, cache_ttl, attest, allow, cpp_flags, mounts, env,
		unset_env, unset_labels, unset_annotations, layer_labels;
	struct platform_flags platform; /* without `platform`, which is: */
	struct strlist platforms;	/* each perhaps several with commas */
	struct pull_flags pull;
	struct compression_flags compression;
	struct push_flags pushing;
	struct registry_flags registry;
	struct sign_flags sign;
	struct run_flags run;
};
extern const struct option_group build_group, build_output_group, build_image_group, build_platform_group,
	build_cache_group, build_attest_group, build_compat_group;

enum build_progress {
	BUILD_PROGRESS_AUTO, /* a terminal's view on a terminal, else lines */
	BUILD_PROGRESS_PLAIN,
	BUILD_PROGRESS_TERMINAL,
	BUILD_PROGRESS_JSON,
	BUILD_PROGRESS_QUIET
};

enum build_call { BUILD_CALL_BUILD, BUILD_CALL_CHECK, BUILD_CALL_OUTLINE, BUILD_CALL_TARGETS };

/* What was asked for, read and checked. Texts are borrowed from the flags where they could be. */
struct build_request {
	struct build_options options; /* all but context and file */
	enum build_call call;
	bool call_json;
	enum build_progress progress;
	struct strlist build_args;
	struct strlist tags;   /* as written, without those that are places: what --push pushes */
	struct strlist names;  /* full names in the store */
	struct strlist places; /* "transport:…" of --tag */
	struct strlist annotations, no_cache_stages;
	struct output *outputs;
	size_t output_count;
	struct secret_grants grants;
	struct cache_place *cache_from, *cache_to;
	size_t cache_from_count, cache_to_count;
	struct settings settings;
	struct platform *platforms; /* to build for; none: this machine's alone */
	size_t platform_count;
	struct attest_options attest;
	char *builder_id; /* what attest points to; NULL */
	char invocation_id[37];
	char *manifest; /* --manifest, a full name; NULL */
	struct export_options export;
	struct sign_request sign; /* what export points to */
	struct image_changes changes;
	struct cache_limits cache_limits;
};

void build_request_done(struct build_request *request);
/* A switch that BuildKit's users give as a build argument, "BUILDKIT_INLINE_CACHE". False for what is no truth value.
 */
bool build_request_switch(const struct build_request *request, const char *name);
CLEANUP_FOR_VALUE(struct build_request, build_request_done)
/* The platforms of --all-platforms, once the Dockerfile is read. -EINVAL when they do not go with the other options. */
int build_request_take_platforms(struct build_request *request, const struct build_flags *flags, struct workshop *w,
				 struct error **err);
/* -EINVAL names the option at fault. Flags of a feature that is missing are refused, never dropped. */
int build_flags_read(const struct command_context *context, const struct build_flags *flags,
		     struct build_request *request, struct error **err);

#endif

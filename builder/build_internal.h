/*
 * What the files of a build share:
 *
 *	build.c		the door: plan, images, what is cached, the rest
 *	build_image.c	the image that comes out
 *	build_result.c	and what is told about how it was made
 *	build_say.c	what is told while it is made
 *	build_source.c	what steps read: contexts, images, other stages
 *	build_stage.c	one stage, step by step: from the cache, or made
 *	build_stepkey.c	the key of a step
 *	build_seen.c	what its copy has seen, for that; build_question.c whether there is anything to be asked
 *	build_explain.c	why it was not in the cache
 *	build_layer.c	changes to a layer
 *	build_exec.c	RUN; build_mounts.c what it mounts, debug_shell.c what is left of one that failed
 *	secret.c	its secrets and ssh sockets
 *	build_mask.c	and how they are kept out of the log
 *	build_files.c	COPY, ADD, WORKDIR
 *	build_remote.c	what ADD fetches
 *	build_jobs.c	stages as processes
 *	build_cache_mounts.c	cache mounts that travel with the cache
 *	cache_import.c	caches of other machines; cache_records.c has the document, cache_export.c writes it
 *
 * A stage is its base's layers and a record for each step that makes one more; everything else about it stands in the
 * plan. Records are all that travels between processes.
 */
#ifndef COOPER_BUILDER_BUILD_INTERNAL_H
#define COOPER_BUILDER_BUILD_INTERNAL_H

#include "base/ownertable.h"
#include "builder/build.h"
#include "builder/build_cache.h"
#include "builder/build_key.h"
#include "builder/build_memo.h"
#include "builder/build_plan.h"
#include "builder/build_remote.h"
#include "builder/cache_import.h"
#include "builder/container.h"
#include "builder/rootfs.h"
#include "builder/settings_parse.h"

/* An image that the file names. */
struct build_image {
	char *name;
	char *platform; /* as text, or NULL */
	struct image image;
	struct acquire_rest *rest; /* its layers are still in the registry; NULL */
};

/* A directory that steps read: the context (first), and those of --build-context. */
struct build_directory {
	struct build_context *context; /* NULL until it is needed; the first is the caller's */
	struct build_memo *memo;
};

/* The digest of the layers of a stage so far, bottommost first, which goes on with each that comes. */
struct layers_below {
	struct digest digest;
	size_t count;
};

/* A stage on its way. */
struct stage_run {
	const struct plan_stage *plan;
	size_t number;		      /* in the plan */
	size_t done;		      /* steps behind us */
	size_t looked_up;	      /* the step at which looking up came to its end, counted from 1; 0: none */
	bool is_ready;		      /* its base's layers are in `c` */
	struct build_record *records; /* of each step that has a layer and is done */
	struct digest *inputs;	    /* of each step: digest of what is in its key besides the state; null: not known */
	bool *cached;		    /* of each step */
	int64_t *spent_ms;	    /* of each step */
	int64_t base_ms;	    /* unpacking what it is FROM */
	int rung;		    /* enum rung: the weakest that one of its steps has had; RUNG_NONE: none was run */
	int64_t step_began_ms;	    /* the one at hand */
	struct explain *explain;    /* NULL before it is needed */
	struct layers_below *below; /* of the step at hand, for keys (build_stepkey.c) */
	/* Its container: layers in config.diff_ids and layer_types, the rest is filled in when it is made on disk. */
	struct container c;
	int lock, dir; /* of the container; -1 before there is one */
};

#define BUILD_MARK_SIZE 33 /* hex digits that nobody can guess, and NUL */

struct build {
	struct workshop *w;
	const struct build_options *options;
	struct platform platform;
	char *platform_name; /* "linux/arm64", where several are built together; NULL */
	struct build_globals globals;
	struct plan *plan;
	struct build_image **images;
	size_t image_count;
	struct build_directory *directories; /* the context, then as options->named_contexts */
	struct stage_run *stages;	     /* as the plan's */
	struct build_remotes remotes;	     /* of the step at hand */
	struct pack_ahead *ahead;	     /* the tar of its layer, as its copy has made it; NULL */
	struct digest seen;		     /* its inputs as its copy has seen them (build_seen.h); null: it has not */
	struct cache_imports *imports;	     /* NULL without --cache-from */
	int64_t epoch;			     /* SOURCE_DATE_EPOCH, or -1 */
	int64_t began_ms, images_ms;	     /* when it began; what finding the images of FROM took */
	int status;			     /* of the RUN that failed */
	int output;			     /* where RUN writes to */
	char mark[BUILD_MARK_SIZE];	     /* build_say.c; "" but in the process of a stage */
};

/* One for each platform. */
struct builds {
	struct build *items;
	size_t count;
};

/* ---- build.c ------------------------------------------------------------------------------------------------------
 */

/* True when the target of each is. */
bool builds_are_done(const struct builds *builds);
/* Returns rc; of several platforms, the error says for which it failed. */
int build_name_platform(const struct build *build, int rc, struct error **err);

/* ---- build_say.c --------------------------------------------------------------------------------------------------
 */

/* Says a line to the user. */
void build_say(const struct build *build, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Only where there is options->event. */
void build_raise(const struct build *build, const struct build_event *event);
/* FROM; the step at hand; its end, with `record` of its layer, NULL when it has none. */
void build_say_from(const struct build *build, const struct stage_run *run);
void build_say_started(const struct build *build, const struct stage_run *run);
void build_say_ended(const struct build *build, struct stage_run *run, const struct build_record *record, bool cached);

/* ---- build_source.c -----------------------------------------------------------------------------------------------
 */

/* For plan_make(); the context is the build. */
int build_resolve_image(void *context, const char *name, const struct platform *platform, size_t *index,
			const struct image_config **config, struct error **err);
void build_image_free(struct build_image *image);
/* The image that is meant, or that the stages below a stage are made from in the end; NULL: none. Borrowed. */
struct build_image *build_image_below(const struct build *build, const struct plan_input *input);
/* Fetches the layers of the images that what is not done yet will read, and of those that the target is made from.
 * Outside of the user namespace, where the network and the credentials are. */
int build_images_bring(struct build *build, struct error **err);
/* The directory of INPUT_CONTEXT or INPUT_NAMED, opened when it is first needed. */
int build_directory_open(struct build *build, const struct plan_input *input, struct build_directory **directory,
			 struct error **err);
/* Closes the memos: what was learned about files is written. */
void build_directories_save(struct build *build);
/* The layers of a stage (done), an image, or nothing. Borrowed. */
void build_input_layers(const struct build *build, const struct plan_input *input, const struct digest **diff_ids,
			size_t *count);
/* Something open to read from. */
struct build_root {
	int fd;				   /* borrowed from what follows */
	const struct ignore_rules *ignore; /* NULL */
	bool keep_owner;
	struct rootfs *rootfs;
	struct owner_table owners; /* of what cannot carry a record in it */
};
#define BUILD_ROOT_INIT ((struct build_root){.fd = -1})
int build_root_open(struct build *build, const struct plan_input *input, struct build_root *root, struct error **err);
void build_root_done(struct build_root *root);
CLEANUP_FOR_VALUE(struct build_root, build_root_done)

/* ---- build_stage.c ------------------------------------------------------------------------------------------------
 */

void stage_run_init(struct stage_run *run, const struct plan *plan, size_t number);
void stage_run_done(struct stage_run *run);
bool stage_run_is_done(const struct stage_run *run);
/* True when the stages that the next of its steps needs are done (with one layer for all: those of all steps). */
bool stage_run_can_go_on(const struct build *build, const struct stage_run *run);
/* Sets needed[] of each stage that must be built yet for the target to be done. */
void build_stages_needed(const struct build *build, bool *needed);
/* Takes what it can from the cache. Outside of the user namespace, too. */
int stage_run_look_up(struct build *build, struct stage_run *run, struct error **err);
/* Does the rest, as far as the stages that it needs are done. Inside. */
int stage_run_finish(struct build *build, struct stage_run *run, struct error **err);
/* Appends the layer of the next step and goes on behind it. */
void stage_run_add(struct stage_run *run, const struct build_record *record, bool cached);
/* Nothing can be known of the next step of `run`, because its question was never asked: its files are read when they
 * are copied, and not before that for a key. */
bool build_step_is_unheard_of(struct build *build, const struct stage_run *run, const struct plan_step *step);
/* From now on there may be something to be found. */
void build_step_note_question(struct build *build, const struct stage_run *run, const struct plan_step *step);
/* Takes over what another process has made of its steps up to `count`. */
void stage_run_take(struct stage_run *run, const struct build_record *records, const bool *cached,
		    const int64_t *spent_ms, size_t count);
/* Its base's layers, once that is done; a no-op the second time. */
void stage_run_begin(struct build *build, struct stage_run *run);
/* Removes its container. */
void stage_run_clean_up(struct build *build, struct stage_run *run);

/* ---- build_stepkey.c ----------------------------------------------------------------------------------------------
 */

/* A stage that is copied from stands in the key with its layers, which costs nothing; or with the files themselves:
 * then a stage that came out different elsewhere is no other input; or, before it is built, with its definition: its
 * base, its instructions and what these read. The step's own state stands in the last one by its definition, too. */
enum key_of_stages { KEY_OF_LAYERS, KEY_OF_FILES, KEY_OF_DEFINITIONS };
#define KEY_LAYERS_BELOW "the layers below" /* their name among the parts of a key */
/* -ENODATA: this step cannot be known before it is done (a download without a checksum; by its definition, a stage
 * that is not to be taken from the cache). KEY_OF_FILES only inside.
 * `parts` (key_parts.h) may be NULL. */
int build_step_key(struct build *build, const struct stage_run *run, const struct plan_step *step,
		   enum key_of_stages of, struct key_parts *parts, struct digest *key, struct error **err);
/* Can its copy see its inputs, so that they need not be looked at first? */
bool build_step_is_seen(struct build *build, const struct plan_step *step);
/* The same of a copy from a stage, for its KEY_OF_FILES. */
bool build_step_is_seen_of_stage(const struct build *build, const struct plan_step *step);
/* Are its sources there? -ENOENT as build_step_key() has it. */
int build_step_check_sources(struct build *build, const struct plan_step *step, struct error **err);
/* The inputs of such a step up to its files, into a new key, whose `parts` (may be NULL) are told of the whole key; and
 * the key that this alone gives (build_question.h). */
void build_step_begin_inputs(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			     enum key_of_stages of, struct key_parts *parts, struct build_key *inputs);
int build_step_question(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			enum key_of_stages of, struct digest *question, struct error **err);
/* The key with inputs that somebody has seen. */
int build_step_key_of_inputs(const struct stage_run *run, const struct plan_step *step, enum key_of_stages of,
			     const struct digest *inputs, struct digest *key, struct error **err);
/* Does the step read files of other stages? */
bool build_step_reads_stages(const struct plan_step *step);
/* True for a COPY that neither reads nor follows what is there (--link). */
bool build_step_stands_alone(const struct plan_step *step);

/* ---- build_explain.c ----------------------------------------------------------------------------------------------
 */

void build_explain_begin(const struct build *build, struct stage_run *run);
/* The step's key has been made. */
void build_explain_note(struct build *build, const struct stage_run *run, const struct plan_step *step,
			enum key_of_stages of, const struct digest *key);
/* The same with the parts in hand. */
void build_explain_note_parts(const struct stage_run *run, const struct plan_step *step, const struct digest *key,
			      struct key_parts *parts);
/* With --explain: says why. `key` is as it was noted, NULL where there is none. */
void build_explain_tell(const struct build *build, const struct stage_run *run, const struct plan_step *step,
			const struct digest *key, bool cached);
/* Writes what was noted of the stage. */
void build_explain_end(const struct stage_run *run);

/* ---- build_layer.c ------------------------------------------------------------------------------------------------
 */

/* Containers of stages have such names (and CONTAINER_STAGE_MARK). */
#define BUILD_CONTAINER_PREFIX "build-"

/* Who makes a step has this lock, by the step's key. */
#define BUILD_STEP_LOCK "step"

/* Removes containers of stages, and locks of steps, whose process is gone. */
int build_layer_sweep(struct workshop *w, struct error **err);
/* Makes the stage's container on disk when it has none, and takes its lock. */
int build_layer_begin(struct build *build, struct stage_run *run, struct error **err);
/* What becomes of the mtimes in a layer: struct normalise_options' clamp_mtime and set_mtime. */
int64_t build_layer_clamp(const struct build *build, bool *set_mtime);
/* What has changed in the container becomes a layer; build->ahead is its tar, if it is. */
int build_layer_end(struct build *build, struct stage_run *run, struct build_record *record, struct error **err);

/* ---- build_exec.c, build_files.c ----------------------------------------------------------------------------------
 */

/* -ECANCELED with build->status when the command failed. */
int build_exec_run(struct build *build, struct stage_run *run, const struct plan_step *step, struct error **err);
/* The cache mount of a RUN: what its directory is and is called, without what it begins with. */
void build_mounts_describe_cache(const struct build *build, const struct plan_step *step, size_t index,
				 struct mount_setting *setting);
/* Leaves build->seen behind where build_step_is_seen() or build_step_is_seen_of_stage(); `parts` (may be NULL) is told
 * as well. */
int build_files_copy(struct build *build, struct stage_run *run, const struct plan_step *step, struct key_parts *parts,
		     struct error **err);
int build_files_workdir(struct build *build, struct stage_run *run, const struct plan_step *step, struct error **err);

/* ---- build_cache_mounts.c, build_image.c, build_result.c ------------------------------------------------------------
 */

/* Names the cache mounts of the plan that travel (none without --cache-mounts), and brings those that are missing. */
int build_cache_mounts_take(struct build *build, struct cache_mounts *mounts, struct error **err);
/* Removes those that begin afresh because the cache is not asked; inside, before the first step. */
void build_cache_mounts_forget(struct build *build);
/* The target is done: writes its image, under all its names. */
int build_image_write(struct build *build, struct image *image, struct error **err);
/* Everything in `result` besides the image and its cache mounts. */
void build_result_gather(struct build *build, struct build_result *result);
/* Adds the records of the stages whose layers the image has: the target and those that it is FROM. */
void build_add_records_of_image(const struct build *build, struct cache_records *records);

/* ---- build_jobs.c -------------------------------------------------------------------------------------------------
 */

/* Does what was not in the cache, in a worker: of all builds together. */
int build_jobs_run(const struct builds *builds, struct error **err);

#endif

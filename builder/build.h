/*
 * A Dockerfile becomes an image: tree to plan, plan to steps, steps to layers, each found in the cache or made.
 *
 * The plan holds only what the target needs. Stages that do not depend on each other run at the same time as child
 * processes, those of several platforms as well; a step's cache key is made of what it reads (the state it starts from,
 * the instruction after expansion, the contents of its inputs), never of time, machine or secrets.
 */
#ifndef COOPER_BUILDER_BUILD_H
#define COOPER_BUILDER_BUILD_H

#include "builder/acquire.h"
#include "builder/cache_mounts.h"
#include "builder/cache_place.h"
#include "builder/cache_records.h"
#include "builder/context.h"
#include "builder/materials.h"
#include "builder/secret.h"
#include "builder/settings.h"
#include "dockerfile/dockerfile.h"

/* What happens to a step, told as it happens by whatever process works at it. */
enum build_event_kind {
	BUILD_STEP_STARTED,
	BUILD_STEP_DONE,
	BUILD_STEP_CACHED,
	BUILD_SAYS,
	BUILD_STEP_WHY, /* --explain, between a step's beginning and end: a JSON object with "cached" and "changes" */
	BUILD_SUMMARY,	/* the last, of a build that succeeded: a JSON object */
	BUILD_TRANSFER, /* a blob on its way to or from a registry */
};
struct build_event {
	enum build_event_kind kind;
	size_t stage, stages; /* which, from 1, of how many that are built; 0 where it is about no step */
	size_t step, steps;   /* the same in the stage; FROM is step 1. Of BUILD_TRANSFER: bytes moved, of how many */
	int64_t spent_ms;     /* of a step that has ended */
	uint64_t size;	      /* of its layer's tar stream; 0 when it has none */
	const char *platform; /* "linux/arm64", where several are built together; NULL */
	/* The instruction as the file has it, perhaps several lines; of BUILD_SAYS a line; of BUILD_TRANSFER what is
	 * done with which blob, "pull sha256:…". */
	const char *text;
};

struct build_options {
	struct build_context *context;
	const struct dockerfile *file;
	const struct strlist *named_contexts; /* --build-context "name=where" */
	const char *target;		      /* NULL: the last stage */
	const struct strlist *build_args;     /* "K=V", or "K" for our environment's */
	const struct platform *platform;      /* NULL: this machine's */
	const struct strlist *labels, *annotations;
	const struct strlist *names;	    /* full names in the store */
	const struct secret_grants *grants; /* --secret and --ssh; NULL */
	const struct strlist *allow;	    /* entitlements: "security.insecure", "network.host"; NULL */
	const struct settings *settings;    /* network, volumes, limits, … of RUN */
	enum image_format format;
	enum pull_policy pull;
	struct registry_options registry;
	bool no_cache, single_layer /* --layers=false */, squash;
	const struct strlist *no_cache_stages; /* --no-cache-filter */
	const struct cache_place *cache_from;
	size_t cache_from_count;
	const char *cache_mounts; /* --cache-mounts: "all", or ids with commas: those travel with the cache; NULL */
	int64_t cache_oldest;	  /* what was made before, in seconds since the epoch, counts as not cached */
	bool has_inline_cache;	  /* --cache-to type=inline: the manifest has the records of its layers */
	bool has_cache_to;	  /* of any type: the records are wanted with all their keys */
	int jobs;		  /* 0: the machine's cores, at least 4 */
	int64_t timestamp, source_date_epoch; /* or -1 */
	bool rewrite_timestamp;
	bool git_modes;	 /* --context-modes=git */
	bool pass_stdin; /* RUN gets ours, else /dev/null */
	bool quiet;
	bool explain; /* say of each step why it was or was not taken from the cache */
	bool debug;   /* a RUN that fails is entered at once, on the terminal; jobs is 1 */
	/* Lines for people, as they come: "STEP 1/7: FROM alpine", output of RUN is written to stderr as it is. */
	void (*progress)(const char *line, void *context);
	/* Instead of it, for who wants more than lines. NULL. */
	void (*event)(const struct build_event *event, void *context);
	void *progress_context; /* of both */
};

/* A step that gave a layer, or the unpacking of what FROM names. */
struct build_step_report {
	char *stage; /* as in front of its lines: "[1/2] ", or "" */
	char *text;  /* the instruction as the file has it */
	size_t number, count;
	bool cached;
	int64_t spent_ms;
	struct digest diff_id; /* null: none of its own */
	uint64_t size;	       /* of the layer's tar stream */
};

struct build_result {
	struct image image;   /* of the target, in the store */
	size_t steps, cached; /* steps of the plan, and how many came from the cache */
	/* In the order of the plan. The time for base images is that of finding and fetching them, all together. */
	struct build_step_report *reports;
	size_t report_count;
	int64_t images_ms, spent_ms;
	int rung;   /* enum rung (run/ladder.h): the weakest that a RUN was isolated by; RUNG_NONE: none was run */
	int status; /* of a RUN that failed: the command's own, 0 otherwise */
	/* What was made and what was taken from the cache, for cache_export(). */
	struct cache_records records[CACHE_MODES];
	struct materials materials;
	struct strlist build_args;  /* "K=V" as given, without proxies */
	struct cache_mounts mounts; /* of options->cache_mounts: those that the build's steps name */
};
void build_result_done(struct build_result *result);
CLEANUP_FOR_VALUE(struct build_result, build_result_done)

/* -ECANCELED with result->status set when a RUN failed; the error names the instruction with file, line and excerpt. */
int build_run(struct workshop *w, const struct build_options *options, struct build_result *result, struct error **err);
/* The same for several platforms together, instead of options->platform: results[i] is for platforms[i]. No image is
 * made unless all of them can be; the error begins with the platform that failed, whose result has the status. */
int build_run_platforms(struct workshop *w, const struct build_options *options, const struct platform *platforms,
			size_t count, struct build_result *results, struct error **err);

#endif

/*
 * The instructions of a Dockerfile as values. Texts are as written, still with quotes and variables, until
 * instruction_expand() makes an instruction in which everything that Docker expands is expanded:
 *
 *	ADD, COPY     sources, destination, --from (ours), --chown, --chmod, --checksum, here-documents without quotes
 *	ENV, LABEL    keys and values           ARG       defaults
 *	FROM          image and --platform      RUN       the values of --mount (from= too, ours)
 *	EXPOSE        words, split afterwards   STOPSIGNAL, USER, VOLUME, WORKDIR: whole
 *	not: CMD, ENTRYPOINT, HEALTHCHECK, MAINTAINER, ONBUILD, RUN's command, SHELL, and --exclude
 *
 * ARG is the exception: a default counts only if nothing overrides it, and sees the words before it. The planner
 * expands each `value` by itself with expand_word().
 */
#ifndef COOPER_DOCKERFILE_INSTRUCTION_H
#define COOPER_DOCKERFILE_INSTRUCTION_H

#include "base/strlist.h"
#include "dockerfile/diagnostic.h"
#include "dockerfile/expand.h"
#include "dockerfile/heredoc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum instruction_kind {
	INSTRUCTION_ADD,
	INSTRUCTION_ARG,
	INSTRUCTION_CMD,
	INSTRUCTION_COPY,
	INSTRUCTION_ENTRYPOINT,
	INSTRUCTION_ENV,
	INSTRUCTION_EXPOSE,
	INSTRUCTION_FROM,
	INSTRUCTION_HEALTHCHECK,
	INSTRUCTION_LABEL,
	INSTRUCTION_MAINTAINER,
	INSTRUCTION_ONBUILD,
	INSTRUCTION_RUN,
	INSTRUCTION_SHELL,
	INSTRUCTION_STOPSIGNAL,
	INSTRUCTION_USER,
	INSTRUCTION_VOLUME,
	INSTRUCTION_WORKDIR,
	INSTRUCTION_KINDS
};

/* "RUN" */
const char *instruction_name(enum instruction_kind kind);

/* A flag that may be absent. */
enum flag_state { FLAG_UNSET, FLAG_FALSE, FLAG_TRUE };

/* FROM [--platform=P] image [AS name] */
struct instruction_from {
	char *image;
	char *platform;	    /* NULL when not given */
	char *name;	    /* in lower case; NULL */
	char *written_name; /* as written, for lint; NULL */
	char *as_keyword;   /* "AS" as written; NULL */
};

/* CMD, ENTRYPOINT, RUN, HEALTHCHECK CMD */
struct instruction_command {
	bool is_exec;	      /* the JSON form */
	struct strlist words; /* exec: argv; shell: one text for SHELL, or none */
};

enum file_mount_type { FILE_MOUNT_BIND, FILE_MOUNT_CACHE, FILE_MOUNT_TMPFS, FILE_MOUNT_SECRET, FILE_MOUNT_SSH };
enum cache_sharing { CACHE_SHARED, CACHE_PRIVATE, CACHE_LOCKED };

/* "vendor.com/class=name,required", "name=…" of --device. */
struct device_request {
	char *name;
	bool required;
};

void device_request_done(struct device_request *device);
CLEANUP_FOR_VALUE(struct device_request, device_request_done)
/* -EINVAL for what is no CSV, an unknown key, no name. */
int device_request_parse(const char *text, struct device_request *device, struct error **err);

/* RUN --mount=…, as instruction_expand() makes it of its text. */
struct file_mount {
	enum file_mount_type type;
	char *from;   /* stage, context or image; NULL: the build context (bind), an empty directory (cache) */
	char *source; /* as written; NULL: the root */
	char *target; /* as written; NULL when not given: secret and ssh have a default place */
	char *id;     /* of cache, secret, ssh; NULL when not given: see file_mount_id() */
	char *env;    /* of secret: the variable that gets it; NULL */
	enum cache_sharing sharing;
	bool read_only; /* of bind (default true) and cache (default false) */
	bool required;	/* of secret and ssh */
	uint64_t size;	/* of tmpfs, bytes; 0 no limit */
	bool has_mode;
	mode_t mode; /* of secret, ssh, cache */
	bool has_uid;
	uint64_t uid;
	bool has_gid;
	uint64_t gid;
};

/* What names a cache, secret or ssh key when `id` does not: a secret's source or the last part of its target, "default"
 * for ssh, the target for a cache (the planner cleans it and puts WORKDIR before it). */
MUST_CHECK char *file_mount_id(const struct file_mount *mount);

/* How RUN's here-documents are meant. */
enum run_script {
	RUN_COMMAND,	  /* there is none, or the shell reads them: command.words[0] has them behind it, verbatim */
	RUN_SHELL_SCRIPT, /* nothing but one: its body is command.words[0], for SHELL */
	RUN_SCRIPT_FILE /* it starts with "#!": its body is command.words[0], to be the file /dev/pipes/<script_name> */
};

struct instruction_run {
	struct instruction_command command;
	enum run_script script;
	char *script_name;	    /* of RUN_SCRIPT_FILE and RUN_SHELL_SCRIPT; NULL */
	struct strlist mount_texts; /* the values of --mount */
	struct file_mount *mounts;  /* one for each, once expanded; before that none */
	size_t mount_count;
	char *network;		/* "default", "none", "host"; NULL */
	char *security;		/* "sandbox", "insecure"; NULL */
	struct strlist devices; /* the values of --device */
};

/* COPY and ADD */
struct instruction_copy {
	struct strlist sources;
	char *destination;
	struct heredocs files; /* sources that are here-documents; they come behind `sources` */
	char *from;	       /* COPY; NULL */
	char *chown;
	char *chmod;
	char *checksum; /* ADD */
	struct strlist excludes;
	bool link;
	bool parents;		      /* COPY */
	enum flag_state keep_git_dir; /* ADD */
	enum flag_state unpack;	      /* ADD */
};

/* ENV, LABEL, ARG: key and value of each. */
struct key_value {
	char *key;
	char *value; /* NULL for an ARG without '=' */
};

struct instruction_pairs {
	struct key_value *items;
	size_t count;
	bool is_legacy; /* "ENV key rest of the line" */
};

enum healthcheck_kind { HEALTHCHECK_NONE, HEALTHCHECK_CMD };

struct instruction_healthcheck {
	enum healthcheck_kind kind;
	struct instruction_command command;
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns; /* 0: the default */
	int64_t retries;						     /* 0: the default */
};

struct instruction {
	enum instruction_kind kind;
	char *text;		   /* the logical line as BuildKit's history shows it, without here-documents */
	char *keyword;		   /* as written */
	char *doc;		   /* the comment block right above; NULL */
	char *skip;		   /* rules of lint.h that a comment right above leaves out here: "A,B", "all"; NULL */
	struct source_range range; /* with here-documents */
	struct strlist flags;	   /* "--link", "--chown=1" as written */
	union {
		struct instruction_from from;
		struct instruction_run run;
		struct instruction_copy copy;	    /* ADD, COPY */
		struct instruction_pairs pairs;	    /* ENV, LABEL, ARG */
		struct instruction_command command; /* CMD, ENTRYPOINT; SHELL is always exec */
		struct instruction_healthcheck healthcheck;
		struct strlist words; /* EXPOSE, VOLUME */
		char *argument;	      /* USER, WORKDIR, STOPSIGNAL, MAINTAINER, ONBUILD (the trigger's text) */
	};
};

void instruction_free(struct instruction *instruction);
CLEANUP_FOR(struct instruction, instruction_free)

/* A copy with everything expanded that this kind expands, and checked as far as it then can be: mount options, a blank
 * image or volume. `unset` collects the names that are not set (may be NULL). -EINVAL, without a place. */
int instruction_expand(const struct instruction *written, const struct expand_scope *scope, struct strlist *unset,
		       struct instruction **expanded, struct error **err);

/* The trigger that an image or ONBUILD keeps, with its here-documents behind it, as an instruction; its range is 0.
 * FROM, MAINTAINER and ONBUILD are -EINVAL. `escape` is the directive's of the file that runs it. */
int instruction_parse_trigger(const char *text, char escape, struct instruction **trigger, struct error **err);

/* "[ip:][host:]port[-range][/proto]" words of EXPOSE, expanded, to "80/tcp" keys in order. Words with an address or
 * host port, which Docker ignores, are appended to `odd` (may be NULL). */
int expose_ports(const struct strlist *words, struct strlist *ports, struct strlist *odd, struct error **err);
/* "SIGTERM", "term", "RTMIN+3", any number but 0: -EINVAL for what is no signal. */
int stop_signal_check(const char *text, struct error **err);

#endif

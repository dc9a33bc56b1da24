/*
 * The configuration of an image: OCI image-spec config.md and Docker's superset of it (Healthcheck, Shell, OnBuild, …).
 * Both are read into one struct; what is written depends on the format only in the top-level fields that Docker has and
 * OCI has not. Docker's fields inside `config` are kept in OCI configurations too, as BuildKit does.
 */
#ifndef COOPER_IMAGEFMT_CONFIG_H
#define COOPER_IMAGEFMT_CONFIG_H

#include "base/buf.h"
#include "base/strlist.h"
#include "imagefmt/digest.h"
#include "imagefmt/manifest.h"

#define CONFIG_SIZE_MAX ((size_t)4 << 20)

struct healthcheck {
	bool is_set;
	struct strlist test; /* {"NONE"}, {"CMD", ...}, {"CMD-SHELL", text}; empty inherits */
	int64_t interval, timeout, start_period, start_interval; /* nanoseconds, 0 = not set */
	int64_t retries;
};

struct history {
	char *created; /* RFC 3339, or NULL */
	char *created_by;
	char *author;
	char *comment;
	bool empty_layer;
};

struct image_config {
	char *created; /* RFC 3339, or NULL */
	char *author;
	struct platform platform;
	/* config */
	char *user;
	struct strlist exposed_ports; /* "80/tcp" */
	struct strlist env;
	struct strlist entrypoint;
	struct strlist cmd;
	struct strlist volumes;
	char *working_dir;
	struct strlist labels; /* "key=value" */
	char *stop_signal;
	struct healthcheck healthcheck;
	struct strlist onbuild;
	struct strlist shell;
	char *hostname;
	char *domainname;
	/* rootfs */
	struct digest *diff_ids;
	size_t diff_id_count;
	struct history *history;
	size_t history_count;
	/* Docker's top level */
	char *comment;
	char *parent;	      /* "sha256:…" */
	char *unknown;	      /* further top-level fields as a JSON object, or NULL */
	char *unknown_config; /* the same of `config` */
};

void image_config_done(struct image_config *config);
CLEANUP_FOR_VALUE(struct image_config, image_config_done)
/* An empty configuration for this platform (NULL: this machine's). */
void image_config_init(struct image_config *config, const struct platform *platform);
int image_config_copy(struct image_config *to, const struct image_config *from, struct error **err);
/* -EINVAL; diff_ids are required and typed, history checked against their number only where it is present. */
int image_config_parse(const void *text, size_t size, const char *what, struct image_config *config,
		       struct error **err);
void image_config_format(const struct image_config *config, enum image_format format, struct buf *into);
void image_config_add_diff_id(struct image_config *config, const struct digest *diff_id);
/* Appends a copy. */
void image_config_add_history(struct image_config *config, const struct history *entry);
void history_done(struct history *entry);
CLEANUP_FOR_VALUE(struct history, history_done)

#endif

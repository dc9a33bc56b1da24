/*
 * What the files of a step share: step.c fills the run_spec, step_check.c says early what cannot be had, step_files.c
 * writes the texts of /etc, step_mounts.c opens what is mounted.
 */
#ifndef COOPER_BUILDER_STEP_INTERNAL_H
#define COOPER_BUILDER_STEP_INTERNAL_H

#include "builder/containersconf.h"
#include "builder/rootfs.h"
#include "builder/secret.h"
#include "builder/settings_parse.h"
#include "builder/step.h"
#include "run/foreign.h"

/* Everything that a run_spec only borrows. */
struct step {
	char *cwd; /* cleaned; NULL when none was said */
	struct workshop *w;
	const struct container *c;
	const struct step_options *options;
	struct settings settings;
	struct containers_conf conf;
	struct rootfs_layers layers;
	struct owner_table owners;
	struct strlist env, sysctls;
	struct security security;
	struct buf seccomp;
	struct run_limit *limits;
	char *hosts, *resolv_conf, *hostname_file, *containerenv;
	struct run_device *devices;
	size_t device_count;
	struct strlist owned; /* texts that mounts and devices point at */
	struct run_mount *mounts;
	size_t mount_count;
	struct rootfs **roots; /* of mounts with from= */
	size_t root_count;
	int *fds; /* of mounts and locks */
	size_t fd_count;
	struct secret_room secrets;
	struct foreign foreign;	  /* what executes programs of another architecture */
	struct strlist temporary; /* directories in tmp/, of private caches */
};

/* ---- step.c ---- */

/* The variables of a step, without proxies: first those of the image over containers.conf's, then what was said. */
void step_env_of_image(const struct containers_conf *conf, const struct image_config *config, struct strlist *env);
void step_env_of_settings(const struct settings *settings, struct strlist *env);

/* ---- step_check.c ---- */

/* The step's network: what was said for it, with --isolation chroot the host's, else the environment's default. */
int step_network(const struct settings *settings, struct run_spec *spec, struct error **err);

/* ---- step_files.c ---- */

/* /etc/resolv.conf of the step; NULL in *text for --dns none. */
int step_resolv_conf(const struct step *step, enum run_network network, char **text, struct error **err);
/* /etc/hosts; NULL for --no-hosts. */
int step_hosts(const struct step *step, enum run_network network, const char *hostname, char **text,
	       struct error **err);
char *step_containerenv(const struct step *step);

/* ---- step_mounts.c ---- */

/* Opens what --volume and --mount name and appends it to step->mounts. */
int step_mounts(struct step *step, struct error **err);

#endif

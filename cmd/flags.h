/*
 * Options that several commands share, and what they become for the rooms below.
 */
#ifndef COOPER_CMD_FLAGS_H
#define COOPER_CMD_FLAGS_H

#include "builder/acquire.h"
#include "builder/settings.h"
#include "cmd/command.h"

struct registry_flags {
	const char *authfile, *creds, *cert_dir, *tls_verify, *retry, *retry_delay, *max_wait, *retry_deadline;
};
extern const struct option_group registry_group;
/* Texts are borrowed from the flags. `quiet` leaves out progress. A password that --creds lacks is asked for on the
 * terminal, once it is needed; -EINVAL where there is none. */
int registry_flags_read(const struct registry_flags *flags, bool quiet, struct registry_options *options,
			struct error **err);

struct platform_flags {
	const char *arch, *os, *variant, *platform;
};
extern const struct option_group platform_group;
/* *asked tells whether any of them was given; `platform` is then complete. */
int platform_flags_read(const struct platform_flags *flags, struct platform *platform, bool *asked, struct error **err);

struct pull_flags {
	const char *pull;
	bool always, never;
};
extern const struct option_group pull_group;
int pull_flags_read(const struct pull_flags *flags, enum pull_policy *policy, struct error **err);

struct compression_flags {
	const char *format, *level;
	bool force, disable;
};
extern const struct option_group compression_group;
int compression_flags_read(const struct compression_flags *flags, struct export_options *options, struct error **err);

/* "oci" or "docker"; NULL leaves *given false. */
int format_flag_read(const char *text, enum image_format *format, bool *given, struct error **err);
/* $COOPER_FORMAT or oci when the flag is not given. */
int format_flag_default(const char *text, enum image_format *format, struct error **err);
/* --add-history, or COOPER_HISTORY set to "true" or "1", as Buildah reads its own. */
bool history_flag_is_on(bool given);

/* How containers run: `from` keeps them, `run` adds to them. */
struct run_flags {
	const char *isolation, *network, *net, *hostname, *runtime, *ipc, *pid, *uts, *cgroupns, *userns,
		*cgroup_parent;
	const char *memory, *memory_swap, *cpu_period, *cpu_quota, *cpu_shares, *cpus, *cpuset_cpus, *cpuset_mems,
		*pids_limit, *shm_size, *disk_limit, *http_proxy;
	bool no_hosts, no_hostname, no_pivot, read_only;
	struct strlist volumes, cap_add, cap_drop, add_host, dns, dns_option, dns_search, devices, ulimit, security_opt,
		group_add, runtime_flags;
};
extern const struct option_group run_group;
/* Adds what was given to `settings` and checks all of it. */
int run_flags_read(const struct run_flags *flags, struct settings *settings, struct error **err);

/* Of an option that was not given (NULL) *value stays. */
int bool_flag_read(const char *text, const char *what, bool *value, struct error **err);

/* Says what is in *err, clears it, and returns EXIT_PUSH_FAILED. */
int push_failed(struct error **err);
/* The same for a `rc` that sending to `destination` ended with, when that is a registry and the fault is not the
 * caller's (-EINVAL); else rc as it is. */
int push_status(int rc, const char *destination, struct error **err);
/* Writes `text` to the file of --iidfile, --cidfile, --digestfile: no newline, and never through a symlink unless that
 * leads to a device, a pipe, or what our own output goes to (/dev/stdout). */
int result_file_write(const char *path, const char *text, struct error **err);

#endif

/*
 * Tables of the options that several commands share.
 */
#include "cmd/flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "cmd/prompt.h"
#include "imagefmt/pack.h"
#include "imagefmt/reference.h"

#define REGISTRY(member) offsetof(struct registry_flags, member)
static const struct option_spec registry_rows[] = {
	{"authfile", 0, OPTION_TEXT, REGISTRY(authfile), "FILE", "credentials are in this file"},
	{"creds", 0, OPTION_TEXT, REGISTRY(creds), "USER[:PASSWORD]",
	 "credentials for the registry; a password that is not given is asked for"},
	{"cert-dir", 0, OPTION_TEXT, REGISTRY(cert_dir), "DIR", "certificates and keys for the registry"},
	{"tls-verify", 0, OPTION_OPTIONAL, REGISTRY(tls_verify), "BOOL",
	 "require HTTPS and valid certificates (default true)", "true"},
	{"retry", 0, OPTION_TEXT, REGISTRY(retry), "N", "try a failed request again up to N times (default 5)"},
	{"retry-delay", 0, OPTION_TEXT, REGISTRY(retry_delay), "TIME",
	 "wait before the first retry (default 1s, doubled)"},
	{"max-wait", 0, OPTION_TEXT, REGISTRY(max_wait), "TIME",
	 "wait so long when a registry asks for it (Retry-After; default 5m)"},
	{"retry-deadline", 0, OPTION_TEXT, REGISTRY(retry_deadline), "TIME",
	 "lose no more time than this to waiting and to attempts that fail, all requests together (default 30m)"},
	{"remove-signatures", 0, OPTION_UNNEEDED_FLAG, 0, NULL, NULL},
	{"blob-cache", 0, OPTION_UNNEEDED, 0, "DIR", NULL},
};
const struct option_group registry_group = {"Registry options", registry_rows, ARRAY_COUNT(registry_rows)};

static int ask_password(struct buf *password, struct error **err)
{
	return prompt_secret("Password", PROMPT_LINE, password, err);
}

static void print_progress(const char *line, void *context)
{
	log_info("%s", line);
}

/* A time that was given; 0 stays, which is the default. */
static int read_milliseconds(const char *text, const char *what, int64_t *milliseconds, struct error **err)
{
	int64_t nanoseconds = 0;
	int rc = text ? parse_duration(text, what, &nanoseconds, err) : 0;

	if (rc == 0 && text && nanoseconds < 0)
		rc = error_set(err, EINVAL, "%s '%s': less than nothing", what, text);
	if (rc == 0 && text) /* "0" is the shortest time, not the default */
		*milliseconds = nanoseconds < 1000000 ? 1 : nanoseconds / 1000000;
	return rc;
}

/* Some proxies let nobody through whom they do not know (skopeo#1553). */
static int read_user_agent(const char **agent, struct error **err)
{
	const char *text = env_get("USER_AGENT");

	for (const char *c = text; c && *c; c++)
		if (*c < ' ' || *c > '~')
			return error_set(err, EINVAL, "COOPER_USER_AGENT: only printable ASCII can stand in a header");
	*agent = text;
	return 0;
}

int registry_flags_read(const struct registry_flags *flags, bool quiet, struct registry_options *options,
			struct error **err)
{
	struct registry_options read = {
		.authfile = flags->authfile,
		.credentials = flags->creds,
		.ask_password = ask_password,
		.cert_dir = flags->cert_dir,
		.retries = -1,
		.progress = quiet ? NULL : print_progress,
	};
	int rc = 0;
	/* Before anything is sent; which kind of place is meant is not known here. */
	if (flags->authfile && *flags->authfile && faccessat(AT_FDCWD, flags->authfile, F_OK, 0) < 0)
		return error_set_errno(err, "credential file is not accessible: faccessat %s", flags->authfile);
	if (flags->creds && !strchr(flags->creds, ':') && !isatty(STDIN_FILENO))
		return error_set(err, EINVAL,
				 "--creds '%s': no password, and no terminal to ask for it (use user:password, or "
				 "`cooper login --password-stdin`)",
				 flags->creds);
	if (flags->tls_verify) {
		bool verify = true;
		rc = parse_bool(flags->tls_verify, "--tls-verify", &verify, err);
		read.tls_verify = verify ? TLS_VERIFY_YES : TLS_VERIFY_NO;
	}
	uint64_t retries = 0;
	if (rc == 0 && flags->retry && (rc = parse_u64(flags->retry, 100, "--retry", &retries, err)) == 0)
		read.retries = (int)retries;
	if (rc == 0)
		rc = read_milliseconds(flags->retry_delay, "--retry-delay", &read.retry_delay_ms, err);
	if (rc == 0)
		rc = read_milliseconds(flags->max_wait, "--max-wait", &read.max_wait_ms, err);
	if (rc == 0)
		rc = read_milliseconds(flags->retry_deadline, "--retry-deadline", &read.retry_deadline_ms, err);
	if (rc == 0)
		rc = read_milliseconds(env_get("CONNECT_TIMEOUT"), "COOPER_CONNECT_TIMEOUT", &read.connect_ms, err);
	if (rc == 0)
		rc = read_milliseconds(env_get("STALL_TIMEOUT"), "COOPER_STALL_TIMEOUT", &read.stall_ms, err);
	if (rc == 0)
		rc = read_milliseconds(env_get("PROGRESS_INTERVAL"), "COOPER_PROGRESS_INTERVAL", &read.tell_ms, err);
	if (rc == 0)
		rc = read_user_agent(&read.user_agent, err);
	if (rc == 0)
		*options = read;
	return rc;
}

#define PLATFORM(member) offsetof(struct platform_flags, member)
static const struct option_spec platform_rows[] = {
	{"arch", 0, OPTION_TEXT, PLATFORM(arch), "ARCH", "choose this architecture of the image"},
	{"os", 0, OPTION_TEXT, PLATFORM(os), "OS", "choose this operating system of the image"},
	{"variant", 0, OPTION_TEXT, PLATFORM(variant), "VARIANT", "choose this variant of the architecture"},
	{"platform", 0, OPTION_TEXT, PLATFORM(platform), "OS/ARCH[/VARIANT]", "choose this platform of the image"},
};
const struct option_group platform_group = {"Platform options", platform_rows, ARRAY_COUNT(platform_rows)};

int platform_flags_read(const struct platform_flags *flags, struct platform *platform, bool *asked, struct error **err)
{
	cleanup(platform_done) struct platform read = {0};
	if (flags->platform) {
		int rc = platform_parse(flags->platform, &read, err);
		if (rc < 0)
			return error_prefix(err, "--platform");
	}
	if (flags->os)
		mem_replace(&read.os, flags->os);
	if (flags->arch)
		mem_replace(&read.architecture, flags->arch);
	if (flags->variant)
		mem_replace(&read.variant, flags->variant);
	platform_complete(&read);
	*asked = flags->platform || flags->os || flags->arch || flags->variant;
	*platform = read;
	read = (struct platform){0};
	return 0;
}

#define PULL(member) offsetof(struct pull_flags, member)
static const struct option_spec pull_rows[] = {
	{"pull", 0, OPTION_OPTIONAL, PULL(pull), "POLICY", "always, missing (default), never or newer", "always"},
	{"pull-always", 0, OPTION_FLAG, PULL(always), NULL, NULL},
	{"pull-never", 0, OPTION_FLAG, PULL(never), NULL, NULL},
};
const struct option_group pull_group = {NULL, pull_rows, ARRAY_COUNT(pull_rows)};

int pull_flags_read(const struct pull_flags *flags, enum pull_policy *policy, struct error **err)
{
	*policy = PULL_MISSING;
	if (flags->always)
		*policy = PULL_ALWAYS;
	if (flags->never)
		*policy = PULL_NEVER;
	return flags->pull ? pull_policy_parse(flags->pull, policy, err) : 0;
}

#define COMPRESSION(member) offsetof(struct compression_flags, member)
static const struct option_spec compression_rows[] = {
	{"compression-format", 0, OPTION_TEXT, COMPRESSION(format), "FORMAT", "gzip, zstd or none for layers"},
	{"compression-level", 0, OPTION_TEXT, COMPRESSION(level), "N", "how hard to compress"},
	{"force-compression", 0, OPTION_FLAG, COMPRESSION(force), NULL,
	 "compress layers again that have another format"},
	{"disable-compression", 'D', OPTION_FLAG, COMPRESSION(disable), NULL, "leave new layers uncompressed"},
};
const struct option_group compression_group = {NULL, compression_rows, ARRAY_COUNT(compression_rows)};

int compression_flags_read(const struct compression_flags *flags, struct export_options *options, struct error **err)
{
	options->level = PACK_LEVEL_DEFAULT;
	/* Who names a format wants it for every layer; a base's layers would else go as they came. */
	options->force_compression = flags->force || flags->format;
	if (flags->disable) {
		options->has_codec = true;
		options->codec = CODEC_NONE;
	}
	if (flags->format) {
		int rc = codec_parse(flags->format, &options->codec, err);
		if (rc < 0)
			return error_prefix(err, "--compression-format");
		options->has_codec = true;
		if (strcmp(flags->format, "zstd:chunked") == 0)
			log_warn("zstd:chunked needs a table of contents that is not made here, writing plain zstd");
	}
	if (flags->level) {
		int64_t level = 0;
		int rc = parse_i64(flags->level, 0, 22, "--compression-level", &level, err);
		if (rc < 0)
			return rc;
		options->level = (int)level;
	}
	return 0;
}

int format_flag_read(const char *text, enum image_format *format, bool *given, struct error **err)
{
	*given = text != NULL;
	if (!text)
		return 0;
	if (strcmp(text, "oci") == 0 || strcmp(text, MEDIA_OCI_MANIFEST) == 0)
		*format = FORMAT_OCI;
	else if (strcmp(text, "docker") == 0 || strcmp(text, "v2s2") == 0 || strcmp(text, MEDIA_DOCKER_MANIFEST) == 0)
		*format = FORMAT_DOCKER;
	else
		return error_set(err, EINVAL, "unrecognized image type '%s': use oci or docker", text);
	return 0;
}

int format_flag_default(const char *text, enum image_format *format, struct error **err)
{
	bool given;
	*format = FORMAT_OCI;
	int rc = format_flag_read(text ? text : env_get("FORMAT"), format, &given, err);
	return rc < 0 ? error_prefix(err, text ? "--format" : "COOPER_FORMAT") : rc;
}

bool history_flag_is_on(bool given)
{
	const char *text = env_get("HISTORY");

	return given || (text && (strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0));
}

#define RUN(member) offsetof(struct run_flags, member)
static const struct option_spec run_rows[] = {
	{"isolation", 0, OPTION_TEXT, RUN(isolation), "KIND",
	 "auto, full, translated; oci, rootless and chroot are accepted"},
	{"network", 0, OPTION_TEXT, RUN(network), "MODE", "host (default), none or private"},
	{"net", 0, OPTION_TEXT, RUN(net), "MODE", NULL},
	{"volume", 'v', OPTION_LIST, RUN(volumes), "SRC:DST[:OPTIONS]", "mount a directory or file of the host"},
	{"cap-add", 0, OPTION_LIST, RUN(cap_add), "CAP", "give a capability"},
	{"cap-drop", 0, OPTION_LIST, RUN(cap_drop), "CAP", "take a capability away"},
	{"security-opt", 0, OPTION_LIST, RUN(security_opt), "OPTION",
	 "seccomp=FILE|unconfined, no-new-privileges, label=…, apparmor=…"},
	{"add-host", 0, OPTION_LIST, RUN(add_host), "NAME:IP", "add a line to /etc/hosts"},
	{"dns", 0, OPTION_LIST, RUN(dns), "IP", "use this name server"},
	{"dns-option", 0, OPTION_LIST, RUN(dns_option), "OPTION", "add an option to /etc/resolv.conf"},
	{"dns-search", 0, OPTION_LIST, RUN(dns_search), "DOMAIN", "add a search domain"},
	{"hostname", 0, OPTION_TEXT, RUN(hostname), "NAME", "the host name inside"},
	{"cni-config-dir", 0, OPTION_UNNEEDED, 0, "DIR", NULL},
	{"cni-plugin-path", 0, OPTION_UNNEEDED, 0, "DIR", NULL},
	{"no-hosts", 0, OPTION_FLAG, RUN(no_hosts), NULL, "leave the image's /etc/hosts"},
	{"no-hostname", 0, OPTION_FLAG, RUN(no_hostname), NULL, "leave the image's /etc/hostname"},
	{"http-proxy", 0, OPTION_OPTIONAL, RUN(http_proxy), "BOOL", "pass proxy variables (default true)", "true"},
	{"device", 0, OPTION_LIST, RUN(devices), "SRC[:DST[:rwm]]", "show a device of the host"},
	{"ulimit", 0, OPTION_LIST, RUN(ulimit), "NAME=SOFT[:HARD]", "set a resource limit"},
	{"shm-size", 0, OPTION_TEXT, RUN(shm_size), "SIZE", "size of /dev/shm (default 64m)"},
	{"memory", 'm', OPTION_TEXT, RUN(memory), "SIZE", "limit memory (cgroup v2)"},
	{"memory-swap", 0, OPTION_TEXT, RUN(memory_swap), "SIZE", "limit memory and swap together"},
	{"cpus", 0, OPTION_TEXT, RUN(cpus), "N", "limit processor time to N processors"},
	{"cpu-period", 0, OPTION_TEXT, RUN(cpu_period), "US", "period of the processor limit"},
	{"cpu-quota", 0, OPTION_TEXT, RUN(cpu_quota), "US", "processor time in a period"},
	{"cpu-shares", 'c', OPTION_TEXT, RUN(cpu_shares), "N", "relative weight of processor time"},
	{"cpuset-cpus", 0, OPTION_TEXT, RUN(cpuset_cpus), "LIST", "run on these processors"},
	{"cpuset-mems", 0, OPTION_TEXT, RUN(cpuset_mems), "LIST", "use memory of these nodes"},
	{"pids-limit", 0, OPTION_TEXT, RUN(pids_limit), "N", "limit the number of processes"},
	{"disk-limit", 0, OPTION_TEXT, RUN(disk_limit), "SIZE", "kill the step when it has written this much"},
	{"cgroup-parent", 0, OPTION_TEXT, RUN(cgroup_parent), "PATH", NULL}, /* refused, with the way out */
	{"cgroupns", 0, OPTION_TEXT, RUN(cgroupns), "NS", "host or private"},
	{"ipc", 0, OPTION_TEXT, RUN(ipc), "NS", "host or private (default)"},
	{"pid", 0, OPTION_TEXT, RUN(pid), "NS", "host or private (default)"},
	{"uts", 0, OPTION_TEXT, RUN(uts), "NS", "host or private (default)"},
	{"userns", 0, OPTION_TEXT, RUN(userns), "NS", "host or private (default)"},
	{"group-add", 0, OPTION_LIST, RUN(group_add), "GROUP", "add a supplementary group"},
	{"read-only", 0, OPTION_FLAG, RUN(read_only), NULL, "the step cannot write its root"},
	{"runtime", 0, OPTION_TEXT, RUN(runtime), "PROGRAM",
	 "let crun or runc run the command (default: cooper itself)"},
	{"runtime-flag", 0, OPTION_LIST, RUN(runtime_flags), "FLAG", "a global option for the runtime, without its --"},
	{"no-pivot", 0, OPTION_FLAG, RUN(no_pivot), NULL, "use chroot instead of pivot_root"},
};
const struct option_group run_group = {"Run options", run_rows, ARRAY_COUNT(run_rows)};

static void replace_when_given(char **slot, const char *text)
{
	if (text)
		mem_replace(slot, text);
}

/* --cpus N is a quota of N periods of 100 ms. */
static int read_cpus(const char *text, struct settings *settings, struct error **err)
{
	if (!text)
		return 0;
	cleanup_free char *seconds = mem_printf("%ss", text);
	int64_t nanoseconds = 0;
	if (parse_duration(seconds, "--cpus", &nanoseconds, NULL) < 0 || nanoseconds <= 0)
		return error_set(err, EINVAL, "--cpus '%s': not a number of processors", text);
	mem_replace(&settings->cpu_period, "100000");
	mem_free_cleanup(&settings->cpu_quota);
	settings->cpu_quota = mem_printf("%lld", (long long)(nanoseconds / 10000));
	return 0;
}

/* Several in one option, with commas between them, as Buildah and docker take them. */
static void append_split(struct strlist *to, const struct strlist *from)
{
	for (size_t i = 0; i < from->count; i++)
		strlist_split(to, from->items[i], ',');
}

int run_flags_read(const struct run_flags *flags, struct settings *s, struct error **err)
{
	replace_when_given(&s->isolation, flags->isolation);
	replace_when_given(&s->network, flags->network ? flags->network : flags->net);
	replace_when_given(&s->hostname, flags->hostname);
	replace_when_given(&s->runtime, flags->runtime);
	replace_when_given(&s->ipc, flags->ipc);
	replace_when_given(&s->pid, flags->pid);
	replace_when_given(&s->uts, flags->uts);
	replace_when_given(&s->cgroupns, flags->cgroupns);
	replace_when_given(&s->userns, flags->userns);
	replace_when_given(&s->cgroup_parent, flags->cgroup_parent);
	replace_when_given(&s->memory, flags->memory);
	replace_when_given(&s->memory_swap, flags->memory_swap);
	replace_when_given(&s->cpu_period, flags->cpu_period);
	replace_when_given(&s->cpu_quota, flags->cpu_quota);
	replace_when_given(&s->cpu_shares, flags->cpu_shares);
	replace_when_given(&s->cpuset_cpus, flags->cpuset_cpus);
	replace_when_given(&s->cpuset_mems, flags->cpuset_mems);
	replace_when_given(&s->pids_limit, flags->pids_limit);
	replace_when_given(&s->shm_size, flags->shm_size);
	replace_when_given(&s->disk_limit, flags->disk_limit);
	replace_when_given(&s->http_proxy, flags->http_proxy);
	replace_when_given(&s->no_hosts, flags->no_hosts ? "true" : NULL);
	replace_when_given(&s->no_hostname, flags->no_hostname ? "true" : NULL);
	replace_when_given(&s->no_pivot, flags->no_pivot ? "true" : NULL);
	replace_when_given(&s->read_only, flags->read_only ? "true" : NULL);
	strlist_append_all(&s->volumes, &flags->volumes);
	append_split(&s->cap_add, &flags->cap_add);
	append_split(&s->cap_drop, &flags->cap_drop);
	append_split(&s->add_host, &flags->add_host);
	append_split(&s->dns, &flags->dns);
	append_split(&s->dns_option, &flags->dns_option);
	append_split(&s->dns_search, &flags->dns_search);
	strlist_append_all(&s->devices, &flags->devices);
	append_split(&s->ulimit, &flags->ulimit);
	strlist_append_all(&s->security_opt, &flags->security_opt);
	append_split(&s->group_add, &flags->group_add);
	strlist_append_all(&s->runtime_flags, &flags->runtime_flags);
	int rc = read_cpus(flags->cpus, s, err);
	return rc < 0 ? rc : settings_check(s, err);
}

int bool_flag_read(const char *text, const char *what, bool *value, struct error **err)
{
	return text ? parse_bool(text, what, value, err) : 0;
}

int push_failed(struct error **err)
{
	fprintf(stderr, "cooper: %s\n", error_message(*err));
	error_clear(err);
	return EXIT_PUSH_FAILED;
}

int push_status(int rc, const char *destination, struct error **err)
{
	bool is_registry = !location_has_transport(destination) || text_has_prefix(destination, "docker://");

	return rc < 0 && rc != -EINVAL && is_registry ? push_failed(err) : rc;
}

/* /dev/null, /dev/stderr or a pipe: nothing that a rename could put a file in the place of. */
static int write_to_special(const char *path, const char *text, struct error **err)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int rc = fd < 0 ? error_set_errno(err, "write '%s'", path) : fd_write_all(fd, text, strlen(text), err);
	return rc < 0 && fd >= 0 ? error_prefix(err, "write '%s'", path) : rc;
}

static int write_to_own_output(int fd, const char *path, const char *text, struct error **err)
{
	fflush(stdout); /* what was printed before comes before it */
	int rc = fd_write_all(fd, text, strlen(text), err);
	return rc < 0 ? error_prefix(err, "write '%s'", path) : 0;
}

int result_file_write(const char *path, const char *text, struct error **err)
{
	struct stat st;
	bool is_there = stat(path, &st) == 0;
	int own = is_there ? fd_own_output(&st) : -1;
	if (own >= 0)
		return write_to_own_output(own, path, text, err);
	if (is_there && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		return write_to_special(path, text, err);
	return atomic_file_write(AT_FDCWD, path, 0644, text, strlen(text), 0, err);
}

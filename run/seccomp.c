/*
 * The door of the filter: from the cache when the same filter was made before, else from the profile or cooper's own
 * list through libseccomp, and then into the cache.
 */
#include "run/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/utsname.h>

#include "base/log.h"
#include "base/parse.h"
#include "run/seccomp_cache.h"
#include "run/seccomp_policy.h"
#include "run/seccomp_profile.h"

/* Counts up whenever the same inputs are made into another program: the compiler, the gates, the reader. */
#define RECIPE 3

#define INPUTS_MAX (SECCOMP_PROFILE_SIZE_MAX + ((size_t)64 << 10))

/* "6.1.0-18-amd64": what cannot be read counts as 0.0, the oldest. */
static void read_kernel_version(struct seccomp_subject *subject)
{
	struct utsname kernel;
	if (uname(&kernel) < 0)
		return;
	const char *at = kernel.release;
	unsigned *const parts[] = {&subject->kernel_major, &subject->kernel_minor};
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		for (; *at >= '0' && *at <= '9' && *parts[i] < UINT16_MAX; at++)
			*parts[i] = *parts[i] * 10 + (unsigned)(*at - '0');
		if (*at != '.')
			return;
		at++;
	}
}

/* Everything that the program depends on, but for the library that makes it. */
static void describe(const struct seccomp_options *options, const struct seccomp_subject *subject, struct buf *inputs)
{
	buf_printf(inputs, "recipe %d\ncooper %s\nmachine %s\nkernel %u.%u\ncapabilities %#jx\nnested %d\n%s %zu\n",
		   RECIPE, COOPER_VERSION, seccomp_native_arch, subject->kernel_major, subject->kernel_minor,
		   (uintmax_t)subject->capabilities, subject->allow_nested_userns, options->profile ? "profile" : "own",
		   options->profile_size);
	if (options->profile)
		buf_append(inputs, options->profile, options->profile_size);
	else
		seccomp_default_describe(inputs);
}

static const char *profile_name(const struct seccomp_options *options)
{
	return options->profile_name ? options->profile_name : "profile";
}

static int make_policy(const struct seccomp_options *options, const struct seccomp_subject *subject,
		       struct seccomp_policy *policy, struct error **err)
{
	if (!options->profile) {
		seccomp_default_policy(subject, policy);
		return 0;
	}
	int rc = seccomp_profile_parse(options->profile, options->profile_size, profile_name(options), subject, policy,
				       err);
	return rc < 0 ? error_prefix(err, "seccomp") : 0;
}

static int make_program(const struct seccomp_options *options, const struct seccomp_subject *subject,
			struct buf *program, struct buf *maker, struct error **err)
{
	cleanup(seccomp_policy_done) struct seccomp_policy policy = {0};
	int rc = make_policy(options, subject, &policy, err);
	if (rc < 0)
		return rc;
	rc = seccomp_compile(&policy, program, maker, err);
	if (rc == 0)
		return 0;
	return options->profile ? error_prefix(err, "seccomp: %s", profile_name(options))
				: error_prefix(err, "cooper's own seccomp profile");
}

static int check_size(const struct seccomp_options *options, struct error **err)
{
	if (!options->profile || options->profile_size <= SECCOMP_PROFILE_SIZE_MAX)
		return 0;
	return error_set(err, EFBIG, "seccomp: %s: larger than %zu bytes", profile_name(options),
			 SECCOMP_PROFILE_SIZE_MAX);
}

int seccomp_load(const struct seccomp_options *options, struct buf *program, struct error **err)
{
	int rc = check_size(options, err);
	if (rc < 0)
		return rc;
	struct seccomp_subject subject = {.capabilities = options->capabilities,
					  .allow_nested_userns = options->allow_nested_userns};
	read_kernel_version(&subject);
	cleanup(buf_done) struct buf inputs = BUF_INIT(INPUTS_MAX);
	describe(options, &subject, &inputs);
	if (options->cache >= 0 && seccomp_cache_load(options->cache, &inputs, program))
		return 0;

	cleanup(buf_done) struct buf made = BUF_INIT(BPF_MAXINSNS * sizeof(struct sock_filter));
	cleanup(buf_done) struct buf maker = BUF_INIT(BUF_MAX_DEFAULT);
	rc = make_program(options, &subject, &made, &maker, err);
	if (rc < 0)
		return rc;
	buf_append(program, made.data, made.len);
	if (options->cache < 0)
		return 0;
	cleanup_error struct error *trouble = NULL;
	/* A read-only or full store costs 10 ms each time, not the run. */
	if (seccomp_cache_save(options->cache, &inputs, &maker, &made, &trouble) < 0)
		log_debug("seccomp filter: %s, making it again next time", error_message(trouble));
	return 0;
}

int seccomp_describe(const struct seccomp_options *options, struct buf *json, struct error **err)
{
	cleanup(seccomp_policy_done) struct seccomp_policy policy = {0};
	struct seccomp_subject subject = {.capabilities = options->capabilities,
					  .allow_nested_userns = options->allow_nested_userns};
	read_kernel_version(&subject);
	int rc = check_size(options, err);
	if (rc == 0)
		rc = make_policy(options, &subject, &policy, err);
	if (rc == 0)
		seccomp_policy_format(&policy, json);
	return rc;
}

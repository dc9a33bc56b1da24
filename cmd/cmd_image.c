/*
 * cooper image: images where they are, without the store between. The group, and its small commands.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "builder/image_remove.h"
#include "builder/image_tags.h"
#include "cmd/image_flags.h"

/* ---- Flags ---- */

#define END(member) offsetof(struct end_flags, member)
/* Of the end that is called `place` in texts, with its prefix and the short name of its credentials, as skopeo has
 * them. */
/* clang-format off */
#define END_ROWS(prefix, short_creds, place) \
	{prefix "-authfile", 0, OPTION_TEXT, END(authfile), "FILE", "credentials for the " place " are in this file"}, \
	{prefix "-creds", 0, OPTION_TEXT, END(creds), "USER:PASSWORD", "credentials for the " place}, \
	{short_creds, 0, OPTION_TEXT, END(creds), "USER:PASSWORD", NULL}, \
	{prefix "-username", 0, OPTION_TEXT, END(username), "NAME", \
	 "the user at the " place ", with --" prefix "-password"}, \
	{prefix "-password", 0, OPTION_TEXT, END(password), "TEXT", "and the password; it is in the list of processes"}, \
	{prefix "-registry-token", 0, OPTION_TEXT, END(registry_token), "TOKEN", "a bearer token for the " place}, \
	{prefix "-no-creds", 0, OPTION_FLAG, END(no_creds), NULL, "use no credentials for the " place}, \
	{prefix "-cert-dir", 0, OPTION_TEXT, END(cert_dir), "DIR", "certificates and keys for the " place}, \
	{prefix "-tls-verify", 0, OPTION_OPTIONAL, END(tls_verify), "BOOL", \
	 "require HTTPS and valid certificates of the " place, "true"}
/* clang-format on */
static const struct option_spec source_end_rows[] = {END_ROWS("src", "screds", "source")};
static const struct option_spec destination_end_rows[] = {END_ROWS("dest", "dcreds", "destination")};
const struct option_group source_end_group = {"Source options", source_end_rows, ARRAY_COUNT(source_end_rows)};
const struct option_group destination_end_group = {"Destination options", destination_end_rows,
						   ARRAY_COUNT(destination_end_rows)};

/* Who we are is said in one way. */
static int check_end(const struct end_flags *end, struct error **err)
{
	int ways = (end->creds != NULL) + (end->username != NULL) + (end->registry_token != NULL) + end->no_creds;

	if (end->password && !end->username)
		return error_set(err, EINVAL, "a password for a registry, but no user name");
	if (ways > 1)
		return error_set(err, EINVAL,
				 "of --…creds, --…username, --…registry-token and --…no-creds only one can be "
				 "given for an end");
	if (end->username && !end->password && !isatty(STDIN_FILENO))
		return error_set(err, EINVAL, "a user name '%s', but no password, and no terminal to ask for it",
				 end->username);
	return 0;
}

int end_flags_read(const struct end_flags *end, const struct registry_flags *both, bool quiet,
		   struct registry_options *options, struct error **err)
{
	struct registry_flags flags = *both;
	int rc = check_end(end, err);

	if (rc < 0)
		return rc;
	bool is_said = end->creds || end->username || end->registry_token || end->no_creds;

	flags.authfile = end->authfile ? end->authfile : both->authfile;
	flags.creds = is_said ? end->creds : both->creds;
	flags.cert_dir = end->cert_dir ? end->cert_dir : both->cert_dir;
	flags.tls_verify = end->tls_verify ? end->tls_verify : both->tls_verify;
	rc = registry_flags_read(&flags, quiet, options, err);
	if (rc < 0)
		return rc;
	options->username = end->username;
	options->password = end->password;
	options->registry_token = end->registry_token;
	options->anonymous = end->no_creds;
	return 0;
}

#define LOGIN(member) offsetof(struct login_flags, member)
static const struct option_spec login_rows[] = {
	{"username", 0, OPTION_TEXT, LOGIN(username), "NAME", "the user at the registry, with --password"},
	{"password", 0, OPTION_TEXT, LOGIN(password), "TEXT", "and the password; it is in the list of processes"},
	{"registry-token", 0, OPTION_TEXT, LOGIN(registry_token), "TOKEN", "a bearer token for the registry"},
	{"no-creds", 0, OPTION_FLAG, LOGIN(no_creds), NULL, "use no credentials"},
};
const struct option_group login_group = {NULL, login_rows, ARRAY_COUNT(login_rows)};

/* As for one end of a copy, where --creds says the same as --src-creds there. */
int login_flags_read(const struct login_flags *login, const struct registry_flags *registry,
		     struct registry_options *options, struct error **err)
{
	const struct end_flags end = {.creds = registry->creds,
				      .username = login->username,
				      .password = login->password,
				      .registry_token = login->registry_token,
				      .no_creds = login->no_creds};

	return end_flags_read(&end, registry, /* quiet */ true, options, err);
}

int check_layers_read(const char *text, enum copy_check *check, struct error **err)
{
	bool all = false;
	int rc = text ? parse_bool(text, "--check-layers", &all, err) : 0;

	if (rc == 0 && text)
		*check = all ? COPY_CHECK_ALL : COPY_CHECK_NONE;
	return rc;
}

#define SKOPEO(member) offsetof(struct skopeo_flags, member)
static const struct option_spec skopeo_rows[] = {
	{"override-arch", 0, OPTION_TEXT, SKOPEO(override_arch), "ARCH", "as --arch"},
	{"override-os", 0, OPTION_TEXT, SKOPEO(override_os), "OS", "as --os"},
	{"override-variant", 0, OPTION_TEXT, SKOPEO(override_variant), "VARIANT", "as --variant"},
	{"retry-times", 0, OPTION_TEXT, SKOPEO(retry_times), "N", "as --retry"},
	{"command-timeout", 0, OPTION_TEXT, SKOPEO(command_timeout), "TIME", "give up after this time (30s, 5m)"},
};
const struct option_group skopeo_group = {NULL, skopeo_rows, ARRAY_COUNT(skopeo_rows)};

#define TRUST(member) offsetof(struct trust_flags, member)
static const struct option_spec trust_rows[] = {
	{"policy", 0, OPTION_TEXT, TRUST(policy), "FILE", "as --signature-policy: who is trusted"},
	{"insecure-policy", 0, OPTION_FLAG, TRUST(insecure_policy), NULL, "accept any image, whatever the policy says"},
	{"registries.d", 0, OPTION_TEXT, TRUST(registries_d), "DIR", "where signatures lie is said here"},
};
const struct option_group trust_group = {NULL, trust_rows, ARRAY_COUNT(trust_rows)};

int trust_flags_read(const struct trust_flags *flags, bool *insecure, struct error **err)
{
	if (flags->policy && flags->insecure_policy)
		return error_set(err, EINVAL, "--policy and --insecure-policy exclude each other");
	if (flags->policy && access(flags->policy, R_OK) < 0)
		return error_set_errno(err, "--policy %s", flags->policy);
	if (flags->registries_d && access(flags->registries_d, R_OK | X_OK) < 0)
		return error_set_errno(err, "--registries.d %s", flags->registries_d);
	/* Read in one place below, like the variables themselves (cmd/main.c). */
	if (flags->policy)
		setenv("COOPER_SIGNATURE_POLICY", flags->policy, /* overwrite */ 1);
	if (flags->registries_d)
		setenv("COOPER_REGISTRIES_D", flags->registries_d, /* overwrite */ 1);
	*insecure = flags->insecure_policy;
	return 0;
}

/* What is left in tmp/ is swept by the next command (docs/store.md), as after any other end. */
static void end_by_alarm(int signal)
{
	static const char text[] = "cooper: the time of --command-timeout is over\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(IMAGE_FAILURE_STATUS);
	_exit(IMAGE_FAILURE_STATUS);
}

static int start_alarm(const char *text, struct error **err)
{
	int64_t nanoseconds = 0;
	int rc = text ? parse_duration(text, "--command-timeout", &nanoseconds, err) : 0;

	if (rc < 0 || nanoseconds == 0) /* 0 is skopeo's "none" */
		return rc;
	if (nanoseconds < 0)
		return error_set(err, EINVAL, "--command-timeout '%s': less than nothing", text);
	int64_t milliseconds = nanoseconds / 1000000 + 1;
	const struct itimerval timer = {
		.it_value = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000}};
	const struct sigaction action = {.sa_handler = end_by_alarm};
	sigaction(SIGALRM, &action, NULL);
	return setitimer(ITIMER_REAL, &timer, NULL) < 0 ? error_set_errno(err, "--command-timeout '%s'", text) : 0;
}

static void use_when_unset(const char **slot, const char *text)
{
	if (!*slot)
		*slot = text;
}

int skopeo_flags_apply(const struct skopeo_flags *flags, struct platform_flags *platform,
		       struct registry_flags *registry, struct error **err)
{
	use_when_unset(&platform->arch, flags->override_arch);
	use_when_unset(&platform->os, flags->override_os);
	use_when_unset(&platform->variant, flags->override_variant);
	use_when_unset(&registry->retry, flags->retry_times);
	return start_alarm(flags->command_timeout, err);
}

/* ---- tags ---- */

struct tags_options {
	struct login_flags login;
	struct skopeo_flags skopeo;
	struct registry_flags registry;
};

static int run_tags(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	struct tags_options *options = values;
	struct platform_flags unused = {0};
	cleanup(strlist_done) struct strlist tags = {0};
	cleanup(buf_done) struct buf text = BUF_INIT(BUF_MAX_DEFAULT);
	cleanup_json json_t *root = json_object();
	cleanup_free char *repository = NULL;
	struct registry_options registry;

	int rc = skopeo_flags_apply(&options->skopeo, &unused, &options->registry, err);
	if (rc == 0)
		rc = login_flags_read(&options->login, &options->registry, &registry, err);
	if (rc == 0)
		rc = image_tags(context->workshop, args->items[0], &registry, &repository, &tags, err);
	if (rc < 0)
		return rc;
	json_set_string_opt(root, "Repository", repository);
	json_set_strlist(root, "Tags", &tags);
	json_format_pretty(root, 4, &text);
	fputs(buf_str(&text), stdout);
	return 0;
}

const struct command command_image_tags = {
	.name = "tags",
	.group = "image",
	.aliases = {"list-tags"},
	.arguments = "[OPTIONS] PLACE",
	.summary = "list the tags of a repository or of an archive",
	.description =
		"PLACE is docker://NAME (without a tag), docker-archive:FILE, oci:DIR or oci-archive:FILE. Prints "
		"JSON: {\"Repository\": …, \"Tags\": […]}.",
	.examples = "  cooper image tags docker://docker.io/library/debian",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.options = {{&skopeo_group, offsetof(struct tags_options, skopeo)},
		    {&login_group, offsetof(struct tags_options, login)},
		    {&registry_group, offsetof(struct tags_options, registry)}},
	.options_size = sizeof(struct tags_options),
	.failure_status = IMAGE_FAILURE_STATUS,
	.missing_status = IMAGE_MISSING_STATUS,
	.run = run_tags,
};

/* ---- delete ---- */

struct delete_options {
	const char *shared_blob_dir;
	bool tag_only;
	struct login_flags login;
	struct skopeo_flags skopeo;
	struct registry_flags registry;
};

#define DELETE(member) offsetof(struct delete_options, member)
static const struct option_spec delete_rows[] = {
	{"tag-only", 0, OPTION_FLAG, DELETE(tag_only), NULL, "of a registry's image only the tag"},
	{"shared-blob-dir", 0, OPTION_TEXT, DELETE(shared_blob_dir), "DIR",
	 "where the blobs of oci: are, which then stay"},
};
static const struct option_group delete_group = {NULL, delete_rows, ARRAY_COUNT(delete_rows)};

static int run_delete(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	struct delete_options *options = values;
	struct platform_flags unused = {0};
	struct image_remove_options remove = {.tag_only = options->tag_only, .blob_folder = options->shared_blob_dir};

	int rc = skopeo_flags_apply(&options->skopeo, &unused, &options->registry, err);
	if (rc == 0)
		rc = login_flags_read(&options->login, &options->registry, &remove.registry, err);
	return rc < 0 ? rc : image_remove(context->workshop, args->items[0], &remove, err);
}

const struct command command_image_delete = {
	.name = "delete",
	.group = "image",
	.arguments = "[OPTIONS] PLACE",
	.summary = "remove an image where it is",
	.description =
		"docker://NAME: the manifest that the tag stands for, and so all tags of it; the registry's own "
		"garbage collection frees the space. oci:DIR:NAME: the entry in the layout and the blobs that no "
		"other image there has. A plain name or store:NAME: as rmi.",
	.examples = "  cooper image delete docker://registry.example.org/app:old",
	.needs = NEEDS_STORE,
	.min_args = 1,
	.options = {{&delete_group, 0},
		    {&skopeo_group, offsetof(struct delete_options, skopeo)},
		    {&login_group, offsetof(struct delete_options, login)},
		    {&registry_group, offsetof(struct delete_options, registry)}},
	.options_size = sizeof(struct delete_options),
	.failure_status = IMAGE_FAILURE_STATUS,
	.missing_status = IMAGE_MISSING_STATUS,
	.run = run_delete,
};

/* ---- digest ---- */

static int run_digest(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);
	struct digest digest;
	char name[DIGEST_TEXT_SIZE];
	const char *file = strcmp(args->items[0], "-") == 0 ? "/dev/stdin" : args->items[0];
	int rc = fd_read_user_file(file, &text, err);

	if (rc == 0)
		rc = digest_of(buf_str(&text), text.len, &digest, err);
	if (rc == 0)
		printf("%s\n", digest_format(&digest, name));
	return rc;
}

const struct command command_image_digest = {
	.name = "digest",
	.group = "image",
	.aliases = {"manifest-digest"},
	.arguments = "FILE",
	.summary = "print the digest of a manifest in a file",
	.description =
		"FILE is a manifest or an index as 'cooper image inspect --raw' prints it; '-' is standard input.",
	.examples = "  cooper image inspect --raw docker://debian | cooper image digest -",
	.min_args = 1,
	.failure_status = IMAGE_FAILURE_STATUS,
	.run = run_digest,
};

/* ---- The group ---- */

static const struct command *const image_commands[] = {&command_image_copy,
						       &command_image_inspect,
						       &command_image_tags,
						       &command_image_delete,
						       &command_image_sync,
						       &command_image_digest,
						       NULL};

/* skopeo's global ones, which stand before the name of its command. */
struct group_options {
	struct skopeo_flags skopeo;
	struct trust_flags trust;
	const char *tmpdir;
};
static const struct option_spec group_rows[] = {
	{"tmpdir", 0, OPTION_TEXT, offsetof(struct group_options, tmpdir), "DIR", "where blobs lie on their way"},
};
static const struct option_group group_group = {NULL, group_rows, ARRAY_COUNT(group_rows)};

const struct command command_image = {
	.name = "image",
	.summary = "copy, look at and remove images where they are",
	.description =
		"Images at any place, without bringing them into the store: docker://NAME in a registry, "
		"oci:DIR[:NAME] and oci-archive:FILE[:NAME], docker-archive:FILE[:NAME|:@NUMBER], dir:DIR; and the "
		"store itself, as a plain name, store:NAME or containers-storage:NAME (which means cooper's own "
		"store, not that of others). Names of commands, options and exit statuses are those of skopeo, whose "
		"global options (--policy, --insecure-policy, --registries.d, --override-arch, --override-os, "
		"--override-variant, --command-timeout, --tmpdir, --debug) may stand before the command's name or "
		"behind it.",
	.examples = "  cooper image --override-arch arm64 --command-timeout 5m copy docker://debian oci:./layout:arm",
	.commands = image_commands,
	.options = {{&skopeo_group, offsetof(struct group_options, skopeo)},
		    {&trust_group, offsetof(struct group_options, trust)},
		    {&group_group, 0}},
	.options_size = sizeof(struct group_options),
	.failure_status = IMAGE_FAILURE_STATUS,
};

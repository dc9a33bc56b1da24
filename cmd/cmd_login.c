/*
 * cooper login: checks credentials with a registry and keeps them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/flags.h"
#include "cmd/prompt.h"
#include "registry/auth.h"
#include "registry/docker.h"

struct login_options {
	const char *username, *password, *compat_authfile;
	bool password_stdin, get_login, verbose;
	struct registry_flags registry;
};

#define LOGIN(member) offsetof(struct login_options, member)
static const struct option_spec rows[] = {
	{"username", 'u', OPTION_TEXT, LOGIN(username), "NAME", "user name"},
	{"password", 'p', OPTION_TEXT, LOGIN(password), "PASSWORD", "password (better: --password-stdin)"},
	{"compat-auth-file", 0, OPTION_TEXT, LOGIN(compat_authfile), "FILE",
	 "as --authfile: the form is Docker's anyway"},
	{"password-stdin", 0, OPTION_FLAG, LOGIN(password_stdin), NULL, "read the password from standard input"},
	{"get-login", 0, OPTION_FLAG, LOGIN(get_login), NULL, "only print the user name that is known"},
	{"verbose", 'v', OPTION_FLAG, LOGIN(verbose), NULL, "say where the credentials are kept"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int read_username(const struct login_options *options, struct buf *username, struct error **err)
{
	if (options->username) {
		buf_append_str(username, options->username);
		return 0;
	}
	if (!isatty(STDIN_FILENO))
		return error_set(err, EINVAL, "a user name is needed: give --username");
	fprintf(stderr, "Username: ");
	char c;
	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		buf_append_char(username, c);
	return username->len ? 0 : error_set(err, EINVAL, "the user name is empty");
}

static const char *authfile_of(const struct login_options *options)
{
	return options->registry.authfile ? options->registry.authfile : options->compat_authfile;
}

static int print_login(const struct login_options *options, const char *registry, struct error **err)
{
	cleanup(credentials_done) struct credentials known = {0};
	int rc = credentials_find(authfile_of(options), registry, &known, err);
	if (rc < 0)
		return rc;
	if (!known.username)
		return error_set(err, ENOENT, "not logged into %s", registry);
	printf("%s\n", known.username);
	return 0;
}

static int check_and_store(const struct login_options *options, const char *registry, const char *username,
			   const char *password, struct error **err)
{
	cleanup(registry_client_free) struct registry_client *client = NULL;
	cleanup_free char *written = NULL;
	struct registry_options connection;
	struct registry_flags flags = options->registry;
	flags.authfile = NULL; /* it may not exist yet: login makes it */
	int rc = registry_flags_read(&flags, /* quiet */ true, &connection, err);
	if (rc < 0)
		return rc;
	rc = registry_client_new(&connection, &client, err);
	if (rc == 0)
		rc = registry_check_login(client, registry, username, password, err);
	if (rc == 0)
		rc = credentials_store(authfile_of(options), registry, username, password, &written, err);
	if (rc < 0)
		return error_prefix(err, "logging into \"%s\"", registry);
	if (options->verbose)
		log_info("credentials are kept in %s", written);
	printf("Login Succeeded!\n");
	return 0;
}

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct login_options *options = values;
	cleanup_free char *registry = credentials_key(args->items[0]);
	if (options->registry.authfile && options->compat_authfile)
		return error_set(
			err, EINVAL,
			"options for paths to the credential file and to the Docker-compatible credential file "
			"can not be set simultaneously");
	if (options->get_login)
		return print_login(options, registry, err);
	if (options->password && options->password_stdin)
		return error_set(err, EINVAL, "--password and --password-stdin cannot both be given");
	cleanup(buf_done) struct buf username = BUF_INIT(PROMPT_SECRET_MAX);
	cleanup(buf_done) struct buf password = BUF_SECRET(PROMPT_SECRET_MAX);
	int rc = read_username(options, &username, err);
	if (rc == 0 && options->password)
		buf_append_str(&password, options->password);
	else if (rc == 0)
		rc = prompt_secret("Password", options->password_stdin ? PROMPT_WHOLE_INPUT : PROMPT_LINE, &password,
				   err);
	if (rc == 0)
		rc = check_and_store(options, registry, buf_str(&username), buf_str(&password), err);
	buf_wipe(&password);
	return rc;
}

const struct command command_login = {
	.name = "login",
	.arguments = "[OPTIONS] REGISTRY",
	.summary = "check and keep credentials for a registry",
	.description =
		"The credentials are checked with the registry and written, readable by you alone, to --authfile, "
		"$REGISTRY_AUTH_FILE, or auth.json in $XDG_RUNTIME_DIR/containers (without that, /run/containers/UID), "
		"where that cannot be in ~/.config/containers.",
	.examples = "  echo \"$TOKEN\" | cooper login -u me --password-stdin registry.example.org",
	.min_args = 1,
	.options = {{&group, 0}, {&registry_group, offsetof(struct login_options, registry)}},
	.options_size = sizeof(struct login_options),
	.run = run,
};

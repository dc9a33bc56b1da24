/*
 * cooper logout: forgets credentials.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <string.h>

#include "cmd/command.h"
#include "registry/auth.h"

struct logout_options {
	bool all;
	const char *authfile, *compat_authfile;
};

#define LOGOUT(member) offsetof(struct logout_options, member)
static const struct option_spec rows[] = {
	{"all", 'a', OPTION_FLAG, LOGOUT(all), NULL, "all registries"},
	{"authfile", 0, OPTION_TEXT, LOGOUT(authfile), "FILE", "credentials are in this file"},
	{"compat-auth-file", 0, OPTION_TEXT, LOGOUT(compat_authfile), "FILE", "the same: the form is Docker's anyway"},
};
static const struct option_group group = {NULL, rows, ARRAY_COUNT(rows)};

static int run(struct command_context *context, void *values, const struct strlist *args, struct error **err)
{
	const struct logout_options *options = values;
	if (options->all == (args->count > 0))
		return error_set(err, EINVAL, "name one registry, or give --all");
	if (options->authfile && options->compat_authfile)
		return error_set(
			err, EINVAL,
			"options for paths to the credential file and to the Docker-compatible credential file "
			"can not be set simultaneously");
	const char *authfile = options->authfile ? options->authfile : options->compat_authfile;
	cleanup_error struct error *failure = NULL;
	cleanup_free char *registry = options->all ? NULL : credentials_key(args->items[0]);
	/* As it is typed first: the files may have a URL as a key (Docker's own for docker.io). */
	int rc = credentials_erase(authfile, options->all ? NULL : args->items[0], &failure);
	if (rc == -ENOENT && registry && strcmp(registry, args->items[0]) != 0) {
		error_clear(&failure);
		rc = credentials_erase(authfile, registry, &failure);
	}
	if (rc == -ENOENT && authfile && faccessat(AT_FDCWD, authfile, F_OK, 0) < 0)
		return error_set_errno(err, "credential file is not accessible: faccessat %s", authfile);
	if (rc == -ENOENT && !options->all)
		return error_set(err, ENOENT, "not logged into %s", registry);
	if (rc < 0)
		return error_set(err, -rc, "%s", error_message(failure));
	if (options->all)
		printf("Removed login credentials for all registries\n");
	else
		printf("Removed login credentials for %s\n", registry);
	return 0;
}

const struct command command_logout = {
	.name = "logout",
	.arguments = "[OPTIONS] REGISTRY|--all",
	.summary = "forget the credentials for a registry",
	.max_args = 1,
	.options = {{&group, 0}},
	.options_size = sizeof(struct logout_options),
	.run = run,
};

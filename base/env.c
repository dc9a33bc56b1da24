/*
 * The environment: names of ours with Buildah's as second choice, and where the user's things lie.
 */
#include "base/env.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

const char *env_plain(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

const char *env_get(const char *name)
{
	cleanup_free char *ours = mem_printf("COOPER_%s", name);
	cleanup_free char *buildahs = mem_printf("BUILDAH_%s", name);
	const char *value = env_plain(ours);

	return value ? value : env_plain(buildahs);
}

char *env_home(void)
{
	const char *home = env_plain("HOME");

	if (!home || *home != '/') {
		const struct passwd *account = getpwuid(getuid());
		home = account && account->pw_dir && *account->pw_dir ? account->pw_dir : "/";
	}
	return mem_strdup(home);
}

/* The XDG base directory specification: a relative path in one of its variables is to be ignored. */
static const char *xdg(const char *name)
{
	const char *value = env_plain(name);

	return value && *value == '/' ? value : NULL;
}

static char *xdg_or_home(const char *name, const char *below_home)
{
	const char *value = xdg(name);

	if (value)
		return mem_strdup(value);
	cleanup_free char *home = env_home();
	return mem_printf("%s/%s", home, below_home);
}

char *env_data_home(void)
{
	return xdg_or_home("XDG_DATA_HOME", ".local/share");
}

char *env_config_home(void)
{
	return xdg_or_home("XDG_CONFIG_HOME", ".config");
}

char *env_runtime_dir(void)
{
	return mem_strdup(xdg("XDG_RUNTIME_DIR"));
}

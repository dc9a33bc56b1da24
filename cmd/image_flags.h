/*
 * What the commands of the group "image" have in common. Their exit statuses are skopeo's: 2 when an image is not
 * there, 1 for any other failure.
 */
#ifndef COOPER_CMD_IMAGE_FLAGS_H
#define COOPER_CMD_IMAGE_FLAGS_H

#include "builder/image_copy.h"
#include "cmd/flags.h"

#define IMAGE_FAILURE_STATUS 1
#define IMAGE_MISSING_STATUS 2

/* Of the group, each in the file that its name says. */
extern const struct command command_image_copy;
extern const struct command command_image_inspect;
extern const struct command command_image_tags;
extern const struct command command_image_delete;
extern const struct command command_image_sync;
extern const struct command command_image_digest;

/* How to talk to a registry at one end: what is said for this end (--src-creds, --dest-tls-verify …), else for both. */
struct end_flags {
	const char *authfile, *creds, *cert_dir, *tls_verify, *username, *password, *registry_token;
	bool no_creds;
};
extern const struct option_group source_end_group, destination_end_group;
int end_flags_read(const struct end_flags *end, const struct registry_flags *both, bool quiet,
		   struct registry_options *options, struct error **err);

/* Who we are, of a command that talks to one place; beside registry_group. */
struct login_flags {
	const char *username, *password, *registry_token;
	bool no_creds;
};
extern const struct option_group login_group;
int login_flags_read(const struct login_flags *login, const struct registry_flags *registry,
		     struct registry_options *options, struct error **err);

/* --check-layers of copy and sync; not given (NULL): as by default. */
int check_layers_read(const char *text, enum copy_check *check, struct error **err);
#define CHECK_LAYERS_TEXT \
	"layers that are moved must unpack to what the configuration says (default: unless they go to a registry)"

/* Old and skopeo's names for what platform_group and registry_group have under others. */
struct skopeo_flags {
	const char *override_arch, *override_os, *override_variant, *retry_times, *command_timeout;
};
extern const struct option_group skopeo_group;
/* Puts them in where the others say nothing; the time of --command-timeout begins. */
int skopeo_flags_apply(const struct skopeo_flags *flags, struct platform_flags *platform,
		       struct registry_flags *registry, struct error **err);

/* Of the commands that fetch images: which are trusted, and where their signatures are. */
struct trust_flags {
	const char *policy, *registries_d;
	bool insecure_policy;
};
extern const struct option_group trust_group;
int trust_flags_read(const struct trust_flags *flags, bool *insecure, struct error **err);

#endif

/*
 * Where credentials are looked for, in which order, and where login puts them. What one file says is auth_file.c, how a
 * helper is asked auth_helper.c.
 */
#include "registry/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/env.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "registry/auth_internal.h"

/* Our id as the host knows it: inside `cooper unshare` we are 0, but /run/containers is sorted by the real one. */
static unsigned long outer_uid(void)
{
	cleanup(buf_done) struct buf map = BUF_INIT((size_t)64 << 10);
	cleanup(strlist_done) struct strlist lines = {0};
	unsigned long uid = geteuid();

	if (fd_read_file(AT_FDCWD, "/proc/self/uid_map", &map, NULL) < 0)
		return uid;
	strlist_split(&lines, buf_str(&map), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		cleanup(strlist_done) struct strlist words = {0};
		uint64_t inside = 0;
		uint64_t outside = 0;
		uint64_t count = 0;
		if (parse_shell_words(lines.items[i], "uid_map", &words, NULL) < 0 || words.count != 3 ||
		    parse_u64(words.items[0], UINT32_MAX, "uid_map", &inside, NULL) < 0 ||
		    parse_u64(words.items[1], UINT32_MAX, "uid_map", &outside, NULL) < 0 ||
		    parse_u64(words.items[2], UINT32_MAX, "uid_map", &count, NULL) < 0)
			continue;
		if (uid >= inside && uid - inside < count)
			return outside + (uid - inside);
	}
	return uid;
}

static void add_docker_directory(struct strlist *files, const char *dir)
{
	strlist_printf(files, "%s/config.json", dir);
	strlist_printf(files, "%s/.dockerconfigjson", dir); /* a Kubernetes Secret mounted as it is */
}

/* The files that are tried when none is named, in order. */
static void default_files(struct strlist *files)
{
	cleanup_free char *run = env_runtime_dir();
	cleanup_free char *config = env_config_home();
	cleanup_free char *home = env_home();

	if (run)
		strlist_printf(files, "%s/containers/auth.json", run);
	else
		strlist_printf(files, "/run/containers/%lu/auth.json", outer_uid());
	strlist_printf(files, "%s/containers/auth.json", config);
	if (env_plain("DOCKER_CONFIG")) {
		add_docker_directory(files, env_plain("DOCKER_CONFIG"));
	} else {
		cleanup_free char *docker = mem_printf("%s/.docker", home);
		add_docker_directory(files, docker);
	}
	strlist_printf(files, "%s/.dockercfg", home);
}

/* The file that the user has named, by option or environment; NULL when there is none. */
static const char *named_file(const char *authfile)
{
	return authfile && *authfile ? authfile : env_plain("REGISTRY_AUTH_FILE");
}

/* Follows symlinks: the path is the user's own, and Kubernetes mounts Secrets as links. */
static int read_file(const char *path, struct buf *into, struct error **err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, "%s", path);
	int rc = fd_read_all(fd, into, err);
	return rc < 0 ? error_prefix(err, "%s", path) : 0;
}

/* credHelpers, then the entries of the file, then credsStore. */
static int ask(struct auth_lookup *lookup, const char *file, const char *host, struct credentials *credentials,
	       struct error **err)
{
	struct error *trouble = NULL;

	if (lookup->helper && lookup->helper_is_explicit) {
		int rc = auth_helper_get(lookup->helper, host, credentials, err);
		if (rc < 0 || credentials_are_set(credentials))
			return rc;
	}
	if (credentials_are_set(&lookup->credentials)) {
		*credentials = lookup->credentials;
		lookup->credentials = (struct credentials){0};
		return 0;
	}
	if (lookup->helper && !lookup->helper_is_explicit &&
	    auth_helper_get(lookup->helper, host, credentials, &trouble) < 0) {
		/* A desktop's config.json that was carried into a container names a helper that is not there: it holds
		 * for all registries, also for those that need no credentials. */
		log_warn("%s: credsStore: %s, looking further", file, error_message(trouble));
		error_clear(&trouble);
	}
	return 0;
}

static int find_in_file(const char *file, const char *repository, struct credentials *credentials, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_SECRET(AUTH_FILE_SIZE_MAX);
	cleanup(auth_lookup_done) struct auth_lookup lookup = {0};
	cleanup_free char *host = auth_host(repository);
	int rc = read_file(file, &text, err);

	if (rc == 0)
		rc = auth_file_lookup(buf_str(&text), text.len, file, repository, &lookup, err);
	buf_wipe(&text);
	if (rc == 0)
		rc = ask(&lookup, file, host, credentials, err);
	return rc;
}

int credentials_find(const char *authfile, const char *repository, struct credentials *credentials, struct error **err)
{
	cleanup(strlist_done) struct strlist files = {0};
	cleanup(credentials_done) struct credentials found = {0};
	const char *named = named_file(authfile);
	int rc = 0;

	if (named) {
		/* The words of containers/image, which scripts look for. */
		if (access(named, F_OK) < 0)
			return error_set(err, ENOENT,
					 "credential file is not accessible: faccessat %s: no such file or directory",
					 named);
		strlist_append(&files, named);
	} else {
		default_files(&files);
	}
	for (size_t i = 0; i < files.count && !credentials_are_set(&found); i++) {
		struct error *trouble = NULL;
		rc = find_in_file(files.items[i], repository, &found, &trouble);
		/* ENOTDIR: services run with /dev/null for a home. */
		if ((rc == -ENOENT || rc == -ENOTDIR) && !named && access(files.items[i], F_OK) < 0) {
			error_clear(&trouble);
			continue;
		}
		/* Another user's file in a shared place is none of ours. */
		if (rc == -EACCES && !named) {
			log_debug("%s, looking further", error_message(trouble));
			error_clear(&trouble);
			continue;
		}
		if (rc < 0) {
			if (err)
				*err = trouble;
			else
				error_free(trouble);
			return rc;
		}
	}
	if (credentials_are_set(&found))
		trace(AUTH, "credentials for %s from %s", repository, found.source);
	*credentials = found;
	found = (struct credentials){0};
	return 0;
}

int credentials_find_by(const struct strlist *helpers, const char *authfile, const char *repository,
			struct credentials *credentials, struct error **err)
{
	cleanup_free char *host = auth_host(repository);

	for (size_t i = 0; i < helpers->count && !credentials_are_set(credentials); i++) {
		cleanup_error struct error *trouble = NULL;
		if (strcmp(helpers->items[i], CREDENTIALS_IN_FILES) == 0) {
			int rc = credentials_find(authfile, repository, credentials, err);
			if (rc < 0)
				return rc;
		} else if (auth_helper_get(helpers->items[i], host, credentials, &trouble) < 0) {
			log_warn("credential-helpers of registries.conf: %s, looking further", error_message(trouble));
		}
	}
	return 0;
}

/* ---- login and logout ---- */

/* mkdir -p for the directory of a file of ours. */
static int make_parents(const char *file)
{
	cleanup_free char *path = mem_strdup(file);

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

/* Where login writes: the named file, else the first of the default ones, else, where that cannot be (no runtime
 * directory), the one in the home directory. */
static char *writable_file(const char *authfile)
{
	cleanup(strlist_done) struct strlist files = {0};
	const char *named = named_file(authfile);

	if (named)
		return mem_strdup(named);
	default_files(&files);
	bool first = make_parents(files.items[0]) == 0;
	cleanup_free char *directory = mem_strdup(files.items[0]);
	first = first && access(dirname(directory), W_OK) == 0;
	return mem_strdup(files.items[first ? 0 : 1]);
}

/* A file under change: its directory is locked until the end, so that two logins at once lose nothing. */
struct auth_edit {
	char *path; /* without symlinks in the last place: the target is replaced, not the link */
	char *name;
	int dirfd;
	json_t *root;
	bool existed;
};

static void auth_edit_done(struct auth_edit *edit)
{
	free(edit->path);
	free(edit->name);
	fd_close(edit->dirfd);
	json_decref(edit->root);
}
CLEANUP_FOR_VALUE(struct auth_edit, auth_edit_done)

static int edit_open(const char *file, struct auth_edit *edit, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_SECRET(AUTH_FILE_SIZE_MAX);
	char *resolved = realpath(file, NULL);

	edit->path = resolved ? resolved : mem_strdup(file);
	if (!resolved && make_parents(file) < 0)
		return error_set_errno(err, "make the directory of '%s'", file);
	cleanup_free char *directory = mem_strdup(edit->path);
	cleanup_free char *last = mem_strdup(edit->path);
	edit->name = mem_strdup(basename(last));
	edit->dirfd = fd_open_dir(AT_FDCWD, dirname(directory), err);
	if (edit->dirfd < 0)
		return edit->dirfd;
	if (flock(edit->dirfd, LOCK_EX) < 0)
		return error_set_errno(err, "lock the directory of '%s'", file);
	int rc = read_file(edit->path, &text, NULL);
	if (rc < 0 && rc != -ENOENT)
		return read_file(edit->path, &text, err);
	edit->existed = rc == 0;
	if (strspn(buf_str(&text), " \t\r\n") < text.len)
		rc = json_parse(text.data, text.len, file, &edit->root, err);
	else
		rc = 0;
	buf_wipe(&text);
	if (rc == 0 && !edit->root)
		edit->root = json_object();
	if (rc == 0 && !json_is_object(edit->root))
		rc = error_set(err, EINVAL, "%s: not a JSON object", file);
	return rc;
}

static int edit_save(struct auth_edit *edit, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_SECRET(AUTH_FILE_SIZE_MAX);

	json_format_pretty(edit->root, 2, &text);
	int rc = text.overflow
			 ? error_set(err, EFBIG, "larger than %zu bytes", AUTH_FILE_SIZE_MAX)
			 : atomic_file_write(edit->dirfd, edit->name, 0600, text.data, text.len, ATOMIC_FILE_SYNC, err);
	buf_wipe(&text);
	return rc < 0 ? error_prefix(err, "write '%s'", edit->path) : 0;
}

/* The section "auths" of the file; of a .dockercfg the file itself. Borrowed; made when missing. */
static json_t *auths_section(struct auth_edit *edit)
{
	json_t *auths = json_object_get(edit->root, "auths");

	if (!auths && text_has_suffix(edit->path, ".dockercfg"))
		return edit->root;
	if (!json_is_object(auths)) {
		auths = json_object();
		json_set_take(edit->root, "auths", auths);
	}
	return auths;
}

/* The helper that this file leaves the host's credentials to; NULL when it keeps them itself. */
static char *file_helper(const struct auth_edit *edit, const char *key)
{
	cleanup_free char *host = auth_host(key);
	const json_t *helper = json_object_get(json_object_get(edit->root, "credHelpers"), host);

	/* A helper knows hosts only: credentials for a path stay in the file. */
	if (strchr(key, '/'))
		return NULL;
	if (!helper)
		helper = json_object_get(edit->root, "credsStore");
	const char *name = json_string_value(helper);
	return name && *name ? mem_strdup(name) : NULL;
}

int credentials_store(const char *authfile, const char *key, const char *username, const char *password, char **written,
		      struct error **err)
{
	cleanup_free char *file = writable_file(authfile);
	cleanup(auth_edit_done) struct auth_edit edit = {.dirfd = -1};
	int rc = edit_open(file, &edit, err);

	if (rc < 0)
		return rc;
	if (strchr(username, ':'))
		return error_set(err, EINVAL, "the user name has a ':' in it");
	cleanup_free char *helper = file_helper(&edit, key);
	json_t *entry = json_object();
	if (helper) {
		cleanup_free char *host = auth_host(key);
		rc = auth_helper_store(helper, host, username, password, err);
	} else {
		cleanup_free char *pair = mem_printf("%s:%s", username, password);
		cleanup_free char *auth = format_base64(pair, strlen(pair));
		json_set_string(entry, "auth", auth);
		mem_wipe(pair, strlen(pair));
		mem_wipe(auth, strlen(auth));
	}
	/* With a helper the entry stays empty, as docker leaves it: it says which hosts the helper knows. */
	json_set_take(auths_section(&edit), key, entry);
	if (rc == 0)
		rc = edit_save(&edit, err);
	if (rc == 0 && written)
		*written = helper ? mem_printf("docker-credential-%s", helper) : mem_strdup(file);
	return rc;
}

static int erase_all(struct auth_edit *edit, struct error **err)
{
	if (!edit->existed)
		return error_set(err, ENOENT, "no credentials in '%s'", edit->path);
	json_object_clear(auths_section(edit));
	if (json_object_get(edit->root, "credHelpers"))
		json_set_take(edit->root, "credHelpers", json_object());
	return edit_save(edit, err);
}

char *credentials_key(const char *registry)
{
	const char *schemes[] = {"https://", "http://"};
	for (size_t i = 0; i < ARRAY_COUNT(schemes); i++)
		if (text_has_prefix(registry, schemes[i])) {
			const char *host = registry + strlen(schemes[i]);
			return mem_strndup(host, strcspn(host, "/"));
		}
	return mem_strdup(registry);
}

int credentials_erase(const char *authfile, const char *key, struct error **err)
{
	cleanup_free char *file = writable_file(authfile);
	cleanup(auth_edit_done) struct auth_edit edit = {.dirfd = -1};

	if (access(file, F_OK) < 0)
		return error_set(err, ENOENT, "no credentials for '%s' in '%s'", key ? key : "any registry", file);
	int rc = edit_open(file, &edit, err);
	if (rc < 0)
		return rc;
	if (!key)
		return erase_all(&edit, err);
	cleanup_free char *helper = file_helper(&edit, key);
	json_t *auths = auths_section(&edit);
	bool found = false;
	if (helper) {
		cleanup_free char *host = auth_host(key);
		rc = auth_helper_erase(helper, host, err);
		if (rc < 0 && rc != -ENODATA)
			return rc;
		found = rc == 0;
		error_clear(err);
	}
	found = json_object_del(auths, key) == 0 || found;
	if (!found)
		return error_set(err, ENOENT, "no credentials for '%s' in '%s'", key, file);
	return edit_save(&edit, err);
}

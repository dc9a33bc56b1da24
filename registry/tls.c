/*
 * certs.d: which files of which directory say what about a host.
 */
#include "registry/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/strlist.h"

/* Where distributions keep all authorities in one file; the first that is there. */
static const char *const system_bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
	"/etc/ssl/ca-bundle.pem",	      /* SUSE */
	"/etc/ssl/cert.pem",
};

void tls_settings_done(struct tls_settings *settings)
{
	buf_done(&settings->authorities);
	free(settings->certificate);
	free(settings->key);
	*settings = (struct tls_settings){0};
}

/* Appends a PEM file. Symlinks are followed: the directories are the administrator's or the user's own, and Kubernetes
 * mounts its secrets as links. */
static int append_file(const char *path, struct buf *into, struct error **err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return error_set_errno(err, "certificates '%s'", path);
	int rc = fd_read_all(fd, into, err);
	if (rc < 0)
		return error_prefix(err, "certificates '%s'", path);
	if (into->len > 0 && into->data[into->len - 1] != '\n')
		buf_append_char(into, '\n');
	return 0;
}

/* Go reads every file of SSL_CERT_DIR's directories; OpenSSL would want them under hashed names. What cannot be read
 * there is passed over, as Go does. */
static void append_cert_dirs(const char *dirs, struct buf *into)
{
	cleanup(strlist_done) struct strlist list = {0};

	strlist_split(&list, dirs, ':');
	for (size_t i = 0; i < list.count; i++) {
		cleanup(strlist_done) struct strlist names = {0};
		if (fd_read_user_dir(list.items[i], &names, NULL) < 0)
			continue;
		for (size_t j = 0; j < names.count; j++) {
			if (names.items[j][0] == '.')
				continue;
			cleanup(buf_done) struct buf file = BUF_INIT(TLS_CA_SIZE_MAX);
			cleanup_free char *path = mem_printf("%s/%s", list.items[i], names.items[j]);
			if (append_file(path, &file, NULL) == 0 && strstr(buf_str(&file), "-----BEGIN "))
				buf_append(into, file.data, file.len);
		}
	}
}

/* The authorities that hold for every host, when the environment names them or our own must stand beside them. */
static int append_system(struct buf *into, bool needed, struct error **err)
{
	const char *file = env_plain("SSL_CERT_FILE");
	const char *dirs = env_plain("SSL_CERT_DIR");
	int rc = 0;

	if (file)
		rc = append_file(file, into, err);
	if (rc == 0 && dirs)
		append_cert_dirs(dirs, into);
	/* libcurl reads by itself what it was built for, which is Debian's place; the bundle runs elsewhere, too. */
	if (rc < 0 || file || dirs || (!needed && access(system_bundles[0], R_OK) == 0))
		return rc;
	for (size_t i = 0; i < ARRAY_COUNT(system_bundles); i++)
		if (append_file(system_bundles[i], into, NULL) == 0)
			break;
	return 0;
}

static char *with_suffix(const char *name, const char *suffix, const char *other)
{
	return mem_printf("%.*s%s", (int)(strlen(name) - strlen(suffix)), name, other);
}

/* One file of the directory: NAME.crt is an authority, NAME.cert with NAME.key is who we are. */
static int read_entry(const char *dir, const struct strlist *names, const char *name, struct tls_settings *settings,
		      struct error **err)
{
	cleanup_free char *path = mem_printf("%s/%s", dir, name);

	if (text_has_suffix(name, ".crt"))
		return append_file(path, &settings->authorities, err);
	if (text_has_suffix(name, ".cert")) {
		cleanup_free char *key = with_suffix(name, ".cert", ".key");
		if (!strlist_contains(names, key))
			return error_set(err, EINVAL, "'%s' has no key '%s/%s' beside it", path, dir, key);
		mem_replace(&settings->certificate, path);
		free(settings->key);
		settings->key = mem_printf("%s/%s", dir, key);
	} else if (text_has_suffix(name, ".key")) {
		cleanup_free char *certificate = with_suffix(name, ".key", ".cert");
		if (!strlist_contains(names, certificate))
			return error_set(err, EINVAL, "'%s' has no certificate '%s/%s' beside it", path, dir,
					 certificate);
	}
	return 0;
}

static int read_directory(const char *dir, struct tls_settings *settings, struct error **err)
{
	cleanup(strlist_done) struct strlist names = {0};
	int rc = fd_read_user_dir(dir, &names, err);

	if (rc < 0)
		return error_prefix(err, "certificates");
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		if (names.items[i][0] != '.')
			rc = read_entry(dir, &names, names.items[i], settings, err);
	return rc;
}

/* What the directory of a host may be called: as users call the registry, and, of a port that is the scheme's own, with
 * it and without. */
static void directory_names(const char *host, struct strlist *names)
{
	if (strcmp(host, "registry-1.docker.io") == 0)
		strlist_append(names, "docker.io");
	strlist_append(names, host);
	if (!strchr(*host == '[' ? strchrnul(host, ']') : host, ':'))
		strlist_printf(names, "%s:443", host);
}

static char *existing_directory(const char *base, const struct strlist *names)
{
	for (size_t i = 0; i < names->count; i++) {
		cleanup_free char *dir = mem_printf("%s/%s", base, names->items[i]);
		struct stat st;
		if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
			return take_ptr(&dir);
	}
	return NULL;
}

/* The first certs.d directory that knows the host; NULL when none does. */
static char *find_directory(const char *host)
{
	cleanup(strlist_done) struct strlist names = {0};

	cleanup_free char *config = env_config_home();
	cleanup_free char *own = mem_printf("%s/containers/certs.d", config);
	const char *const bases[] = {own, "/etc/containers/certs.d", "/etc/docker/certs.d"};

	char *dir = NULL;

	directory_names(host, &names);
	for (size_t i = 0; !dir && i < ARRAY_COUNT(bases); i++)
		dir = existing_directory(bases[i], &names);
	return dir;
}

int tls_settings_load(const char *cert_dir, const char *host, struct tls_settings *settings, struct error **err)
{
	cleanup(tls_settings_done) struct tls_settings loaded = {.authorities = BUF_INIT(TLS_CA_SIZE_MAX)};
	cleanup_free char *dir = cert_dir ? mem_strdup(cert_dir) : find_directory(host);
	int rc = dir ? read_directory(dir, &loaded, err) : 0;

	if (rc == 0)
		rc = append_system(&loaded.authorities, loaded.authorities.len > 0, err);
	if (rc < 0)
		return rc;
	if (loaded.authorities.overflow)
		return error_set(err, EFBIG, "the certificates for '%s' are larger than %zu bytes", host,
				 TLS_CA_SIZE_MAX);
	*settings = loaded;
	loaded = (struct tls_settings){0};
	return 0;
}

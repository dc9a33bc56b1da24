/*
 * Signatures in files: lookasides, read over HTTP as well, and the directories of dir:.
 */
#include "registry/sign_places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomicfile.h"
#include "base/fd.h"
#include "base/parse.h"
#include "registry/client_internal.h"
#include "registry/http.h"

/* Files are numbered from 1; the first that is missing is the end. "<stem>signature-<N>" */

/* ---- reading ---- */

static int fetch_http(struct registry_client *client, const char *url, struct buf *text, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};

	http_request_init(&request, "GET", mem_strdup(url), text->max);
	int rc = http_transport_perform(client->transport, &request, &answer, err);
	if (rc == 0 && !http_answer_is_success(&answer))
		rc = http_answer_error("GET", &answer, err);
	if (rc == 0)
		buf_append(text, buf_str(&answer.body), answer.body.len);
	return rc;
}

/* One numbered file. -ENOENT: there is none. */
static int read_numbered(struct registry_client *client, const char *place, struct signature_list *list,
			 struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(signature_list_room(list));
	int rc = client ? fetch_http(client, place, &text, err) : fd_read_user_file(place, &text, err);

	return rc < 0 ? rc : signature_from_file(&text, place, list, err);
}

/* `client` NULL: files. */
static int read_all(struct registry_client *client, const char *stem, struct signature_list *list, struct error **err)
{
	for (unsigned n = 1; signature_list_room(list) > 0; n++) {
		cleanup_free char *place = mem_printf("%ssignature-%u", stem, n);
		cleanup_error struct error *why = NULL;
		int rc = read_numbered(client, place, list, &why);
		if (rc == -ENOENT)
			return 0;
		if (rc < 0)
			return error_set(err, -rc, "signatures: %s", error_message(why));
	}
	return 0;
}

static char *stem_of(const char *base, const struct digest *manifest)
{
	char hex[DIGEST_HEX_SIZE];

	return mem_printf("%s@%s=%s/", base, digest_algorithm_name(manifest->algorithm), digest_hex(manifest, hex));
}

int lookaside_fetch(struct registry_client *client, const char *base, const struct digest *manifest,
		    struct signature_list *list, struct error **err)
{
	cleanup_free char *stem = stem_of(base, manifest);

	if (text_has_prefix(stem, "file:///"))
		return read_all(/* client */ NULL, stem + strlen("file://"), list, err);
	if (text_has_prefix(stem, "https://") || text_has_prefix(stem, "http://"))
		return read_all(client, stem, list, err);
	return error_set(err, EINVAL, "lookaside '%s': neither a file:/// nor an http(s):// address", base);
}

/* ---- writing ---- */

static int make_directories(const char *path, struct error **err)
{
	cleanup_free char *part = mem_strdup(path);

	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return error_set_errno(err, "make the directory %s", part);
		*slash = '/';
	}
	return 0;
}

/* Under the first number that is free; two who write at once get different ones. */
static int store_numbered(const char *stem, const struct signature *signature, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(2 * SIGNATURE_SIZE_MAX);
	int rc = signature_to_file(signature, &text, err);

	for (unsigned n = 1; n <= SIGNATURES_MAX && rc == 0; n++) {
		cleanup_free char *path = mem_printf("%ssignature-%u", stem, n);
		cleanup_error struct error *why = NULL;
		struct stat st;
		if (stat(path, &st) == 0)
			continue;
		rc = atomic_file_write(AT_FDCWD, path, 0644, text.data, text.len, ATOMIC_FILE_NO_REPLACE, &why);
		if (rc != -EEXIST)
			return rc < 0 ? error_set(err, -rc, "%s", error_message(why)) : 0;
		rc = 0;
	}
	return rc < 0 ? rc : error_set(err, EMFILE, "%s: %d signatures are there already", stem, SIGNATURES_MAX);
}

int lookaside_store(const char *base, const struct digest *manifest, const struct signature *signature,
		    struct error **err)
{
	cleanup_free char *stem = stem_of(base, manifest);

	if (!text_has_prefix(stem, "file:///")) {
		int rc = error_set(err, ENOTSUP, "signatures cannot be written to '%s'", base);
		error_hint(err, "name a file:/// address as lookaside-staging in registries.d");
		return rc;
	}
	int rc = make_directories(stem + strlen("file://"), err);
	return rc < 0 ? rc : store_numbered(stem + strlen("file://"), signature, err);
}

/* ---- dir: ---- */

static char *dir_stem(const char *directory, const struct digest *instance)
{
	char hex[DIGEST_HEX_SIZE];

	return instance ? mem_printf("%s/%s.", directory, digest_hex(instance, hex)) : mem_printf("%s/", directory);
}

int sign_dir_fetch(const char *directory, const struct digest *instance, struct signature_list *list,
		   struct error **err)
{
	cleanup_free char *stem = dir_stem(directory, instance);

	return read_all(/* client */ NULL, stem, list, err);
}

int sign_dir_store(const char *directory, const struct digest *instance, const struct signature *signature,
		   struct error **err)
{
	cleanup_free char *stem = dir_stem(directory, instance);

	return store_numbered(stem, signature, err);
}

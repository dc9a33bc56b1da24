/*
 * Credential helpers: other programs that keep passwords. What they get is on their stdin, never in argv.
 */
#include "registry/auth_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/process.h"

#define HELPER_TIMEOUT_MS 30000 /* unless COOPER_HELPER_TIMEOUT says otherwise */
#define HELPER_TIMEOUT_MAX_MS ((int64_t)24 * 3600 * 1000)
#define HELPER_ANSWER_MAX ((size_t)1 << 20)
#define HUB_KEY "https://index.docker.io/v1/" /* the name under which docker itself stores docker.io */

/* The user name by which a helper says that the secret is an identity token. */
#define TOKEN_USER "<token>"

/* A name becomes part of a program's name: it must not become a path. */
static int check_name(const char *name, struct error **err)
{
	if (*name == '\0' || strchr(name, '/'))
		return error_set(err, EINVAL, "'%s' is not the name of a credential helper", name);
	return 0;
}

/* One that has to ask somebody, or a cloud, may need longer than most. */
static int read_timeout(int *milliseconds, struct error **err)
{
	const char *text = env_get("HELPER_TIMEOUT");
	int64_t nanoseconds = 0;

	*milliseconds = HELPER_TIMEOUT_MS;
	if (!text)
		return 0;
	int rc = parse_duration(text, "COOPER_HELPER_TIMEOUT", &nanoseconds, err);
	if (rc < 0)
		return rc;
	if (nanoseconds < 1000000 || nanoseconds / 1000000 > HELPER_TIMEOUT_MAX_MS)
		return error_set(err, EINVAL, "COOPER_HELPER_TIMEOUT '%s': from 1ms to 24h", text);
	*milliseconds = (int)(nanoseconds / 1000000);
	return 0;
}

static int run_helper(const char *name, const char *verb, const struct buf *input, struct buf *output,
		      struct process_result *result, struct error **err)
{
	cleanup(buf_done) struct buf errors = BUF_INIT(HELPER_ANSWER_MAX);
	int timeout_ms = 0;
	int rc = check_name(name, err);

	if (rc == 0)
		rc = read_timeout(&timeout_ms, err);
	if (rc < 0)
		return rc;
	cleanup_free char *program = mem_printf("docker-credential-%s", name);
	char *argv[] = {program, (char *)verb, NULL};
	struct process_spec spec = {.program = program, .argv = argv};
	trace(AUTH, "%s %s", program, verb);
	rc = process_run(&spec, input->data, input->len, output, &errors, timeout_ms, result, err);
	if (rc < 0)
		return error_prefix(err, "credential helper");
	if (result->timed_out)
		return error_set(err, ETIMEDOUT, "%s %s: no answer within %.3g s (see COOPER_HELPER_TIMEOUT)", program,
				 verb, timeout_ms / 1000.0);
	if (output->overflow)
		return error_set(err, EFBIG, "%s %s: answer too large", program, verb);
	/* Helpers put their complaint on stdout; some use stderr. Neither holds a secret after a failure. */
	if (result->status != 0 && output->len == 0)
		buf_append(output, errors.data, errors.len);
	return 0;
}

static bool says_not_found(const struct buf *output)
{
	return strstr(buf_str(output), "credentials not found") != NULL;
}

static int helper_failed(const char *name, const char *verb, const struct process_result *result,
			 const struct buf *output, struct error **err)
{
	int len = (int)strcspn(buf_str(output), "\r\n");

	return error_set(err, EIO, "docker-credential-%s %s: exit status %d (%.*s)", name, verb, result->status, len,
			 buf_str(output));
}

static int parse_answer(const char *name, const struct buf *output, struct credentials *credentials, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(credentials_done) struct credentials found = {0};
	cleanup_free char *what = mem_printf("answer of docker-credential-%s", name);
	int rc = json_parse(output->data ? output->data : "", output->len, what, &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root(what, root);
	rc = json_get_string(json_field(&at, "Username"), &found.username, err);
	if (rc == 0)
		rc = json_get_string(json_field(&at, "Secret"), &found.password, err);
	if (rc < 0)
		return rc;
	if (found.username && strcmp(found.username, TOKEN_USER) == 0) {
		found.identity_token = take_ptr(&found.password);
		free(take_ptr(&found.username));
	}
	if (!credentials_are_set(&found))
		return 0;
	found.source = mem_printf("docker-credential-%s", name);
	*credentials = found;
	found = (struct credentials){0};
	return 0;
}

static int get_by_key(const char *name, const char *key, struct credentials *credentials, struct error **err)
{
	cleanup(buf_done) struct buf input = BUF_INIT(HELPER_ANSWER_MAX);
	cleanup(buf_done) struct buf output = BUF_SECRET(HELPER_ANSWER_MAX);
	struct process_result result = {0};

	buf_printf(&input, "%s\n", key);
	int rc = run_helper(name, "get", &input, &output, &result, err);
	if (rc == 0 && result.status != 0 && !says_not_found(&output))
		rc = helper_failed(name, "get", &result, &output, err);
	if (rc == 0 && result.status == 0)
		rc = parse_answer(name, &output, credentials, err);
	buf_wipe(&output);
	return rc;
}

int auth_helper_get(const char *name, const char *host, struct credentials *credentials, struct error **err)
{
	int rc = 0;

	if (strcmp(host, "docker.io") == 0)
		rc = get_by_key(name, HUB_KEY, credentials, err);
	if (rc == 0 && !credentials_are_set(credentials))
		rc = get_by_key(name, host, credentials, err);
	return rc;
}

static const char *storage_key(const char *host)
{
	return strcmp(host, "docker.io") == 0 ? HUB_KEY : host;
}

int auth_helper_store(const char *name, const char *host, const char *username, const char *password,
		      struct error **err)
{
	cleanup_json json_t *root = json_object();
	cleanup(buf_done) struct buf input = BUF_SECRET(HELPER_ANSWER_MAX);
	cleanup(buf_done) struct buf output = BUF_INIT(HELPER_ANSWER_MAX);
	struct process_result result = {0};

	json_set_string(root, "ServerURL", storage_key(host));
	json_set_string(root, "Username", username);
	json_set_string(root, "Secret", password);
	json_format(root, &input);
	int rc = run_helper(name, "store", &input, &output, &result, err);
	buf_wipe(&input);
	if (rc == 0 && result.status != 0)
		rc = helper_failed(name, "store", &result, &output, err);
	return rc;
}

int auth_helper_erase(const char *name, const char *host, struct error **err)
{
	cleanup(buf_done) struct buf input = BUF_INIT(HELPER_ANSWER_MAX);
	cleanup(buf_done) struct buf output = BUF_INIT(HELPER_ANSWER_MAX);
	struct process_result result = {0};

	buf_printf(&input, "%s\n", storage_key(host));
	int rc = run_helper(name, "erase", &input, &output, &result, err);
	if (rc == 0 && result.status != 0) {
		if (says_not_found(&output))
			return error_set(err, ENODATA, "docker-credential-%s has no credentials for '%s'", name, host);
		rc = helper_failed(name, "erase", &result, &output, err);
	}
	return rc;
}

/*
 * The tags of a repository, page by page (OCI distribution-spec "Listing Tags").
 */
#include "registry/docker.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "registry/client_internal.h"
#include "registry/docker_internal.h"

#define PAGE_SIZE_MAX ((size_t)4 << 20)
#define PAGES_MAX 1000

static bool is_tag(const char *text)
{
	return *text &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(text);
}

/* `seen` has the tags as keys: a repository may have a hundred thousand. */
static int read_page(const struct http_answer *answer, struct strlist *tags, json_t *seen, struct error **err)
{
	cleanup_json json_t *root = NULL;
	cleanup(strlist_done) struct strlist page = {0};
	int rc = json_parse(buf_str(&answer->body), answer->body.len, "list of tags", &root, err);

	if (rc < 0)
		return rc;
	struct json_place at = json_root("list of tags", root);
	rc = json_get_strlist(json_field(&at, "tags"), &page, err);
	for (size_t i = 0; rc >= 0 && i < page.count; i++) {
		if (!is_tag(page.items[i]))
			return error_set(err, EBADMSG, "list of tags: '%s' is not a tag", page.items[i]);
		if (json_object_get(seen, page.items[i]))
			continue;
		json_set_bool(seen, page.items[i], true);
		strlist_append(tags, page.items[i]);
	}
	return rc;
}

/* Where the rest is: at the Link, or, where that leads elsewhere, behind the last tag that we have. */
static char *next_page(const struct session *session, const struct http_answer *answer, const struct strlist *tags)
{
	if (!http_answer_header(answer, "Link"))
		return NULL;
	char *next = http_answer_next_page(answer);
	return next ? next : session_url(session, "tags/list?last=%s", tags->items[tags->count - 1]);
}

/* *url is where the page is, and becomes where the next one is, or NULL. */
static int ask_page(struct session *session, char **url, struct strlist *tags, json_t *seen, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	size_t before = tags->count;

	http_request_init(&request, "GET", take_ptr(url), PAGE_SIZE_MAX);
	int rc = session_perform(session, &request, &answer, err);
	if (rc == 0 && !http_answer_is_success(&answer))
		rc = session_refused(session, "GET", &answer, err);
	if (rc == 0)
		rc = read_page(&answer, tags, seen, err);
	/* A page that brings nothing new ends it, whatever the registry says. */
	if (rc == 0 && tags->count > before)
		*url = next_page(session, &answer, tags);
	return rc;
}

int registry_tags(struct registry_client *client, const struct reference *ref, struct strlist *tags, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup_free char *name = reference_repository(ref);
	cleanup_json json_t *seen = json_object();
	int rc = docker_check_reference(ref, err);

	if (rc < 0)
		return rc;
	rc = session_open(client, ref, "pull", &session, err);
	if (rc == 0)
		rc = session_ready(session, err);
	cleanup_free char *url = rc == 0 ? session_url(session, "tags/list") : NULL;
	for (int page = 0; rc == 0 && url && page < PAGES_MAX; page++)
		rc = ask_page(session, &url, tags, seen, err);
	return rc < 0 ? error_prefix(err, "tags of %s", name) : 0;
}

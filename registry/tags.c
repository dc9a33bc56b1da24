/*
 * The tags of a repository, page by page (OCI distribution-spec "Listing Tags").
 */
#include "registry/docker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "registry/client_internal.h"
#include "registry/docker_internal.h"

#define PAGE_SIZE_MAX ((size_t)4 << 20)
#define PAGES_MAX 1000
#define SILENT_PAGE_LEAST 100 /* shorter lists are whole: nobody cuts at less than this without a Link */

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

/* A list on its way. */
struct listing {
	struct session *session;
	char *url;	 /* of the next page; NULL at the end */
	bool is_a_guess; /* that there is one */
	struct strlist *tags;
	json_t *seen; /* borrowed */
};

/* Where the rest is: at the Link, or, where that leads elsewhere, behind the last tag that we have. So many tags and no
 * Link: this may be a registry that cuts its lists and does not say so. */
static void find_next_page(struct listing *listing, const struct http_answer *answer, size_t added)
{
	const struct strlist *tags = listing->tags;

	listing->url = http_answer_next_page(answer);
	listing->is_a_guess = !http_answer_header(answer, "Link");
	if (!listing->url && (!listing->is_a_guess || added >= SILENT_PAGE_LEAST))
		listing->url = session_url(listing->session, "tags/list?last=%s", tags->items[tags->count - 1]);
}

/* Where only we believe that there is more, a no is the end. */
static bool is_end(const struct listing *listing, const struct http_answer *answer)
{
	return listing->is_a_guess && answer->status >= 400 && !http_status_is_temporary(answer->status);
}

static int ask_page(struct listing *listing, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	size_t before = listing->tags->count;

	http_request_init(&request, "GET", take_ptr(&listing->url), PAGE_SIZE_MAX);
	request.flags = HTTP_JSON;
	int rc = session_perform(listing->session, &request, &answer, err);
	if (rc == 0 && is_end(listing, &answer))
		return 0;
	if (rc == 0 && !http_answer_is_success(&answer))
		rc = session_refused(listing->session, "GET", &answer, err);
	if (rc == 0)
		rc = read_page(&answer, listing->tags, listing->seen, err);
	/* A page that brings nothing new ends it, whatever the registry says. */
	if (rc == 0 && listing->tags->count > before)
		find_next_page(listing, &answer, listing->tags->count - before);
	return rc;
}

int registry_tags(struct registry_client *client, const struct reference *ref, struct strlist *tags, struct error **err)
{
	cleanup(session_free) struct session *session = NULL;
	cleanup_free char *name = reference_repository(ref);
	cleanup_json json_t *seen = json_object();
	struct listing listing = {.tags = tags, .seen = seen};
	int rc = docker_check_reference(ref, err);

	if (rc == 0)
		rc = session_open(client, ref, "pull", &session, err);
	if (rc == 0)
		rc = session_ready(session, err);
	if (rc == 0) {
		listing.session = session;
		listing.url = session_url(session, "tags/list");
	}
	for (int page = 0; rc == 0 && listing.url && page < PAGES_MAX; page++)
		rc = ask_page(&listing, err);
	if (rc == 0 && listing.url)
		rc = error_set(err, EFBIG, "the list goes on after %d pages and %zu tags", PAGES_MAX, tags->count);
	free(listing.url);
	return rc < 0 ? error_prefix(err, "tags of %s", name) : 0;
}

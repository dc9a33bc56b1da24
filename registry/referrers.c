/*
 * What refers to a manifest: by the API, page by page, or by the tag that stands in for it.
 */
#include "registry/referrers_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "registry/url.h"

#define PAGES_MAX 1000
#define EDITS_MAX 5 /* others may be changing the index at the same time */

static struct reference fallback_reference(const struct digest *subject)
{
	char hex[DIGEST_HEX_SIZE];

	return (struct reference){
		.tag = mem_printf("%s-%s", digest_algorithm_name(subject->algorithm), digest_hex(subject, hex))};
}

/* The index under the fall-back tag. -ENOENT when there is none. *etag is newly allocated, or NULL. */
static int load_fallback(struct session *session, const struct digest *subject, struct image_index *index, char **etag,
			 struct error **err)
{
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup(reference_done) struct reference ref = fallback_reference(subject);
	int rc = docker_get_manifest(session, &ref, /* want */ NULL, &answer, err);
	enum manifest_kind kind = MANIFEST_IMAGE;

	if (rc < 0)
		return rc;
	cleanup_free char *type = docker_answer_media_type(&answer);
	rc = manifest_kind(buf_str(&answer.body), answer.body.len, type, &kind, err);
	if (rc == 0 && kind != MANIFEST_INDEX)
		rc = error_set(err, EEXIST, "tag %s is taken by something that is no index", ref.tag);
	if (rc == 0)
		rc = image_index_parse(buf_str(&answer.body), answer.body.len, ref.tag, index, err);
	/* A weak one never matches in If-Match (RFC 9110, 13.1.1). */
	const char *tag = http_answer_header(&answer, "ETag");
	if (rc == 0 && etag && tag && *tag == '"')
		*etag = mem_strdup(tag);
	return rc;
}

/* PUT of the index; -EAGAIN when somebody else has changed it meanwhile (412). */
static int save_fallback(struct session *session, const struct digest *subject, const struct image_index *index,
			 const char *etag, struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup(reference_done) struct reference ref = fallback_reference(subject);
	cleanup(buf_done) struct buf text = BUF_INIT(MANIFEST_SIZE_MAX);

	image_index_format(index, &text);
	if (text.overflow)
		return error_set(err, EFBIG, "the index of referrers is too large");
	http_request_init(&request, "PUT", session_url(session, "manifests/%s", ref.tag), HTTP_ERROR_BODY_MAX);
	http_request_set_header(&request, "Content-Type", MEDIA_OCI_INDEX);
	http_request_set_header(&request, "If-Match", etag);
	request.body = (struct http_body){.data = text.data, .fd = -1, .size = text.len, .present = true};
	int rc = session_perform(session, &request, &answer, err);
	if (rc < 0 || http_answer_is_success(&answer))
		return rc;
	rc = session_refused(session, "PUT", &answer, err);
	return answer.status == 412 ? -EAGAIN : rc;
}

/* ---- One entry ---- */

/* What a document says about itself, as its entry in an index; *subject stays null when it has none. */
static int describe(const struct docker_document *document, const struct digest *digest, struct descriptor *entry,
		    struct digest *subject, struct error **err)
{
	cleanup(manifest_done) struct manifest manifest = {0};
	cleanup(image_index_done) struct image_index index = {0};
	bool is_index = strcmp(document->media_type, MEDIA_OCI_INDEX) == 0;
	int rc = is_index ? image_index_parse(document->text, document->size, "index", &index, err)
			  : manifest_parse(document->text, document->size, "manifest", &manifest, err);
	const struct descriptor *about = is_index ? index.subject : manifest.subject;

	if (rc < 0 || !about)
		return rc;
	*subject = about->digest;
	entry->media_type = mem_strdup(document->media_type);
	entry->digest = *digest;
	entry->size = document->size;
	/* The rule of the specification: the artifactType, or the configuration's type. */
	entry->artifact_type = mem_strdup(is_index		   ? index.artifact_type
					  : manifest.artifact_type ? manifest.artifact_type
								   : manifest.config.media_type);
	strlist_copy(&entry->annotations, is_index ? &index.annotations : &manifest.annotations);
	return 0;
}

/* Only these two have a subject. What else passes through here is none of our business. */
static bool may_have_subject(const struct docker_document *document)
{
	bool is_oci = strcmp(document->media_type, MEDIA_OCI_MANIFEST) == 0 ||
		      strcmp(document->media_type, MEDIA_OCI_INDEX) == 0;

	return is_oci && memmem(document->text, document->size, "\"subject\"", strlen("\"subject\""));
}

static size_t find_entry(const struct image_index *index, const struct digest *digest)
{
	size_t at = 0;

	while (at < index->manifest_count && !digest_equal(&index->manifests[at].digest, digest))
		at++;
	return at;
}

enum edit { EDIT_ADD, EDIT_REMOVE };

/* True when the index is another afterwards. */
static bool edit_index(struct image_index *index, const struct descriptor *entry, enum edit edit)
{
	size_t at = find_entry(index, &entry->digest);

	if ((at < index->manifest_count) == (edit == EDIT_ADD))
		return false;
	if (edit == EDIT_REMOVE) {
		descriptor_done(&index->manifests[at]);
		index->manifest_count--;
		memmove(&index->manifests[at], &index->manifests[at + 1],
			(index->manifest_count - at) * sizeof(*index->manifests));
		return true;
	}
	index->manifests = mem_grow(index->manifests, index->manifest_count + 1, sizeof(*index->manifests));
	index->manifests[index->manifest_count] = (struct descriptor){0};
	descriptor_copy(&index->manifests[index->manifest_count++], entry);
	return true;
}

static int edit_once(struct session *session, const struct digest *subject, const struct descriptor *entry,
		     enum edit edit, struct error **err)
{
	cleanup(image_index_done) struct image_index index = {.format = FORMAT_OCI};
	cleanup_free char *etag = NULL;
	int rc = load_fallback(session, subject, &index, &etag, err);

	if (rc == -ENOENT) { /* the first of them */
		error_clear(err);
		rc = 0;
	}
	if (rc < 0 || !edit_index(&index, entry, edit))
		return rc;
	return save_fallback(session, subject, &index, etag, err);
}

static int edit_fallback(struct session *session, const struct docker_document *document, const struct digest *digest,
			 enum edit edit, struct error **err)
{
	cleanup(descriptor_done) struct descriptor entry = {0};
	struct digest subject = {0};
	char text[DIGEST_TEXT_SIZE];

	if (!may_have_subject(document))
		return 0;
	int rc = describe(document, digest, &entry, &subject, err);
	if (rc < 0 || digest_is_null(&subject))
		return rc;
	rc = -EAGAIN;
	for (int i = 0; i < EDITS_MAX && rc == -EAGAIN; i++) {
		error_clear(err);
		rc = edit_once(session, &subject, &entry, edit, err);
	}
	return rc < 0 ? error_prefix(err, "referrers of %s", digest_format(&subject, text)) : 0;
}

int referrers_add(struct session *session, const struct docker_document *document, const struct digest *digest,
		  struct error **err)
{
	return edit_fallback(session, document, digest, EDIT_ADD, err);
}

int referrers_remove(struct session *session, const struct docker_document *document, const struct digest *digest,
		     struct error **err)
{
	return edit_fallback(session, document, digest, EDIT_REMOVE, err);
}

/* ---- The list ---- */

static int ask_page(struct session *session, const char *url, struct http_answer *answer, struct image_index *page,
		    struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};

	http_request_init(&request, "GET", mem_strdup(url), MANIFEST_SIZE_MAX);
	http_request_set_header(&request, "Accept", MEDIA_OCI_INDEX);
	request.flags = HTTP_JSON;
	int rc = session_perform(session, &request, answer, err);
	if (rc < 0)
		return rc;
	if (!http_answer_is_success(answer))
		return session_refused(session, "GET", answer, err);
	rc = image_index_parse(buf_str(&answer->body), answer->body.len, "referrers", page, err);
	return rc < 0 ? -EBADMSG : 0;
}

/* Appends one page; *next is the address of the one after it, NULL at the end. -ENOENT: no such API. */
static int get_page(struct session *session, const char *url, struct image_index *all, char **next, struct error **err)
{
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup(image_index_done) struct image_index page = {0};
	int rc = ask_page(session, url, &answer, &page, err);

	if (rc == -EBADMSG) { /* it has no digest that would tell what has gone wrong on the way */
		log_debug("%s, asking again", err ? error_message(*err) : "no list");
		error_clear(err);
		http_answer_done(&answer);
		rc = ask_page(session, url, &answer, &page, err);
	}
	if (rc < 0)
		return rc;
	size_t before = all->manifest_count;
	for (size_t i = 0; i < page.manifest_count; i++)
		edit_index(all, &page.manifests[i], EDIT_ADD);
	/* A page that brings nothing new is the last, whatever the registry says. */
	if (all->manifest_count > before)
		*next = http_answer_next_page(&answer);
	return 0;
}

static int get_pages(struct session *session, const struct digest *subject, struct image_index *all, struct error **err)
{
	char text[DIGEST_TEXT_SIZE];
	char *url = session_url(session, "referrers/%s", digest_format(subject, text));
	int rc = 0;

	for (int i = 0; rc == 0 && url && i < PAGES_MAX; i++) {
		char *next = NULL;
		rc = get_page(session, url, all, &next, err);
		free(url);
		url = next;
	}
	if (rc == 0 && url)
		rc = error_set(err, EFBIG, "the list goes on after %d pages", PAGES_MAX);
	free(url);
	return rc;
}

static void keep_type(struct image_index *index, const char *artifact_type)
{
	for (size_t i = index->manifest_count; i > 0; i--) {
		const struct descriptor *entry = &index->manifests[i - 1];
		if (!entry->artifact_type || strcmp(entry->artifact_type, artifact_type) != 0) {
			struct descriptor gone = {.digest = entry->digest};
			edit_index(index, &gone, EDIT_REMOVE);
		}
	}
}

int referrers_list(struct session *session, const struct digest *subject, const char *artifact_type,
		   struct image_index *index, struct error **err)
{
	cleanup(image_index_done) struct image_index found = {.format = FORMAT_OCI};
	int rc = session_ready(session, err);

	if (rc == 0)
		rc = get_pages(session, subject, &found, err);
	if (rc == -ENOENT) {
		error_clear(err);
		rc = load_fallback(session, subject, &found, /* etag */ NULL, err);
	}
	if (rc == -ENOENT) { /* neither: nothing refers to it */
		error_clear(err);
		rc = 0;
	}
	if (rc < 0)
		return rc;
	/* We ask for all and choose ourselves: a filter of the registry's would have to be checked anyway. */
	if (artifact_type)
		keep_type(&found, artifact_type);
	*index = found;
	found = (struct image_index){0};
	return 0;
}

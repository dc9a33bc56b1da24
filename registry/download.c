/*
 * One file from the web into a descriptor.
 */
#include "registry/download.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "registry/client_internal.h"
#include "registry/url.h"

struct transfer {
	int fd;
	uint64_t size;	       /* written so far */
	struct hasher *sha256; /* what is reported */
	struct hasher *other;  /* of another algorithm, when that is what was asked for */
	char *validator;       /* strong ETag or Last-Modified: resume only what has not changed */
};

static void transfer_done(struct transfer *transfer)
{
	hasher_free(transfer->sha256);
	hasher_free(transfer->other);
	free(transfer->validator);
}
CLEANUP_FOR_VALUE(struct transfer, transfer_done)

void download_done(struct download *download)
{
	free(download->file_name);
	*download = (struct download){0};
}

static int restart(struct transfer *transfer, struct error **err)
{
	if (ftruncate(transfer->fd, 0) < 0 || lseek(transfer->fd, 0, SEEK_SET) < 0)
		return error_set_errno(err, "truncate the file of a download");
	transfer->size = 0;
	hasher_reset(transfer->sha256);
	if (transfer->other)
		hasher_reset(transfer->other);
	return 0;
}

/* Without something to recognise the file by, a resumed half might be of another file: then it starts anew. */
static int ask_for_rest(void *context, struct http_request *request, struct error **err)
{
	struct transfer *transfer = context;
	bool resume = transfer->size > 0 && transfer->validator;
	cleanup_free char *range = resume ? mem_printf("bytes=%llu-", (unsigned long long)transfer->size) : NULL;

	http_request_set_header(request, "Range", range);
	http_request_set_header(request, "If-Range", resume ? transfer->validator : NULL);
	return transfer->size > 0 && !resume ? restart(transfer, err) : 0;
}

static int check_start(void *context, const struct http_answer *answer, struct error **err)
{
	struct transfer *transfer = context;
	const char *range = http_answer_header(answer, "Content-Range");
	const char *etag = http_answer_header(answer, "ETag");
	uint64_t first = 0;
	uint64_t last = 0;

	mem_replace(&transfer->validator, etag && *etag == '"' ? etag : http_answer_header(answer, "Last-Modified"));
	if (answer->status == 206 && range && http_range_parse(range, &first, &last) == 0 && first == transfer->size)
		return 0;
	if (answer->status != 206)
		return transfer->size > 0 ? restart(transfer, err) : 0;
	int rc = restart(transfer, err);
	return rc < 0 ? rc : error_set(err, EAGAIN, "HTTP 206 with another range than asked for");
}

static int take_data(void *context, const void *data, size_t size, struct error **err)
{
	struct transfer *transfer = context;
	int rc = fd_write_all(transfer->fd, data, size, err);

	if (rc < 0)
		return rc;
	hasher_update(transfer->sha256, data, size);
	if (transfer->other)
		hasher_update(transfer->other, data, size);
	transfer->size += size;
	return 0;
}

static bool is_usable_name(const char *name)
{
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\\");
}

/* filename="x" of Content-Disposition (RFC 6266), only its plain form; NULL when there is none that is usable. */
static char *disposition_name(const struct http_answer *answer)
{
	const char *text = http_answer_header(answer, "Content-Disposition");
	const char *found = text ? strcasestr(text, "filename=") : NULL;

	if (!found)
		return NULL;
	found += strlen("filename=");
	bool quoted = *found == '"';
	found += quoted;
	cleanup_free char *name = mem_strndup(found, strcspn(found, quoted ? "\"" : "; \t"));
	return is_usable_name(name) ? take_ptr(&name) : NULL;
}

/* Undoes percent-encoding in place; false when it would hide a NUL or is broken. */
static bool unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		unsigned char byte = 0;
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		cleanup_free char *digits = mem_strndup(in + 1, 2);
		for (char *c = digits; *c; c++)
			*c = (char)(*c >= 'A' && *c <= 'F' ? *c - 'A' + 'a' : *c);
		if (parse_hex(digits, strlen(digits), &byte, 1) < 0 || byte == 0)
			return false;
		*out++ = (char)byte;
		in += 2;
	}
	*out = '\0';
	return true;
}

/* The last part of the path; of the address the user wrote, not of where it led. */
static char *address_name(const char *address)
{
	cleanup(url_done) struct url url = {0};

	if (url_parse(address, &url, NULL) < 0)
		return NULL;
	cleanup_free char *path = mem_strndup(url.rest, strcspn(url.rest, "?"));
	const char *slash = strrchr(path, '/');
	cleanup_free char *name = mem_strdup(slash ? slash + 1 : path);
	return unescape(name) && is_usable_name(name) ? take_ptr(&name) : NULL;
}

static int verify(struct transfer *transfer, const struct digest *want, struct digest *sha256, struct error **err)
{
	struct digest have = {0};
	char expected[DIGEST_TEXT_SIZE];
	char got[DIGEST_TEXT_SIZE];

	hasher_finish(transfer->sha256, sha256);
	have = *sha256;
	if (transfer->other)
		hasher_finish(transfer->other, &have);
	if (want && !digest_equal(want, &have))
		return error_set(err, EBADMSG, "digest %s instead of %s", digest_format(&have, got),
				 digest_format(want, expected));
	return 0;
}

static int transfer_init(struct transfer *transfer, const struct digest *want, struct error **err)
{
	int rc = hasher_new(DIGEST_SHA256, &transfer->sha256, err);

	if (rc == 0 && want && want->algorithm != DIGEST_SHA256)
		rc = hasher_new(want->algorithm, &transfer->other, err);
	return rc;
}

int download_file(struct registry_client *client, const char *url, int fd, const struct digest *want,
		  struct download *download, struct error **err)
{
	static const struct http_receiver receiver = {.begin = ask_for_rest, .head = check_start, .data = take_data};
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup(transfer_done) struct transfer transfer = {.fd = fd};
	cleanup_free char *shown = url_redact(url);
	struct digest digest = {0};
	int rc = transfer_init(&transfer, want, err);

	if (rc < 0)
		return rc;
	http_request_init(&request, "GET", mem_strdup(url), 0);
	request.flags = HTTP_STRANGER;
	request.receiver = &receiver;
	request.receiver_context = &transfer;
	rc = http_transport_perform(client->transport, &request, &answer, err);
	if (rc == 0 && !http_answer_is_success(&answer))
		rc = http_answer_error("GET", &answer, err);
	if (rc == 0)
		rc = verify(&transfer, want, &digest, err);
	if (rc < 0)
		return error_prefix(err, "download %s", shown);
	const char *modified = http_answer_header(&answer, "Last-Modified");
	*download = (struct download){.size = transfer.size, .digest = digest, .last_modified = -1};
	if (modified && http_date_parse(modified, &download->last_modified) < 0)
		download->last_modified = -1;
	download->file_name = disposition_name(&answer);
	if (!download->file_name)
		download->file_name = address_name(url);
	return 0;
}

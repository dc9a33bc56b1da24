/*
 * What a descriptor says about its blob besides size and digest.
 */
#include "registry/elsewhere.h"

#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "imagefmt/blob.h"
#include "registry/url.h"

static int put(struct store *store, const struct descriptor *blob, const void *data, size_t size, struct error **err)
{
	cleanup(blob_writer_free) struct blob_writer *writer = NULL;
	int rc = blob_writer_new(store, &blob->digest, blob->size, &writer, err);

	if (rc == 0)
		rc = blob_writer_write(writer, data, size, err);
	return rc == 0 ? blob_writer_commit(writer, NULL, NULL, err) : rc;
}

bool elsewhere_take_data(struct store *store, const struct descriptor *blob)
{
	cleanup_json json_t *rest = NULL;
	cleanup_free char *text = NULL;
	cleanup_free void *data = NULL;
	cleanup_error struct error *trouble = NULL;
	size_t size = 0;

	if (!blob->unknown || json_parse(blob->unknown, strlen(blob->unknown), "descriptor", &rest, NULL) < 0)
		return false;
	struct json_place at = json_root("descriptor", rest);
	int rc = json_get_string(json_field(&at, "data"), &text, &trouble);
	if (rc < 0 || !text)
		return false;
	rc = parse_base64(text, "data", &data, &size, &trouble);
	if (rc == 0)
		rc = put(store, blob, data, size, &trouble);
	if (rc < 0) /* the registry has the blob, too */
		log_debug("the data of a descriptor: %s; fetching the blob", error_message(trouble));
	return rc == 0;
}

/* Not with a user name in it: libcurl would make an Authorization of that. */
static bool is_usable(const char *text)
{
	cleanup(url_done) struct url url = {0};

	return url_parse(text, &url, NULL) == 0 && url.https && !url.userinfo;
}

const char *elsewhere_next_address(const struct descriptor *blob, size_t *passed)
{
	while (*passed < blob->urls.count) {
		const char *url = blob->urls.items[(*passed)++];
		cleanup_free char *shown = url_redact(url);
		if (is_usable(url))
			return url;
		log_debug("the address '%.200s' of a layer is not https, or has a user's name, passing it over", shown);
	}
	return NULL;
}

bool elsewhere_has_its_place(const struct descriptor *blob)
{
	return blob->urls.count > 0 && layer_is_foreign(blob->media_type);
}

/*
 * A string of a document becomes a digest; the error of digest_parse() gets the place.
 */
#include "imagefmt/jsondigest.h"

int json_get_digest(struct json_place at, struct digest *digest, struct error **err)
{
	cleanup_free char *text = NULL;
	cleanup_error struct error *why = NULL;
	int rc = json_get_string(at, &text, err);

	if (rc < 0 || !text)
		return rc;
	return digest_parse(text, digest, &why) < 0 ? json_error(&at, err, "%s", error_message(why)) : 0;
}

int json_require_digest(struct json_place at, struct digest *digest, struct error **err)
{
	int rc = json_require(&at, err);

	return rc < 0 ? rc : json_get_digest(at, digest, err);
}

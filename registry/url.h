/*
 * Addresses as the registry client needs them: taken apart strictly, compared by origin, put together without touching
 * a byte of a query (an upload's Location holds state that the registry wants back as it was).
 *
 * What this parser refuses (control characters, spaces, backslashes, a second '@') libcurl's parser might read
 * differently; an address is used only when both see the same host.
 */
#ifndef COOPER_REGISTRY_URL_H
#define COOPER_REGISTRY_URL_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define URL_SIZE_MAX ((size_t)16 << 10) /* longest address that is taken from outside */

struct url {
	bool https;
	char *userinfo; /* before '@', NULL when there is none */
	char *host;	/* lower case, an IPv6 address in its brackets */
	uint16_t port;	/* the scheme's own when none is written */
	char *rest;	/* "/path?query", "" when the authority ends the text; a fragment is dropped */
};

void url_done(struct url *url);
CLEANUP_FOR_VALUE(struct url, url_done)
/* -EINVAL for anything but an absolute http or https address. */
int url_parse(const char *text, struct url *url, struct error **err);
/* "https://host:port", the port left out when it is the scheme's own. */
MUST_CHECK char *url_origin(const struct url *url);
/* "host" or "host:port", as in the names of images and of certs.d directories. */
MUST_CHECK char *url_authority(const struct url *url);
/* Same scheme, host and port. Texts that do not parse are of no origin. */
bool url_same_origin(const char *a, const char *b);
/* What `location` means in an answer from `base` (RFC 3986 section 5, without removing dot segments). User information
 * in it is dropped: libcurl would send it as an Authorization of ours. */
int url_resolve(const char *base, const char *location, char **result, struct error **err);
/* url + '?' or '&' + query; a fragment is dropped. */
MUST_CHECK char *url_add_query(const char *url, const char *query);
/* Appends text with everything but unreserved characters percent-encoded. */
void url_escape(struct buf *into, const char *text);
/* For messages: without user information, and of the query only the names and the values known to be no secrets. */
MUST_CHECK char *url_redact(const char *text);
/* "localhost", "*.localhost", 127.0.0.0/8 and [::1]. */
bool url_host_is_loopback(const char *host);

#endif

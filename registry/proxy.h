/*
 * Which proxy a request goes through, by the variables that curl and Go's programs read, and where the two differ as
 * Go's do, since NO_PROXY lists are written for them.
 */
#ifndef COOPER_REGISTRY_PROXY_H
#define COOPER_REGISTRY_PROXY_H

#include "registry/url.h"

/* From HTTPS_PROXY or HTTP_PROXY (either case), else ALL_PROXY, unless NO_PROXY or a loopback address says otherwise.
 * Borrowed from the environment; NULL: none. HTTP_PROXY counts for nothing in a CGI script, where it is a header of the
 * request (httpoxy). */
const char *proxy_find(const struct url *url);
/* The name of the proxy's host, newly allocated; NULL for NULL. */
MUST_CHECK char *proxy_host(const char *proxy);
/* True when a NO_PROXY list names the host: "*", an address, a network "10.0.0.0/8", a name with all names below it,
 * ".name" for those below only; each but a network with a ":port" or without. */
bool proxy_is_excluded(const char *list, const char *host, uint16_t port);

#endif

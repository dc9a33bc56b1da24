/*
 * What the system's resolver knows about a name, where libcurl does not pass it on.
 */
#ifndef COOPER_REGISTRY_RESOLVER_H
#define COOPER_REGISTRY_RESOLVER_H

#include <stdbool.h>

/* True when the resolver says that there is no such host (NXDOMAIN, or a name without an address), false when there is,
 * and when it cannot tell now. Asks the resolver, and waits for it. */
bool resolver_denies(const char *host);

#endif

/*
 * A second question to the resolver, for its reasons.
 */
#include "registry/resolver.h"

#include <netdb.h>
#include <stddef.h>
#include <sys/socket.h>

bool resolver_denies(const char *host)
{
	static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	switch (getaddrinfo(host, /* service */ NULL, &hints, &found)) {
	case 0:
		freeaddrinfo(found);
		return false;
	case EAI_NONAME:
#ifdef EAI_NODATA
	case EAI_NODATA: /* the name is there, and has something else than addresses */
#endif
		return true;
	default: /* EAI_AGAIN: nobody has answered */
		return false;
	}
}

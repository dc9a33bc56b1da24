/*
 * What TLS needs to know about a host: whom to trust, and who we are. From --cert-dir or the certs.d directories
 * (containers-certs.d(5)), and SSL_CERT_FILE and SSL_CERT_DIR as Go's programs read them.
 */
#ifndef COOPER_REGISTRY_TLS_H
#define COOPER_REGISTRY_TLS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

#define TLS_CA_SIZE_MAX ((size_t)16 << 20) /* all authorities together */

struct tls_settings {
	struct buf authorities; /* PEM: the system's and our own; empty: libcurl's default */
	char *certificate;	/* path of our own certificate, NULL when there is none */
	char *key;		/* its key */
};

void tls_settings_done(struct tls_settings *settings);
CLEANUP_FOR_VALUE(struct tls_settings, tls_settings_done)
/* For "host" or "host:port". cert_dir (NULL: none given) replaces the certs.d directories; one that is missing is
 * -ENOENT. A certificate without its key, or a key alone, is -EINVAL. */
int tls_settings_load(const char *cert_dir, const char *host, struct tls_settings *settings, struct error **err);

#endif

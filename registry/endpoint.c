/*
 * The ping.
 */
#include "registry/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "registry/url.h"

#define PING_ANSWER_MAX ((size_t)64 << 10)

struct endpoint *endpoint_new(const char *domain, bool insecure)
{
	struct endpoint *endpoint = mem_alloc(sizeof(*endpoint));

	endpoint->domain = mem_strdup(domain);
	endpoint->insecure = insecure;
	return endpoint;
}

void endpoint_free(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	free(endpoint->domain);
	free(endpoint->origin);
	challenge_list_done(&endpoint->challenges);
	free(endpoint);
}

const char *endpoint_api_host(const char *domain)
{
	return strcmp(domain, "docker.io") == 0 ? "registry-1.docker.io" : domain;
}

bool endpoint_allows_http(const char *host, enum tls_verify verify)
{
	cleanup(url_done) struct url url = {0};
	cleanup_free char *address = mem_printf("http://%s", host);

	if (verify != TLS_VERIFY_DEFAULT)
		return verify == TLS_VERIFY_NO;
	return url_parse(address, &url, NULL) == 0 && url_host_is_loopback(url.host);
}

void endpoint_read_challenges(const struct http_answer *answer, struct challenge_list *list)
{
	static const char name[] = "WWW-Authenticate:";

	for (size_t i = 0; i < answer->headers.count; i++) {
		const char *line = answer->headers.items[i];
		struct error *trouble = NULL;
		if (strncasecmp(line, name, strlen(name)) == 0 &&
		    challenge_parse(line + strlen(name), list, &trouble) < 0) {
			/* What was read before the fault may do; if not, the 401 itself is the error. */
			log_debug("%s", error_message(trouble));
			error_clear(&trouble);
		}
	}
}

/* One ping. Leaves origin and challenges in the endpoint when a registry answers. */
static int ping(struct endpoint *endpoint, struct http_transport *transport, const char *scheme, unsigned flags,
		struct error **err)
{
	cleanup(http_request_done) struct http_request request = {0};
	cleanup(http_answer_done) struct http_answer answer = {0};
	cleanup_free char *origin = mem_printf("%s://%s", scheme, endpoint_api_host(endpoint->domain));

	http_request_init(&request, "GET", mem_printf("%s/v2/", origin), PING_ANSWER_MAX);
	request.flags = flags;
	int rc = http_transport_perform(transport, &request, &answer, err);
	if (rc < 0)
		return rc;
	if (answer.status == 404)
		return error_set(err, ENODEV, "'%s' is not a registry (GET %s: HTTP 404)", endpoint->domain,
				 request.url);
	if (answer.status != 401 && !http_answer_is_success(&answer))
		return http_answer_error("GET", &answer, err);
	/* Whoever a redirect has led to does not say where the passwords for this registry go. */
	if (url_same_origin(answer.url, origin))
		endpoint_read_challenges(&answer, &endpoint->challenges);
	endpoint->origin = take_ptr(&origin);
	return 0;
}

int endpoint_settle(struct endpoint *endpoint, struct http_transport *transport, enum tls_verify verify, unsigned flags,
		    struct error **err)
{
	struct error *https_error = NULL;
	struct error *http_error = NULL;

	if (endpoint->origin)
		return 0;
	if (endpoint->insecure && verify == TLS_VERIFY_DEFAULT) {
		verify = TLS_VERIFY_NO;
		flags |= HTTP_INSECURE;
	}
	if (!endpoint_allows_http(endpoint_api_host(endpoint->domain), verify)) {
		int rc = ping(endpoint, transport, "https", flags, err);
		if (rc == -EPROTO || rc == -EPROTONOSUPPORT)
			error_hint(err, "a registry without TLS needs --tls-verify=false");
		if (rc == -EKEYREJECTED)
			error_hint(err, "put its authority's certificate into certs.d/%s/ or a --cert-dir",
				   endpoint->domain);
		return rc < 0 ? error_prefix(err, "registry '%s'", endpoint->domain) : 0;
	}
	int rc = ping(endpoint, transport, "https", flags | HTTP_ONE_CONNECTION, &https_error);
	if (rc == 0)
		return 0;
	/* Somebody speaks TLS there but is not who he should be, does not like who we are (a reset after the
	 * handshake), or answered and said no: then http is no way out, unless the user has said that anything will do.
	 */
	bool may_fall = verify == TLS_VERIFY_NO
				? rc != -ENODEV && rc != -ENXIO
				: rc == -ECONNREFUSED || rc == -EPROTO || rc == -EPROTONOSUPPORT || rc == -ETIMEDOUT;
	if (may_fall && ping(endpoint, transport, "http", flags, &http_error) == 0) {
		error_free(https_error);
		return 0;
	}
	rc = http_error ? error_set(err, error_code(http_error), "registry '%s': %s (and before: %s)", endpoint->domain,
				    error_message(http_error), error_message(https_error))
			: error_set(err, error_code(https_error), "registry '%s': %s", endpoint->domain,
				    error_message(https_error));
	error_free(https_error);
	error_free(http_error);
	return rc;
}

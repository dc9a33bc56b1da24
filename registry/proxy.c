/*
 * HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY.
 */
#include "registry/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/parse.h"
#include "base/strlist.h"

#define ADDRESS_SIZE 16 /* bytes of an IPv6 address; an IPv4 one is mapped into it */

static bool parse_address(const char *text, uint8_t address[ADDRESS_SIZE])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	memcpy(address, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, address + sizeof(mapped)) == 1;
}

/* "10.0.0.0/8". */
static bool is_in_network(const char *network, const uint8_t address[ADDRESS_SIZE])
{
	uint8_t base[ADDRESS_SIZE];
	uint64_t bits = 0;
	const char *slash = strchr(network, '/');
	cleanup_free char *text = mem_strndup(network, (size_t)(slash - network));
	bool is_v4 = strchr(text, ':') == NULL;

	if (!parse_address(text, base) || parse_u64(slash + 1, is_v4 ? 32 : 128, "bits", &bits, NULL) < 0)
		return false;
	bits += is_v4 ? 96 : 0;
	for (size_t i = 0; i < bits; i++) {
		uint8_t bit = (uint8_t)(0x80 >> (i % 8));
		if ((base[i / 8] & bit) != (address[i / 8] & bit))
			return false;
	}
	return true;
}

/* Takes ":port" off the entry; false when it is for another port. An IPv6 address may stand in brackets. */
static bool strip_port(char *entry, uint16_t port)
{
	char *end = *entry == '[' ? strchr(entry, ']') : entry;
	char *colon = end ? strchr(end, ':') : NULL;
	uint64_t wanted = 0;

	if (!colon || (*entry != '[' && strchr(colon + 1, ':')))
		return true;
	*colon = '\0';
	return parse_u64(colon + 1, UINT16_MAX, "port", &wanted, NULL) == 0 && wanted == port;
}

static bool names_match(const char *entry, const char *host)
{
	bool below_only = false;

	if (text_has_prefix(entry, "*."))
		entry++;
	if (*entry == '.') {
		below_only = true;
		entry++;
	}
	size_t len = strlen(entry);
	size_t host_len = strlen(host);
	if (len == 0 || host_len < len || strcasecmp(host + host_len - len, entry) != 0)
		return false;
	return host_len == len ? !below_only : host[host_len - len - 1] == '.';
}

/* Without the brackets of an IPv6 address. */
static char *bare_host(const char *host)
{
	return *host == '[' ? mem_strndup(host + 1, strcspn(host + 1, "]")) : mem_strdup(host);
}

static bool entry_matches(const char *text, const char *host, uint16_t port)
{
	uint8_t address[ADDRESS_SIZE];
	uint8_t other[ADDRESS_SIZE];
	bool is_address = parse_address(host, address);
	cleanup_free char *entry = mem_strdup(text);

	if (strcmp(entry, "*") == 0)
		return true;
	if (strchr(entry, '/'))
		return is_address && is_in_network(entry, address);
	if (!strip_port(entry, port))
		return false;
	cleanup_free char *name = bare_host(entry);
	if (is_address)
		return parse_address(name, other) && memcmp(address, other, sizeof(address)) == 0;
	return names_match(name, host);
}

bool proxy_is_excluded(const char *list, const char *host, uint16_t port)
{
	cleanup(strlist_done) struct strlist entries = {0};
	cleanup_free char *bare = bare_host(host);

	strlist_split(&entries, list, ',');
	for (size_t i = 0; i < entries.count; i++) {
		const char *text = entries.items[i] + strspn(entries.items[i], " \t");
		cleanup_free char *entry = mem_strndup(text, strcspn(text, " \t"));
		if (*entry && entry_matches(entry, bare, port))
			return true;
	}
	return false;
}

static const char *either_case(const char *lower, const char *upper)
{
	return env_plain(lower) ? env_plain(lower) : env_plain(upper);
}

const char *proxy_find(const struct url *url)
{
	const char *excluded = either_case("no_proxy", "NO_PROXY");
	const char *proxy = NULL;

	if (url_host_is_loopback(url->host) || (excluded && proxy_is_excluded(excluded, url->host, url->port)))
		return NULL;
	if (url->https)
		proxy = either_case("https_proxy", "HTTPS_PROXY");
	else if (env_plain("REQUEST_METHOD"))
		proxy = env_plain("http_proxy");
	else
		proxy = either_case("http_proxy", "HTTP_PROXY");
	return proxy ? proxy : either_case("all_proxy", "ALL_PROXY");
}

char *proxy_host(const char *proxy)
{
	const char *host = proxy ? strstr(proxy, "://") : NULL;

	if (!proxy)
		return NULL;
	host = host ? host + 3 : proxy;
	cleanup_free char *authority = mem_strndup(host, strcspn(host, "/?#"));
	const char *at = strrchr(authority, '@'); /* behind a user's name and password */
	host = at ? at + 1 : authority;
	return *host == '[' ? bare_host(host) : mem_strndup(host, strcspn(host, ":"));
}

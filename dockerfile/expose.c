/*
 * Words of EXPOSE and STOPSIGNAL, expanded, to what an image's config holds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "dockerfile/instruction.h"
#include "dockerfile/statement_internal.h"

#define PORT_MAX 65535

struct port_range {
	int64_t first;
	int64_t last;
};

static int read_range(const char *text, const char *what, struct port_range *range, struct error **err)
{
	const char *dash = strchr(text, '-');
	cleanup_free char *first = dash ? mem_strndup(text, (size_t)(dash - text)) : mem_strdup(text);

	if (!read_integer(first, 0, PORT_MAX, &range->first))
		return error_set(err, EINVAL, "invalid %s: %s", what, text);
	range->last = range->first;
	if (dash && !read_integer(dash + 1, 0, PORT_MAX, &range->last))
		return error_set(err, EINVAL, "invalid %s: %s", what, text);
	if (range->last < range->first)
		return error_set(err, EINVAL, "invalid range specified for port: %s", text);
	return 0;
}

static int check_address(const char *text, struct error **err)
{
	struct in6_addr address;
	size_t size = strlen(text);
	bool bracketed = size > 1 && text[0] == '[' && text[size - 1] == ']';
	cleanup_free char *bare = bracketed ? mem_strndup(text + 1, size - 2) : mem_strdup(text);

	/* "[]" is no address at all, and Docker does not mind. */
	if (bracketed && !*bare)
		return 0;
	if (inet_pton(AF_INET, bare, &address) == 1 || inet_pton(AF_INET6, bare, &address) == 1)
		return 0;
	return error_set(err, EINVAL, "invalid IP address: %s", text);
}

static int read_protocol(const char *text, const char **protocol, struct error **err)
{
	static const char *const known[] = {"tcp", "udp", "sctp"};

	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		if (strcasecmp(text, known[i]) == 0) {
			*protocol = known[i];
			return 0;
		}
	}
	return error_set(err, EINVAL, "invalid proto: %s", text);
}

/* "address:host:" in front of the container's port. */
static int check_host(char *host, const struct port_range *ports, struct error **err)
{
	struct port_range host_ports = {0};
	char *colon = strrchr(host, ':');
	int rc = 0;

	if (colon) {
		*colon = '\0';
		if (*host)
			rc = check_address(host, err);
	}
	const char *port = colon ? colon + 1 : host;
	if (rc < 0 || !*port)
		return rc;
	rc = read_range(port, "hostPort", &host_ports, err);
	if (rc == 0 && ports->last != ports->first && ports->last - ports->first != host_ports.last - host_ports.first)
		rc = error_set(err, EINVAL, "invalid ranges specified for container and host ports");
	return rc;
}

/* Ports so far. A word that comes again is listed again, as in BuildKit's history, until there are as many as there can
 * be different ones: a hostile file names all ports again and again. */
struct port_set {
	struct strlist *list;
	bool seen[3][PORT_MAX + 1]; /* by the first letter of the protocol: s, t, u */
};

static void add_port(struct port_set *set, int64_t port, const char *protocol)
{
	bool *seen = &set->seen[protocol[0] - 's'][port];

	if (!*seen || set->list->count < sizeof(set->seen))
		strlist_printf(set->list, "%d/%s", (int)port, protocol);
	*seen = true;
}

static int expose_word(const char *word, struct port_set *set, bool *has_host, struct error **err)
{
	const char *protocol = "tcp";
	struct port_range range = {0};
	cleanup_free char *host = mem_strdup(word);
	char *colon = strrchr(host, ':');

	if (colon)
		*colon = '\0';
	char *port = colon ? colon + 1 : host;
	char *slash = strchr(port, '/');
	if (slash)
		*slash = '\0';
	if (!*port)
		return error_set(err, EINVAL, "no port specified: '%s'", word);
	int rc = slash && slash[1] ? read_protocol(slash + 1, &protocol, err) : 0;
	if (rc == 0)
		rc = read_range(port, "containerPort", &range, err);
	if (rc == 0 && colon)
		rc = check_host(host, &range, err);
	if (rc < 0)
		return rc;
	*has_host = colon != NULL;
	for (int64_t i = range.first; i <= range.last; i++)
		add_port(set, i, protocol);
	return 0;
}

int expose_ports(const struct strlist *words, struct strlist *ports, struct strlist *odd, struct error **err)
{
	cleanup(strlist_done) struct strlist found = {0};
	cleanup_free struct port_set *set = mem_alloc(sizeof(*set));

	set->list = &found;
	for (size_t i = 0; i < words->count; i++) {
		bool has_host = false;
		int rc = expose_word(words->items[i], set, &has_host, err);
		if (rc < 0)
			return rc;
		if (has_host && odd)
			strlist_append(odd, words->items[i]);
	}
	strlist_append_all(ports, &found);
	return 0;
}

/* ---- STOPSIGNAL ---- */

/* "RTMIN", "RTMIN+1" to "RTMIN+15", "RTMAX-14" to "RTMAX" */
static bool is_realtime_signal(const char *name)
{
	int64_t offset = 0;
	bool from_top = strncasecmp(name, "RTMAX", 5) == 0;

	if (!from_top && strncasecmp(name, "RTMIN", 5) != 0)
		return false;
	if (!name[5])
		return true;
	return name[5] == (from_top ? '-' : '+') && name[6] >= '1' && name[6] <= '9' &&
	       read_integer(name + 6, 1, from_top ? 14 : 15, &offset);
}

/* As moby/sys/signal has it: any number but 0, and the names of Linux. */
int stop_signal_check(const char *text, struct error **err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int64_t number = 0;

	if (read_integer(text, INT64_MIN, INT64_MAX, &number))
		return number ? 0 : error_set(err, EINVAL, "invalid signal: %s", text);
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *known = sigabbrev_np(i);
		if (known && strcasecmp(name, known) == 0)
			return 0;
	}
	/* Other names of CHLD, ABRT and IO. */
	if (strcasecmp(name, "CLD") == 0 || strcasecmp(name, "IOT") == 0 || strcasecmp(name, "IO") == 0 ||
	    is_realtime_signal(name))
		return 0;
	return error_set(err, EINVAL, "invalid signal: %s", text);
}

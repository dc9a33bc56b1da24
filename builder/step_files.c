/*
 * The files that a step finds in /etc and that are not in the image afterwards.
 */
#include "builder/step_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"

#define HOST_FILE_MAX ((size_t)1 << 20)
#define RESOLV_CONF "/etc/resolv.conf"
/* What systemd-resolved forwards to; its stub on 127.0.0.53 cannot be reached from a network of the step's own. */
#define RESOLVED_CONF "/run/systemd/resolve/resolv.conf"

static void read_host_file(const char *path, struct buf *text)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* A host without the file has nothing to say. */
	if (fd < 0 || fd_read_all(fd, text, NULL) < 0)
		log_debug("%s cannot be read and is taken as empty", path);
}

/* ---- resolv.conf ---- */

struct resolver {
	struct strlist servers, searches, options;
};

static void resolver_done(struct resolver *resolver)
{
	strlist_done(&resolver->servers);
	strlist_done(&resolver->searches);
	strlist_done(&resolver->options);
}
CLEANUP_FOR_VALUE(struct resolver, resolver_done)

static bool is_loopback(const char *address)
{
	return text_has_prefix(address, "127.") || strcmp(address, "::1") == 0;
}

static void parse_line(char *line, bool drop_loopback, struct resolver *resolver)
{
	cleanup(strlist_done) struct strlist words = {0};

	if (parse_shell_words(line, RESOLV_CONF, &words, NULL) < 0 || words.count < 2)
		return;
	if (strcmp(words.items[0], "nameserver") == 0) {
		if (!drop_loopback || !is_loopback(words.items[1]))
			strlist_append(&resolver->servers, words.items[1]);
		return;
	}
	struct strlist *list = strcmp(words.items[0], "search") == 0 || strcmp(words.items[0], "domain") == 0
				       ? &resolver->searches
			       : strcmp(words.items[0], "options") == 0 ? &resolver->options
									: NULL;
	for (size_t i = 1; list && i < words.count; i++)
		strlist_append(list, words.items[i]);
}

static void read_resolver(const char *path, bool drop_loopback, struct resolver *resolver)
{
	cleanup(buf_done) struct buf text = BUF_INIT(HOST_FILE_MAX);
	cleanup(strlist_done) struct strlist lines = {0};

	read_host_file(path, &text);
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		if (!strchr("#;", lines.items[i][0]))
			parse_line(lines.items[i], drop_loopback, resolver);
	}
}

static void find_host_resolver(enum run_network network, struct resolver *resolver)
{
	bool drop_loopback = network == RUN_NETWORK_PRIVATE;

	read_resolver(RESOLV_CONF, drop_loopback, resolver);
	if (resolver->servers.count || !drop_loopback)
		return;
	struct resolver other = {0};
	read_resolver(RESOLVED_CONF, drop_loopback, &other);
	strlist_append_all(&resolver->servers, &other.servers);
	resolver_done(&other);
	if (resolver->servers.count)
		return;
	log_warn("the host's resolver is on its loopback, which a private network does not reach; using 8.8.8.8 and "
		 "1.1.1.1 instead (name others with --dns)");
	strlist_append(&resolver->servers, "8.8.8.8");
	strlist_append(&resolver->servers, "1.1.1.1");
}

/* The user's list, else containers.conf's, replaces the host's. */
static void override(struct strlist *list, const struct strlist *user, const struct strlist *conf)
{
	if (user->count)
		strlist_copy(list, user);
	else if (conf->count)
		strlist_copy(list, conf);
}

static int check_words(const struct strlist *list, const char *what, struct error **err)
{
	for (size_t i = 0; i < list->count; i++) {
		if (!*list->items[i] || strpbrk(list->items[i], "\n\r"))
			return error_set(err, EINVAL, "%s '%s': empty or with a line break", what, list->items[i]);
	}
	return 0;
}

int step_resolv_conf(const struct step *step, enum run_network network, char **text, struct error **err)
{
	const struct settings *s = &step->settings;
	cleanup(resolver_done) struct resolver resolver = {0};
	cleanup(buf_done) struct buf lines = BUF_INIT(HOST_FILE_MAX);

	if (s->dns.count == 1 && strcmp(s->dns.items[0], "none") == 0)
		return 0;
	int rc = check_words(&s->dns, "--dns", err);
	if (rc >= 0)
		rc = check_words(&s->dns_search, "--dns-search", err);
	if (rc >= 0)
		rc = check_words(&s->dns_option, "--dns-option", err);
	if (rc < 0)
		return rc;
	if (!s->dns.count && !step->conf.dns_servers.count)
		find_host_resolver(network, &resolver);
	else
		read_resolver(RESOLV_CONF, /* drop_loopback */ false, &resolver);
	override(&resolver.servers, &s->dns, &step->conf.dns_servers);
	override(&resolver.searches, &s->dns_search, &step->conf.dns_searches);
	override(&resolver.options, &s->dns_option, &step->conf.dns_options);
	cleanup_free char *searches = strlist_join(&resolver.searches, " ");
	cleanup_free char *options = strlist_join(&resolver.options, " ");
	if (*searches && strcmp(searches, ".") != 0)
		buf_printf(&lines, "search %s\n", searches);
	for (size_t i = 0; i < resolver.servers.count; i++)
		buf_printf(&lines, "nameserver %s\n", resolver.servers.items[i]);
	if (*options)
		buf_printf(&lines, "options %s\n", options);
	*text = buf_take(&lines);
	return 0;
}

/* ---- hosts ---- */

static int add_hosts(const struct step *step, enum run_network network, struct buf *lines, struct error **err)
{
	const struct strlist *list = &step->settings.add_host;

	for (size_t i = 0; i < list->count; i++) {
		cleanup_free char *name = NULL, *address = NULL;
		int rc = add_host_parse(list->items[i], &name, &address, err);
		if (rc < 0)
			return rc;
		if (strcmp(address, "host-gateway") == 0) {
			if (network != RUN_NETWORK_HOST)
				return error_set(
					err, EINVAL,
					"--add-host '%s': a network of the step's own has no way to the host; use "
					"an address, or --network host",
					list->items[i]);
			mem_replace(&address, "127.0.0.1");
		}
		buf_printf(lines, "%s\t%s\n", address, name);
	}
	return 0;
}

int step_hosts(const struct step *step, enum run_network network, const char *hostname, char **text, struct error **err)
{
	cleanup(buf_done) struct buf lines = BUF_INIT(HOST_FILE_MAX);
	const char *base = step->conf.base_hosts_file ? step->conf.base_hosts_file : "/etc/hosts";
	bool no_hosts;

	int rc = setting_is_on(step->settings.no_hosts, "--no-hosts", step->conf.no_hosts, &no_hosts, err);
	if (rc < 0)
		return rc;
	if (no_hosts || strcmp(base, "image") == 0)
		return step->settings.add_host.count
			       ? error_set(err, EINVAL, "--no-hosts and --add-host cannot be set together")
			       : 0;
	/* First what the user says: the first line that has a name counts. */
	rc = add_hosts(step, network, &lines, err);
	if (rc < 0)
		return rc;
	cleanup(buf_done) struct buf host = BUF_INIT(HOST_FILE_MAX);
	/* The host's names mean something only where its network is. */
	if (network == RUN_NETWORK_HOST && base[0] == '/')
		read_host_file(base, &host);
	if (!strstr(buf_str(&host), "localhost"))
		buf_append_str(&lines, "127.0.0.1\tlocalhost localhost.localdomain\n::1\tlocalhost "
				       "localhost.localdomain\n");
	buf_append(&lines, buf_str(&host), host.len);
	if (host.len && host.data[host.len - 1] != '\n')
		buf_append_char(&lines, '\n');
	buf_printf(&lines, "127.0.1.1\t%s\n", hostname);
	*text = buf_take(&lines);
	return 0;
}

/* ---- /run/.containerenv ---- */

char *step_containerenv(const struct step *step)
{
	const struct container *c = step->c;
	char id[DIGEST_HEX_SIZE];

	return mem_printf("engine=\"cooper-%s\"\nname=\"%s\"\nid=\"%s\"\nimage=\"%s\"\nimageid=\"%s\"\nrootless=%d\n",
			  COOPER_VERSION, c->name, c->id, c->image_name,
			  digest_is_null(&c->image_id) ? "" : digest_hex(&c->image_id, id), 1);
}

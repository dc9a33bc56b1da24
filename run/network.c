/*
 * Starts and stops the helper of a private network.
 */
#include "run/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/process.h"

#define PASTA "pasta"
#define SLIRP "slirp4netns"
/* Where each forwards queries to the host's resolver: pasta(1) as told by us, slirp4netns(1) by its own rule. */
#define PASTA_DNS "169.254.1.1"
#define SLIRP_DNS "10.0.2.3"

/* In the helper. */
#define LIFE_FD 3
#define SLIRP_EXIT_FD "--exit-fd=3"

#define START_TIMEOUT_MS 15000
#define START_INTERVAL_MS 4
#define OUTPUT_MAX ((size_t)2048)
#define ROUTES_MAX ((size_t)1 << 20)

static bool is_installed(const char *program)
{
	cleanup_free char *path = process_find(program);

	return path != NULL;
}

int network_choose(const char *wanted, const char **helper, struct error **err)
{
	static const char *const helpers[] = {PASTA, SLIRP};

	for (size_t i = 0; i < ARRAY_COUNT(helpers); i++) {
		if (wanted && strcmp(wanted, helpers[i]) != 0)
			continue;
		if (is_installed(helpers[i])) {
			*helper = helpers[i];
			return 0;
		}
		if (wanted)
			return error_set(err, ENOENT, "network helper '%s' is not installed", wanted);
	}
	if (wanted)
		return error_set(err, EINVAL, "unknown network helper '%s' (pasta or slirp4netns)", wanted);
	return error_set(err, ENOENT,
			 "a private network needs pasta (package 'passt') or slirp4netns; neither is installed (use "
			 "--network host or none)");
}

/* A line of /proc/PID/net/route or ipv6_route whose interface is not the loopback. Both list one route per line; the
 * interface is the first word of one and the last of the other. */
static bool has_route(pid_t target, const char *table)
{
	cleanup_free char *path = mem_printf("/proc/%d/net/%s", target, table);
	cleanup(buf_done) struct buf text = BUF_INIT(ROUTES_MAX);
	cleanup(strlist_done) struct strlist lines = {0};

	if (fd_read_file(AT_FDCWD, path, &text, NULL) < 0)
		return false;
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++) {
		const char *line = lines.items[i];
		const char *last = strrchr(line, ' ');

		if (*line == '\0' || text_has_prefix(line, "Iface") || text_has_prefix(line, "lo\t"))
			continue;
		if (last && strcmp(last + 1, "lo") == 0)
			continue;
		return true;
	}
	return false;
}

/* --no-map-gw: by default the gateway's address would be the host's loopback. No ports are forwarded. */
static const char *const pasta_arguments[] = {
	"--config-net", "--no-map-gw", "--quiet", "--foreground", "-t",	  "none",	   "-u",
	"none",		"-T",	       "none",	  "-U",		  "none", "--dns-forward", PASTA_DNS,
};
/* --exit-fd: it ends when we do, even by SIGKILL. (pasta notices that its target is gone.) */
static const char *const slirp_arguments[] = {"--configure", "--mtu=65520", "--disable-host-loopback", SLIRP_EXIT_FD};

static void add_arguments(const char *helper, pid_t target, struct strlist *argv)
{
	bool is_pasta = strcmp(helper, PASTA) == 0;
	const char *const *arguments = is_pasta ? pasta_arguments : slirp_arguments;
	size_t count = is_pasta ? ARRAY_COUNT(pasta_arguments) : ARRAY_COUNT(slirp_arguments);

	strlist_append(argv, helper);
	for (size_t i = 0; i < count; i++)
		strlist_append(argv, arguments[i]);
	/* The host's root it would leave for nobody (pasta(1), --runas), who may not join the step's namespace. */
	if (is_pasta && geteuid() == 0) {
		strlist_append(argv, "--runas");
		strlist_append(argv, "0:0");
	}
	strlist_printf(argv, "%d", target);
	if (!is_pasta)
		strlist_append(argv, "tap0");
}

/* What it said, as one line. */
static int report_end(struct network *network, struct error **err)
{
	cleanup(buf_done) struct buf text = BUF_INIT(OUTPUT_MAX);
	cleanup(strlist_done) struct strlist lines = {0};
	cleanup(strlist_done) struct strlist said = {0};

	fd_read_all(network->output, &text, NULL); /* cut off where it is long */
	strlist_split(&lines, buf_str(&text), '\n');
	for (size_t i = 0; i < lines.count; i++)
		/* pasta says so for each of its lines where nobody logs. */
		if (*lines.items[i] && !(text_has_prefix(lines.items[i], "Failed to send ") &&
					 text_has_suffix(lines.items[i], " to syslog")))
			strlist_append(&said, lines.items[i]);
	cleanup_free char *words = strlist_join(&said, "; ");
	error_set(err, EIO, "%s has ended: %s", network->name, said.count ? words : "it does not say why");
	return error_hint(err, "--network host and none need no helper, and slirp4netns may work where pasta does not");
}

/* Ready is when there is a route: both helpers set it last, in every version. */
static int wait_until_ready(struct network *network, pid_t target, struct error **err)
{
	const struct timespec pause = {.tv_nsec = START_INTERVAL_MS * 1000000L};

	for (int waited = 0; waited < START_TIMEOUT_MS; waited += START_INTERVAL_MS) {
		if (has_route(target, "route") || has_route(target, "ipv6_route"))
			return 0;
		if (waitpid(network->helper, NULL, WNOHANG) == network->helper) {
			network->helper = 0;
			return report_end(network, err);
		}
		if (kill(target, 0) < 0)
			return error_set(err, ESRCH, "the step has ended before its network was up");
		nanosleep(&pause, NULL);
	}
	return error_set(err, ETIMEDOUT, "%s has not configured the network in %d seconds", network->name,
			 START_TIMEOUT_MS / 1000);
}

/* Starts the program with our end of a pipe as its stderr and another as the sign that we live. */
static int start_helper(struct network *network, pid_t target, struct error **err)
{
	cleanup(strlist_done) struct strlist argv = {0};
	int output[2];
	int life[2];

	add_arguments(network->name, target, &argv);
	if (pipe2(output, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	cleanup_close int its_output = output[1];
	network->output = output[0];
	if (pipe2(life, O_CLOEXEC) < 0)
		return error_set_errno(err, "make a pipe");
	cleanup_close int its_life = life[0];
	network->life = life[1];
	const struct process_fd fds[] = {{.from = its_output, .to = STDERR_FILENO}, {.from = its_life, .to = LIFE_FD}};
	const struct process_spec process = {
		.program = network->name, .argv = strlist_argv(&argv), .fds = fds, .fd_count = ARRAY_COUNT(fds)};
	return process_start(&process, &network->helper, err);
}

int network_start(const char *helper, pid_t target, struct network *network, struct error **err)
{
	struct network started = NETWORK_INIT;
	int rc;

	started.name = helper;
	rc = start_helper(&started, target, err);
	if (rc == 0)
		rc = wait_until_ready(&started, target, err);
	if (rc < 0) {
		network_stop(&started);
		return error_prefix(err, "private network");
	}
	*network = started;
	return 0;
}

void network_stop(struct network *network)
{
	if (network->helper > 0) {
		kill(network->helper, SIGTERM);
		waitpid(network->helper, NULL, 0);
	}
	fd_close(network->output);
	fd_close(network->life);
	*network = NETWORK_INIT;
}

static bool is_loopback(const char *server)
{
	return text_has_prefix(server, "127.") || strcmp(server, "::1") == 0;
}

char *network_resolv_conf(enum run_network network, const char *helper, const char *text)
{
	cleanup(strlist_done) struct strlist lines = {0};
	cleanup(buf_done) struct buf result = BUF_INIT(BUF_MAX_DEFAULT);
	bool replaced = false;

	if (!text || network != RUN_NETWORK_PRIVATE || !helper)
		return mem_strdup(text);
	strlist_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		cleanup(strlist_done) struct strlist words = {0};

		if (parse_shell_words(lines.items[i], "resolv.conf", &words, NULL) == 0 && words.count == 2 &&
		    strcmp(words.items[0], "nameserver") == 0 && is_loopback(words.items[1])) {
			if (!replaced)
				buf_printf(&result, "nameserver %s\n",
					   strcmp(helper, PASTA) == 0 ? PASTA_DNS : SLIRP_DNS);
			replaced = true;
			continue;
		}
		if (i + 1 < lines.count || lines.items[i][0] != '\0')
			buf_printf(&result, "%s\n", lines.items[i]);
	}
	return buf_take(&result);
}

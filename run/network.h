/*
 * A network of the step's own with a way out: pasta or slirp4netns, a process that stands in the host's network and
 * in the step's and copies between them. Never with a way to the host's own loopback.
 */
#ifndef COOPER_RUN_NETWORK_H
#define COOPER_RUN_NETWORK_H

#include "base/error.h"
#include "run/spec.h"

struct network {
	pid_t helper; /* 0: none */
	int output;   /* its stderr */
	int life;     /* held open while the helper is to live */
	const char *name;
};

#define NETWORK_INIT ((struct network){.output = -1, .life = -1})

/* Which helper is meant: what the user named, else the first installed. A static string; -ENOENT names the packages. */
int network_choose(const char *wanted, const char **helper, struct error **err);
/* Starts the helper for the process `target` and waits until it has brought up an interface and a route. */
int network_start(const char *helper, pid_t target, struct network *network, struct error **err);
void network_stop(struct network *network);

/* The step's resolv.conf. In a private network the host's loopback does not answer: name servers there (as
 * systemd-resolved has one) are replaced by the address at which the helper forwards. NULL stays NULL. */
MUST_CHECK char *network_resolv_conf(enum run_network network, const char *helper, const char *text);

#endif

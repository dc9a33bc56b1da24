/*
 * What containers.conf(5) says about running: /usr/share/containers, /etc/containers, the user's own, each with its
 * drop-ins, then CONTAINERS_CONF (instead of all of these) and CONTAINERS_CONF_OVERRIDE (after them). What is read
 * later replaces what was read before; a list with {append=true} in it, and those after it, are added to.
 */
#ifndef COOPER_BUILDER_CONTAINERSCONF_H
#define COOPER_BUILDER_CONTAINERSCONF_H

#include "base/error.h"
#include "base/strlist.h"

#include <stdbool.h>

struct containers_conf {
	bool has_capabilities;
	struct strlist default_capabilities;
	struct strlist default_ulimits;
	struct strlist default_sysctls;
	struct strlist dns_servers, dns_options, dns_searches;
	struct strlist env, devices, volumes;
	char *seccomp_profile, *shm_size;
	char *base_hosts_file; /* a path, "image" or "none"; NULL = /etc/hosts */
	char *runtime;	       /* [engine] runtime, where the administrator or the user has set it; NULL */
	bool http_proxy;
	bool no_hosts;
};

void containers_conf_done(struct containers_conf *conf);
CLEANUP_FOR_VALUE(struct containers_conf, containers_conf_done)
int containers_conf_load(struct containers_conf *conf, struct error **err);

#endif

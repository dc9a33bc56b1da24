/*
 * An ssh agent of our own, for who has key files and no agent (--ssh ID=KEY[,KEY…]): ssh-agent(1) with the keys in it,
 * in a directory that only we can enter. It ends with us, whatever way that is.
 */
#ifndef COOPER_BUILDER_SSH_AGENT_H
#define COOPER_BUILDER_SSH_AGENT_H

#include "base/error.h"
#include "base/strlist.h"

struct ssh_agent;

/* -ENOENT when OpenSSH is not installed; -EINVAL, with what ssh-add says, for a file that is no key or one that asks
 * for a passphrase. */
int ssh_agent_start(const struct strlist *keys, struct ssh_agent **agent, struct error **err);
const char *ssh_agent_socket(const struct ssh_agent *agent); /* borrowed */
void ssh_agent_stop(struct ssh_agent *agent);
CLEANUP_FOR(struct ssh_agent, ssh_agent_stop)

#endif

/*
 * What cooper and the init of a step have agreed on. Included by both, so it knows nothing of either.
 *
 * The init is started as {"cooper-init", flags, command, argument, ...} with the step's own environment, all signals
 * blocked, and INIT_CHANNEL open. When the command cannot be executed it sends one struct init_report there; when it
 * could, the channel is closed without a word. The init ends as the command did: its status, or 128 + the signal.
 */
#ifndef COOPER_RUN_INIT_PROTOCOL_H
#define COOPER_RUN_INIT_PROTOCOL_H

#define INIT_CHANNEL 3
#define INIT_FLAG_TERMINAL 't' /* stdin is to become the controlling terminal */
#define INIT_FLAG_NONE '-'

struct init_report {
	unsigned kind; /* INIT_REPORT_EXEC; shares its place with struct channel_header */
	int code;      /* positive errno of execve(2) */
};
#define INIT_REPORT_EXEC 0x65786563u

#define INIT_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#endif

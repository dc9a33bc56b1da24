/*
 * What SIGTERM does to process 1. A handler is inherited by our children until they exec; there it does what the signal
 * would have done without.
 */
#include "cmd/first_process.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/mem.h"

static const struct {
	int number;
	const char *said;
	size_t len;
} endings[] = {
#define ENDING(name)                                                                             \
	{                                                                                        \
		name, "cooper: ended by " #name "\n", sizeof("cooper: ended by " #name "\n") - 1 \
	}
	ENDING(SIGHUP),
	ENDING(SIGINT),
	ENDING(SIGQUIT),
	ENDING(SIGTERM),
#undef ENDING
};

static void say(int number)
{
	for (size_t i = 0; i < ARRAY_COUNT(endings); i++)
		if (endings[i].number == number && write(STDERR_FILENO, endings[i].said, endings[i].len) < 0)
			return; /* nobody listens, and there is nothing else to do */
}

static void end(int number)
{
	if (getpid() == 1) {
		say(number);
		_exit(128 + number);
	}
	signal(number, SIG_DFL);
	raise(number);
}

void first_process_end_by_signals(void)
{
	if (getpid() != 1)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
		struct sigaction now, wanted = {.sa_handler = end, .sa_flags = SA_RESTART};

		if (sigaction(endings[i].number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(endings[i].number, &wanted, NULL);
	}
}

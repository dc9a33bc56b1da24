/*
 * Remembers which warnings were given.
 */
#include "run/fallback.h"

#include "base/log.h"

static bool known[FALLBACK_LIMIT];

bool fallback_is_known(enum fallback which)
{
	return known[which];
}

void fallback_warn(enum fallback which, const char *fmt, ...)
{
	va_list args;

	if (known[which])
		return;
	known[which] = true;
	va_start(args, fmt);
	cleanup_free char *text = mem_vprintf(fmt, args);
	va_end(args);
	log_warn("%s", text);
}

/*
 * Time that only goes forward: for how long things take, never for what stands in a file.
 */
#ifndef COOPER_BASE_CLOCK_H
#define COOPER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment in the past (CLOCK_MONOTONIC: the same for all processes of a boot). */
static inline int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif

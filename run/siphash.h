/*
 * SipHash-2-4 with 128 bits of output and a fixed key (Aumasson and Bernstein, 2012): names and checksums of small
 * files of our own, where loading a cryptographic library would cost more than everything else. Not for anything that
 * must withstand somebody who chooses the bytes.
 */
#ifndef COOPER_RUN_SIPHASH_H
#define COOPER_RUN_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
	uint8_t bytes[16];
};

struct siphash siphash_of(const void *data, size_t size);

#endif

/*
 * CRC-32 as gzip has it (RFC 1952, 8), of bytes that come in pieces: by ISA-L where the machine has it, which is ten
 * times as fast as any hash, else by zlib. It finds what has changed by accident; against who wants to be believed only
 * a digest helps.
 */
#ifndef COOPER_IMAGEFMT_CHECKSUM_H
#define COOPER_IMAGEFMT_CHECKSUM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct checksum {
	uint32_t value; /* of all bytes so far */
	uint32_t (*isal)(uint32_t, const unsigned char *, uint64_t);
	unsigned long (*zlib)(unsigned long, const unsigned char *, unsigned); /* where that is NULL */
};

/* Loads one of the libraries. There is nothing to free. */
int checksum_init(struct checksum *checksum, struct error **err);
/* The next piece, of less than 4 GiB. */
void checksum_update(struct checksum *checksum, const void *data, size_t size);

#endif

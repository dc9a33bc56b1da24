/*
 * The compression function of SHA-256 (FIPS 180-4, 6.2.2) by the processor's own instructions.
 */
#ifndef COOPER_IMAGEFMT_SHA256_INTERNAL_H
#define COOPER_IMAGEFMT_SHA256_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool sha256_has_instructions(void);
/* Takes `blocks` times 64 bytes into the state. Only where sha256_has_instructions(). */
void sha256_compress(uint32_t state[8], const uint8_t *data, size_t blocks);
/* As if the processor had none: for tests, before anything is hashed. */
void sha256_do_without_instructions(void);

#endif

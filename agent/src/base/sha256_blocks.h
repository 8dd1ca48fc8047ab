/* The variants of the SHA-256 compression function; each processes `count` blocks of 64 bytes. */
#ifndef KW_SHA256_BLOCKS_H
#define KW_SHA256_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

typedef void (*sha256_blocks_fn)(uint32_t state[8], const uint8_t *bytes, size_t count);

extern const uint32_t sha256_constants[64];

void sha256_blocks_plain(uint32_t state[8], const uint8_t *bytes, size_t count);
/* Returns the variant that uses this processor's instructions, or NULL if it has none. */
sha256_blocks_fn sha256_blocks_native(void);
/* For tests: `true` makes every later sha256_begin use the plain variant. */
void sha256_only_plain(int plain);

#endif

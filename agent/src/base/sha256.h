#ifndef KW_SHA256_H
#define KW_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
    size_t filled;
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t length);
void sha256_end(struct sha256 *hash, uint8_t digest[32]);
/* Computes the digest of the bytes added so far; `hash` does not change. */
void sha256_digest(const struct sha256 *hash, uint8_t digest[32]);
/* Writes the same digest as hexadecimal text. */
void sha256_text(const struct sha256 *hash, char text[65]);

#endif

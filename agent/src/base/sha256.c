/* SHA-256 (FIPS 180-4): buffering, padding and the portable compression function. */
#include "base/sha256.h"

#include <string.h>

#include "base/hex.h"
#include "base/sha256_blocks.h"

const uint32_t sha256_constants[64] = {
    0x428a2f98,
    0x71374491,
    0xb5c0fbcf,
    0xe9b5dba5,
    0x3956c25b,
    0x59f111f1,
    0x923f82a4,
    0xab1c5ed5,
    0xd807aa98,
    0x12835b01,
    0x243185be,
    0x550c7dc3,
    0x72be5d74,
    0x80deb1fe,
    0x9bdc06a7,
    0xc19bf174,
    0xe49b69c1,
    0xefbe4786,
    0x0fc19dc6,
    0x240ca1cc,
    0x2de92c6f,
    0x4a7484aa,
    0x5cb0a9dc,
    0x76f988da,
    0x983e5152,
    0xa831c66d,
    0xb00327c8,
    0xbf597fc7,
    0xc6e00bf3,
    0xd5a79147,
    0x06ca6351,
    0x14292967,
    0x27b70a85,
    0x2e1b2138,
    0x4d2c6dfc,
    0x53380d13,
    0x650a7354,
    0x766a0abb,
    0x81c2c92e,
    0x92722c85,
    0xa2bfe8a1,
    0xa81a664b,
    0xc24b8b70,
    0xc76c51a3,
    0xd192e819,
    0xd6990624,
    0xf40e3585,
    0x106aa070,
    0x19a4c116,
    0x1e376c08,
    0x2748774c,
    0x34b0bcb5,
    0x391c0cb3,
    0x4ed8aa4a,
    0x5b9cca4f,
    0x682e6ff3,
    0x748f82ee,
    0x78a5636f,
    0x84c87814,
    0x8cc70208,
    0x90befffa,
    0xa4506ceb,
    0xbef9a3f7,
    0xc67178f2,
};

static uint32_t rotate(uint32_t value, int by) {
    return value >> by | value << (32 - by);
}

void sha256_blocks_plain(uint32_t state[8], const uint8_t *bytes, size_t count) {
    for (; count > 0; count--, bytes += 64) {
        uint32_t w[64];
        for (size_t i = 0; i < 16; i++) {
            w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 |
                   bytes[4 * i + 3];
        }
        for (size_t i = 16; i < 64; i++) {
            uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
            uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t v[8];
        memcpy(v, state, sizeof v);
        for (size_t i = 0; i < 64; i++) {
            uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_constants[i] + w[i];
            uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + t1;
            v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = t1 + t2;
        }
        for (size_t i = 0; i < 8; i++) {
            state[i] += v[i];
        }
    }
}

/* Chosen once per process: the processor's capabilities do not change. */
static sha256_blocks_fn blocks;

void sha256_only_plain(int plain) {
    blocks = plain ? sha256_blocks_plain : NULL;
}

void sha256_begin(struct sha256 *hash) {
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    if (blocks == NULL) {
        blocks = sha256_blocks_native();
        if (blocks == NULL) {
            blocks = sha256_blocks_plain;
        }
    }
    memcpy(hash->state, start, sizeof start);
    hash->length = 0;
    hash->filled = 0;
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    hash->length += length;
    if (hash->filled > 0) {
        size_t room = 64 - hash->filled;
        size_t part = length < room ? length : room;
        memcpy(hash->block + hash->filled, at, part);
        hash->filled += part;
        at += part;
        length -= part;
        if (hash->filled < 64) {
            return;
        }
        blocks(hash->state, hash->block, 1);
        hash->filled = 0;
    }
    if (length >= 64) {
        blocks(hash->state, at, length / 64);
    }
    hash->filled = length % 64;
    if (hash->filled > 0) {
        memcpy(hash->block, at + (length - hash->filled), hash->filled);
    }
}

void sha256_end(struct sha256 *hash, uint8_t digest[32]) {
    uint64_t bits = hash->length * 8;
    hash->block[hash->filled++] = 0x80;
    if (hash->filled > 56) {
        memset(hash->block + hash->filled, 0, 64 - hash->filled);
        blocks(hash->state, hash->block, 1);
        hash->filled = 0;
    }
    memset(hash->block + hash->filled, 0, 56 - hash->filled);
    for (size_t i = 0; i < 8; i++) {
        hash->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    }
    blocks(hash->state, hash->block, 1);
    for (size_t i = 0; i < 32; i++) {
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

void sha256_digest(const struct sha256 *hash, uint8_t digest[32]) {
    struct sha256 copy = *hash;
    sha256_end(&copy, digest);
}

void sha256_text(const struct sha256 *hash, char text[65]) {
    uint8_t digest[32];
    sha256_digest(hash, digest);
    hex_put(text, digest, sizeof digest);
}

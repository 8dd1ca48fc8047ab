/* SHA-256 with processor instructions: SHA-NI on x86-64, the cryptography extension on arm64. */
#include "base/sha256_blocks.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdbool.h>

/* Four rounds: two instructions of two rounds each. `words` are w[i..i+3]. */
#define ROUNDS(abef, cdgh, words, index)                                                                              \
    do {                                                                                                              \
        __m128i sum = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)(const void *)&sha256_constants[index])); \
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);                                                                \
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));                                       \
    } while (0)

__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_sha_ni(
    uint32_t state[8], const uint8_t *bytes, size_t count) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    /* The instructions take the state as ABEF and CDGH. */
    __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)&state[0]);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)&state[4]);
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
    __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (; count > 0; count--, bytes += 64) {
        __m128i abef_before = abef;
        __m128i cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * i)), swap);
            ROUNDS(abef, cdgh, w[i], 4 * i);
        }
#pragma GCC unroll 12
        for (int i = 4; i < 16; i++) {
            __m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
            next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
            next = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            w[i & 3] = next;
            ROUNDS(abef, cdgh, next, 4 * i);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)&state[0], _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)&state[4], _mm_alignr_epi8(dchg, feba, 8));
}

sha256_blocks_fn sha256_blocks_native(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    bool ssse3 = false;
    bool sse41 = false;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        ssse3 = (c & 1u << 9) != 0;
        sse41 = (c & 1u << 19) != 0;
    }
    bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29) != 0;
    return ssse3 && sse41 && sha ? blocks_sha_ni : NULL;
}

#elif defined(__aarch64__) && defined(__AARCH64EL__)

#include <arm_neon.h>
#include <sys/auxv.h>

#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1ul << 6)
#endif
#if defined(__clang__)
#define WITH_SHA2 __attribute__((target("sha2")))
#else
#define WITH_SHA2 __attribute__((target("+sha2")))
#endif

WITH_SHA2 static void blocks_armv8(uint32_t state[8], const uint8_t *bytes, size_t count) {
    uint32x4_t abcd = vld1q_u32(&state[0]);
    uint32x4_t efgh = vld1q_u32(&state[4]);
    for (; count > 0; count--, bytes += 64) {
        uint32x4_t abcd_before = abcd;
        uint32x4_t efgh_before = efgh;
        uint32x4_t w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 16 * i)));
        }
        for (int i = 0; i < 16; i++) {
            uint32x4_t sum = vaddq_u32(w[i & 3], vld1q_u32(&sha256_constants[4 * i]));
            if (i < 12) {
                w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
            }
            uint32x4_t abcd_now = abcd;
            abcd = vsha256hq_u32(abcd, efgh, sum);
            efgh = vsha256h2q_u32(efgh, abcd_now, sum);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(&state[0], abcd);
    vst1q_u32(&state[4], efgh);
}

sha256_blocks_fn sha256_blocks_native(void) {
    return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0 ? blocks_armv8 : NULL;
}

#else

sha256_blocks_fn sha256_blocks_native(void) {
    return NULL;
}

#endif

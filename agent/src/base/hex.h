#ifndef KW_HEX_H
#define KW_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2 * length digits and a NUL. */
static inline void hex_put(char *out, const uint8_t *bytes, size_t length) {
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    out[2 * length] = 0;
}

#endif

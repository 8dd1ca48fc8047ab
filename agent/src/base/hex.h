#ifndef KW_HEX_H
#define KW_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Writes 2 * length digits and a NUL. */
static inline void hex_put(char *out, const uint8_t *bytes, size_t length) {
    static const char DIGITS[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    out[2 * length] = 0;
}

/* Returns whether the text is exactly this many lower-case hexadecimal digits. */
static inline bool hex_is(const char *text, size_t digits) {
    return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

#endif

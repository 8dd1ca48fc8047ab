#include "base/text.h"

bool utf8_valid(const char *bytes, size_t length) {
    const uint8_t *at = (const uint8_t *)bytes, *end = at + length;
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80) {
            continue;
        }
        int more;
        uint32_t point, least;
        if ((first & 0xe0) == 0xc0) {
            more = 1, point = first & 0x1f, least = 0x80;
        } else if ((first & 0xf0) == 0xe0) {
            more = 2, point = first & 0x0f, least = 0x800;
        } else if ((first & 0xf8) == 0xf0) {
            more = 3, point = first & 0x07, least = 0x10000;
        } else {
            return false;
        }
        if (end - at < more) {
            return false;
        }
        for (; more > 0; more--, at++) {
            if ((*at & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (*at & 0x3f);
        }
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
    }
    return true;
}

size_t utf8_put(char *out, uint32_t point) {
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t count = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--, point >>= 6) {
        out[i] = (char)(0x80 | (point & 0x3f));
    }
    static const uint8_t LEAD[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(LEAD[count] | point);
    return count;
}

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_length(size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

void base64_put(char *out, const char *bytes, size_t length) {
    const uint8_t *at = (const uint8_t *)bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t group = (uint32_t)at[i] << 16 | (left > 1 ? (uint32_t)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0);
        *out++ = ALPHABET[group >> 18];
        *out++ = ALPHABET[group >> 12 & 63];
        *out++ = left > 1 ? ALPHABET[group >> 6 & 63] : '=';
        *out++ = left > 2 ? ALPHABET[group & 63] : '=';
    }
}

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int64_t base64_decode(char *text, size_t length) {
    for (int i = 0; i < 2 && length > 0 && text[length - 1] == '='; i++) {
        length--;
    }
    if (length % 4 == 1) {
        return -1;
    }
    uint32_t group = 0;
    int bits = 0;
    int64_t written = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = digit_of(text[i]);
        if (digit < 0) {
            return -1;
        }
        group = (group << 6 | (uint32_t)digit) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[written++] = (char)(uint8_t)(group >> bits);
        }
    }
    return written;
}

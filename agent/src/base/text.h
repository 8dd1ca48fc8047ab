/* UTF-8 and base64: the encodings of bytes in JSON. */
#ifndef KW_TEXT_H
#define KW_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns whether the bytes are well-formed UTF-8: no overlong forms, no surrogates. */
bool utf8_valid(const char *bytes, size_t length);
/* Writes one code point of at most 4 bytes and returns their number. */
size_t utf8_put(char *out, uint32_t point);
size_t base64_length(size_t bytes);
/* Writes base64_length(length) characters, without a NUL. */
void base64_put(char *out, const char *bytes, size_t length);
/*
 * Decodes in place; returns the number of bytes, or -1 for invalid base64. Padding may be missing.
 */
int64_t base64_decode(char *text, size_t length);

#endif

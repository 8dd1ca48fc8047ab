#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "wire/frame.h"
#include "wire/json.h"

void json_out_free(struct json_out *out) {
    free(out->text);
    memset(out, 0, sizeof *out);
}

static char *reserve(struct json_out *out, size_t length) {
    if (out->failed) {
        return NULL;
    }
    if (out->capacity - out->length < length) {
        size_t capacity = out->capacity == 0 ? 512 : out->capacity;
        while (capacity - out->length < length && capacity < JSON_TEXT_MAX) {
            capacity *= 2;
        }
        char *text = capacity - out->length < length ? NULL : realloc(out->text, capacity);
        if (text == NULL) {
            out->failed = true;
            return NULL;
        }
        out->text = text;
        out->capacity = capacity;
    }
    char *at = out->text + out->length;
    out->length += length;
    return at;
}

static void put(struct json_out *out, const char *bytes, size_t length) {
    char *at = reserve(out, length);
    if (at != NULL) {
        memcpy(at, bytes, length);
    }
}

static void put_quoted(struct json_out *out, const char *text, size_t length) {
    put(out, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        char c = text[i], escaped[8];
        if (c == '"' || c == '\\') {
            put(out, (char[]){'\\', c}, 2);
        } else if ((uint8_t)c < 0x20) {
            put(out, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)c));
        } else {
            put(out, &c, 1);
        }
    }
    put(out, "\"", 1);
}

static void put_key(struct json_out *out, const char *key) {
    if (out->comma) {
        put(out, ",", 1);
    }
    out->comma = true;
    if (key == NULL) {
        return;
    }
    put_quoted(out, key, strlen(key));
    put(out, ":", 1);
}

void json_open(struct json_out *out, const char *key, char bracket) {
    put_key(out, key);
    put(out, &bracket, 1);
    out->comma = false;
}

void json_close(struct json_out *out, char bracket) {
    put(out, &bracket, 1);
    out->comma = true;
}

void json_put_bytes(struct json_out *out, const char *key, const char *bytes, size_t length) {
    put_key(out, key);
    if (utf8_valid(bytes, length)) {
        put_quoted(out, bytes, length);
        return;
    }
    put(out, "{\"b64\":\"", 8);
    char *at = reserve(out, base64_length(length));
    if (at != NULL) {
        base64_put(at, bytes, length);
    }
    put(out, "\"}", 2);
}

void json_put_text(struct json_out *out, const char *key, const char *text) {
    json_put_bytes(out, key, text, strlen(text));
}

void json_put_number(struct json_out *out, const char *key, int64_t number) {
    char text[24];
    put_key(out, key);
    put(out, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number));
}

void json_put_bool(struct json_out *out, const char *key, bool value) {
    put_key(out, key);
    put(out, value ? "true" : "false", value ? 4 : 5);
}

void json_put_null(struct json_out *out, const char *key) {
    put_key(out, key);
    put(out, "null", 4);
}

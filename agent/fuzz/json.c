/* JSON from a host: it is parsed and visited, and all its texts are written and parsed again. */
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void write_texts(const struct json *json, struct json_out *out) {
    json_open(out, NULL, '[');
    for (uint32_t i = 0; i < json->count; i++) {
        const struct json_node *node = &json->nodes[i];
        if (node->first >= json->count || node->next >= json->count || (node->first != 0 && node->first <= i) ||
            (node->next != 0 && node->next <= i)) {
            abort();
        }
        if (node->kind == JSON_STRING) {
            json_put_bytes(out, NULL, node->text, node->length);
        } else {
            json_put_number(out, NULL, node->whole ? node->number : 0);
        }
    }
    json_close(out, ']');
}

/* The written texts are parsed as the same texts. */
static void compare(const struct json *json, struct json_out *out) {
    struct json again;
    out->text = realloc(out->text, out->length + 1);
    if (out->text == NULL || json_read(&again, out->text, out->length) != 0) {
        abort();
    }
    const struct json_node *node = json_first(&again, json_root(&again));
    for (uint32_t i = 0; i < json->count; i++, node = json_next(&again, node)) {
        const struct json_node *was = &json->nodes[i];
        if (node == NULL) {
            abort();
        }
        if (was->kind == JSON_STRING && (node->kind != JSON_STRING || node->length != was->length ||
                                            memcmp(node->text, was->text, was->length) != 0)) {
            abort();
        }
    }
    json_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct json json;
    struct json_out out = {0};
    int64_t number;
    bool boolean;
    char *text = malloc(length + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, bytes, length);
    if (json_read(&json, text, length) == 0) {
        json_integer(&json, json_root(&json), "op", 0, 100, 7, &number);
        json_boolean(&json, json_root(&json), "stdin", false, &boolean);
        write_texts(&json, &out);
        if (!out.failed) {
            compare(&json, &out);
        }
        json_free(&json);
    }
    json_out_free(&out);
    free(text);
    return 0;
}

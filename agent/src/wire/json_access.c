#include <string.h>

#include "wire/json.h"

const struct json_node *json_root(const struct json *json) {
    return json->count == 0 ? NULL : &json->nodes[0];
}

const struct json_node *json_first(const struct json *json, const struct json_node *node) {
    return node == NULL || node->first == 0 ? NULL : &json->nodes[node->first];
}

const struct json_node *json_next(const struct json *json, const struct json_node *node) {
    return node == NULL || node->next == 0 ? NULL : &json->nodes[node->next];
}

const struct json_node *json_member(const struct json *json, const struct json_node *node, const char *key) {
    if (node == NULL || node->kind != JSON_OBJECT) {
        return NULL;
    }
    for (node = json_first(json, node); node != NULL; node = json_next(json, node)) {
        if (strcmp(node->key, key) == 0) {
            return node;
        }
    }
    return NULL;
}

const char *json_text(const struct json_node *node) {
    if (node == NULL || node->kind != JSON_STRING || memchr(node->text, 0, node->length) != NULL) {
        return NULL;
    }
    return node->text;
}

int json_integer(const struct json *json, const struct json_node *node, const char *key, int64_t least, int64_t most,
    int64_t fallback, int64_t *value) {
    const struct json_node *member = json_member(json, node, key);
    *value = fallback;
    if (member == NULL || member->kind == JSON_NULL) {
        return 0;
    }
    if (member->kind != JSON_NUMBER || !member->whole || member->number < least || member->number > most) {
        return -1;
    }
    *value = member->number;
    return 0;
}

int json_boolean(const struct json *json, const struct json_node *node, const char *key, bool fallback, bool *value) {
    const struct json_node *member = json_member(json, node, key);
    *value = fallback;
    if (member == NULL || member->kind == JSON_NULL) {
        return 0;
    }
    if (member->kind != JSON_TRUE && member->kind != JSON_FALSE) {
        return -1;
    }
    *value = member->kind == JSON_TRUE;
    return 0;
}

/*
 * Bounded JSON: a reader that decodes in place into a flat list of nodes, and a writer, both
 * without recursion.
 */
#ifndef KW_JSON_H
#define KW_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_OBJECT };
enum { JSON_DEPTH_MAX = 16, JSON_NODES_MAX = 131072 };

struct json_node {
    enum json_kind kind;
    bool whole;       /* JSON_NUMBER: an integer that fits */
    int64_t number;
    const char *text; /* JSON_STRING: NUL-terminated, `length` bytes before it */
    size_t length;
    const char *key;  /* of a member of an object */
    uint32_t next;    /* index of the next sibling, 0: none */
    uint32_t first;   /* index of the first child, 0: none */
};

struct json {
    struct json_node *nodes;
    uint32_t count;
    uint32_t capacity;
};

/*
 * Parses `text` in place. The caller keeps `text` while the nodes are used; text[length] must be
 * writable. Returns 0, or -1 for invalid JSON, too much depth or too many nodes. {"b64": "…"}
 * becomes a string. Node 0 is the root.
 */
int json_read(struct json *json, char *text, size_t length);
void json_free(struct json *json);

/* All accept NULL for `node`, and return NULL or the fallback for a missing value. */
const struct json_node *json_root(const struct json *json);
const struct json_node *json_member(const struct json *json, const struct json_node *node, const char *key);
const struct json_node *json_first(const struct json *json, const struct json_node *node);
const struct json_node *json_next(const struct json *json, const struct json_node *node);
/* Returns a string without NUL bytes, else NULL. */
const char *json_text(const struct json_node *node);
/*
 * Returns 0 with the number if the member is an integer within the bounds, or with the fallback if
 * it is missing; else -1.
 */
int json_integer(const struct json *json, const struct json_node *node, const char *key, int64_t least, int64_t most,
    int64_t fallback, int64_t *value);
/* The same for a boolean. */
int json_boolean(const struct json *json, const struct json_node *node, const char *key, bool fallback, bool *value);

/* Grows up to JSON_TEXT_MAX; `failed` stays set after a failure. */
struct json_out {
    char *text;
    size_t length;
    size_t capacity;
    bool comma;
    bool failed;
};

void json_out_free(struct json_out *out);
/* `key` is NULL for an element of a list and for the root. */
void json_open(struct json_out *out, const char *key, char bracket);
void json_close(struct json_out *out, char bracket);
void json_put_text(struct json_out *out, const char *key, const char *text);
void json_put_bytes(struct json_out *out, const char *key, const char *bytes, size_t length);
void json_put_number(struct json_out *out, const char *key, int64_t number);
void json_put_bool(struct json_out *out, const char *key, bool value);
void json_put_null(struct json_out *out, const char *key);

#endif

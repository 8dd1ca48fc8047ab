#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "wire/json.h"

struct reader {
    struct json *json;
    char *at;
    char *end;
    uint32_t parents[JSON_DEPTH_MAX]; /* the open lists and objects */
    uint32_t last[JSON_DEPTH_MAX];    /* the last child of each, 0: none */
    int depth;
};

static struct json_node *node_new(struct reader *reader) {
    struct json *json = reader->json;
    if (json->count == json->capacity) {
        if (json->capacity >= JSON_NODES_MAX) {
            return NULL;
        }
        uint32_t capacity = json->capacity == 0 ? 32 : json->capacity * 2;
        struct json_node *nodes = realloc(json->nodes, capacity * sizeof *nodes);
        if (nodes == NULL) {
            return NULL;
        }
        json->nodes = nodes;
        json->capacity = capacity;
    }
    struct json_node *node = &json->nodes[json->count];
    memset(node, 0, sizeof *node);
    if (reader->depth > 0) {
        int level = reader->depth - 1;
        if (reader->last[level] == 0) {
            json->nodes[reader->parents[level]].first = json->count;
        } else {
            json->nodes[reader->last[level]].next = json->count;
        }
        reader->last[level] = json->count;
    }
    json->count++;
    return node;
}

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != 0) {
        reader->at++;
    }
}

static int hex4(const char *at, uint32_t *value) {
    *value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit = c >= '0' && c <= '9'                 ? (uint32_t)(c - '0')
                         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a' + 10)
                                                              : 16;
        if (digit == 16) {
            return -1;
        }
        *value = *value << 4 | digit;
    }
    return 0;
}

/* Reads a \uXXXX after its "\u"; a lone surrogate becomes U+FFFD. */
static int read_escape(struct reader *reader, char **out) {
    uint32_t point, low;
    if (reader->end - reader->at < 4 || hex4(reader->at, &point) != 0) {
        return -1;
    }
    reader->at += 4;
    if (point >= 0xd800 && point <= 0xdbff && reader->end - reader->at >= 6 && reader->at[0] == '\\' &&
        reader->at[1] == 'u' && hex4(reader->at + 2, &low) == 0 && low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        reader->at += 6;
    } else if (point >= 0xd800 && point <= 0xdfff) {
        point = 0xfffd;
    }
    *out += utf8_put(*out, point);
    return 0;
}

/*
 * Reads a string after its opening quote. The decoded text is never longer than its escaped form,
 * so it is written in place.
 */
static int read_string(struct reader *reader, const char **text, size_t *length) {
    char *start = reader->at, *out = reader->at;
    while (reader->at < reader->end) {
        char c = *reader->at++;
        if (c == '"') {
            *text = start;
            *length = (size_t)(out - start);
            if (!utf8_valid(start, *length)) {
                return -1;
            }
            *out = 0;
            return 0;
        }
        if ((uint8_t)c < 0x20) {
            return -1;
        }
        if (c != '\\') {
            *out++ = c;
            continue;
        }
        if (reader->at == reader->end) {
            return -1;
        }
        static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
        c = *reader->at++;
        const char *known = c == 0 ? NULL : strchr(FROM, c);
        if (known != NULL) {
            *out++ = TO[known - FROM];
        } else if (c != 'u' || read_escape(reader, &out) != 0) {
            return -1;
        }
    }
    return -1;
}

static int digits(struct reader *reader) {
    char *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    return (int)(reader->at - start);
}

static int read_number(struct reader *reader, struct json_node *node) {
    bool negative = *reader->at == '-';
    if (negative) {
        reader->at++;
    }
    char *start = reader->at;
    int count = digits(reader);
    if (count == 0 || (count > 1 && *start == '0')) {
        return -1;
    }
    node->kind = JSON_NUMBER;
    node->whole = count <= 18;
    for (int i = 0; node->whole && i < count; i++) {
        node->number = node->number * 10 + (start[i] - '0');
    }
    if (negative) {
        node->number = -node->number;
    }
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        node->whole = false;
        if (digits(reader) == 0) {
            return -1;
        }
    }
    if (reader->at < reader->end && (*reader->at | 32) == 'e') {
        reader->at++;
        node->whole = false;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) {
            reader->at++;
        }
        if (digits(reader) == 0) {
            return -1;
        }
    }
    return 0;
}

static int read_word(struct reader *reader, struct json_node *node) {
    static const struct {
        const char *word;
        enum json_kind kind;
    } WORDS[] = {{"null", JSON_NULL}, {"true", JSON_TRUE}, {"false", JSON_FALSE}};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(WORDS[i].word);
        if ((size_t)(reader->end - reader->at) >= length && memcmp(reader->at, WORDS[i].word, length) == 0) {
            reader->at += length;
            node->kind = WORDS[i].kind;
            return 0;
        }
    }
    return -1;
}

/* {"b64": "…"}: a string of any bytes. */
static int unwrap_bytes(struct json *json, struct json_node *node) {
    if (node->kind != JSON_OBJECT || node->first == 0) {
        return 0;
    }
    const struct json_node *child = &json->nodes[node->first];
    if (child->next != 0 || child->kind != JSON_STRING || strcmp(child->key, "b64") != 0) {
        return 0;
    }
    char *text = (char *)(uintptr_t)child->text; /* inside the caller's writable text */
    int64_t length = base64_decode(text, child->length);
    if (length < 0) {
        return -1;
    }
    text[length] = 0;
    node->kind = JSON_STRING;
    node->text = text;
    node->length = (size_t)length;
    node->first = 0;
    return 0;
}

/* Reads one value; a list or an object is only opened. */
static int read_value(struct reader *reader) {
    skip_space(reader);
    const char *key = NULL;
    size_t key_length;
    bool member = reader->depth > 0 && reader->json->nodes[reader->parents[reader->depth - 1]].kind == JSON_OBJECT;
    if (member) {
        if (reader->at == reader->end || *reader->at++ != '"' || read_string(reader, &key, &key_length) != 0) {
            return -1;
        }
        skip_space(reader);
        if (reader->at == reader->end || *reader->at++ != ':') {
            return -1;
        }
        skip_space(reader);
    }
    if (reader->at == reader->end) {
        return -1;
    }
    struct json_node *node = node_new(reader);
    if (node == NULL) {
        return -1;
    }
    node->key = key;
    char c = *reader->at;
    if (c == '"') {
        reader->at++;
        node->kind = JSON_STRING;
        return read_string(reader, &node->text, &node->length);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return read_number(reader, node);
    }
    if (c != '{' && c != '[') {
        return read_word(reader, node);
    }
    if (reader->depth == JSON_DEPTH_MAX) {
        return -1;
    }
    reader->at++;
    node->kind = c == '{' ? JSON_OBJECT : JSON_LIST;
    reader->parents[reader->depth] = reader->json->count - 1;
    reader->last[reader->depth++] = 0;
    return 1;
}

/*
 * Closes the lists and objects that end after a value. Returns 1 if another value follows, 0 at the
 * end of the text, -1.
 */
static int after_value(struct reader *reader, bool opened) {
    while (reader->depth > 0) {
        struct json_node *parent = &reader->json->nodes[reader->parents[reader->depth - 1]];
        skip_space(reader);
        if (reader->at == reader->end) {
            return -1;
        }
        char c = *reader->at;
        if (c == (parent->kind == JSON_OBJECT ? '}' : ']')) {
            reader->at++;
            reader->depth--;
            opened = false;
            if (unwrap_bytes(reader->json, parent) != 0) {
                return -1;
            }
            continue;
        }
        if (opened) {
            return 1;
        }
        if (c != ',') {
            return -1;
        }
        reader->at++;
        return 1;
    }
    skip_space(reader);
    return reader->at == reader->end ? 0 : -1;
}

int json_read(struct json *json, char *text, size_t length) {
    memset(json, 0, sizeof *json);
    struct reader reader = {.json = json, .at = text, .end = text + length};
    for (;;) {
        int opened = read_value(&reader);
        int more = opened < 0 ? -1 : after_value(&reader, opened == 1);
        if (more == 0) {
            return 0;
        }
        if (more < 0) {
            json_free(json);
            return -1;
        }
    }
}

void json_free(struct json *json) {
    free(json->nodes);
    memset(json, 0, sizeof *json);
}

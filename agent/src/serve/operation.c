#include "serve/operation.h"

#include <string.h>

operation_fn *operation_find(const char *kind) {
    static const struct {
        const char *kind;
        operation_fn *run;
    } KINDS[] = {
        {"receive", operation_receive},
        {"send", operation_send},
        {"copy", operation_copy},
        {"remove", operation_remove},
        {"start", operation_start},
        {"fence", operation_fence},
        {"attach", operation_attach},
        {"stop", operation_stop},
        {"signal", operation_signal},
        {"resize", operation_resize},
        {"status", operation_status},
        {"archive-write", operation_archive_write},
        {"archive-read", operation_archive_read},
        {"archive-delete", operation_archive_delete},
        {"archive-list", operation_archive_list},
        {"archive-usage", operation_archive_usage},
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (strcmp(kind, KINDS[i].kind) == 0) {
            return KINDS[i].run;
        }
    }
    return NULL;
}

const char *open_text(const struct json *open, const char *key, const char *fallback, struct failure *failure) {
    const struct json_node *node = json_member(open, json_root(open), key);
    if ((node == NULL || node->kind == JSON_NULL) && fallback != NULL) {
        return fallback;
    }
    const char *text = json_text(node);
    if (text == NULL) {
        fail(failure, "INVALID_SPEC", "'%s' is missing or is not text without NUL", key);
    }
    return text;
}

const char *open_id(const struct json *open, const char *key, struct failure *failure) {
    const char *id = open_text(open, key, NULL, failure);
    if (id == NULL || id_valid(id)) {
        return id;
    }
    fail(failure, "INVALID_SPEC", "'%s' is not an id (1 to 128 of A-Z a-z 0-9 . _ -, not starting with a dot)", key);
    return NULL;
}

int open_integer(const struct json *open, const char *key, int64_t least, int64_t most, int64_t fallback,
    int64_t *value, struct failure *failure) {
    if (json_integer(open, json_root(open), key, least, most, fallback, value) == 0) {
        return 0;
    }
    return fail(
        failure, "INVALID_SPEC", "'%s' is not an integer from %lld to %lld", key, (long long)least, (long long)most);
}

int open_boolean(const struct json *open, const char *key, bool fallback, bool *value, struct failure *failure) {
    if (json_boolean(open, json_root(open), key, fallback, value) == 0) {
        return 0;
    }
    return fail(failure, "INVALID_SPEC", "'%s' is neither true nor false", key);
}

int send_empty(struct session *session, enum frame_type type) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_close(&out, '}');
    return session_send_json(session, type, &out);
}

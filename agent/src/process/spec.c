#include "process/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "process/environment.h"
#include "process/path_map.h"
#include "process/record.h"
#include "serve/operation.h"

/* Reads a list of texts, which is empty if the member is missing. */
static const char **read_list(
    const struct json *open, const char *key, const char *map, uint32_t *count, struct failure *failure) {
    const struct json_node *list = json_member(open, json_root(open), key);
    *count = 0;
    if (list != NULL && list->kind != JSON_LIST) {
        fail(failure, "INVALID_SPEC", "'%s' is not a list", key);
        return NULL;
    }
    for (const struct json_node *node = json_first(open, list); node != NULL; node = json_next(open, node)) {
        ++*count;
    }
    const char **texts = *count > SPEC_STRINGS_MAX ? NULL : calloc(*count + 1, sizeof *texts);
    if (texts == NULL) {
        fail(failure, "INVALID_SPEC", "'%s' has too many elements", key);
        return NULL;
    }
    uint32_t at = 0;
    for (const struct json_node *node = json_first(open, list); node != NULL; node = json_next(open, node)) {
        const char *text = json_text(node);
        text = text == NULL ? NULL : path_map(map, text);
        if (text == NULL) {
            fail(failure, "INVALID_SPEC", "'%s' has an element that is not text without NUL", key);
            free(texts);
            return NULL;
        }
        texts[at++] = text;
    }
    return texts;
}

static int read_env(struct spec *spec, const struct json *open, const char *map, struct failure *failure) {
    uint32_t count;
    const char **own = read_list(open, "env", map, &count, failure);
    if (own == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (own[i][0] == '=' || strchr(own[i], '=') == NULL) {
            free(own);
            return fail(failure, "INVALID_SPEC", "'env' has an element that is not NAME=value");
        }
    }
    spec->env = environment_merge(own, count, spec->user.given ? spec->user.home : NULL, spec->user.home, spec->tty);
    free(own);
    return spec->env != NULL ? 0 : fail(failure, "INVALID_SPEC", "'env' is too long");
}

static int read_tty(struct spec *spec, const struct json *open, struct failure *failure) {
    const struct json_node *tty = json_member(open, json_root(open), "tty");
    int64_t columns, rows;
    if (tty == NULL || tty->kind == JSON_NULL || tty->kind == JSON_FALSE) {
        return 0;
    }
    if (tty->kind != JSON_OBJECT || json_integer(open, tty, "columns", 0, 65535, 80, &columns) != 0 ||
        json_integer(open, tty, "rows", 0, 65535, 24, &rows) != 0) {
        return fail(failure, "INVALID_SPEC", "'tty' needs columns and rows from 0 to 65535");
    }
    spec->tty = true;
    spec->columns = (uint16_t)columns;
    spec->rows = (uint16_t)rows;
    return 0;
}

/* Reads the host's digest of the specification, which the agent only keeps and returns. */
static int read_digest(struct spec *spec, const struct json *open, struct failure *failure) {
    spec->digest = open_text(open, "specDigest", "", failure);
    if (spec->digest == NULL) {
        return -1;
    }
    if (*spec->digest != 0 && !hex_is(spec->digest, SPEC_DIGEST_DIGITS)) {
        return fail(failure, "INVALID_SPEC", "'specDigest' is not %d hexadecimal digits", SPEC_DIGEST_DIGITS);
    }
    return 0;
}

static int read_members(struct spec *spec, const struct json *open, struct failure *failure) {
    const char *map = getenv(PATH_MAP_VARIABLE);
    uint32_t count;
    int64_t unacked, retain;
    spec->id = open_id(open, "process", failure);
    if (spec->id == NULL) {
        return -1;
    }
    spec->args = read_list(open, "args", map, &count, failure);
    if (spec->args == NULL) {
        return -1;
    }
    if (count == 0 || spec->args[0][0] == 0) {
        return fail(failure, "INVALID_SPEC", "'args' or its first element is empty");
    }
    const char *dir = open_text(open, "dir", "", failure);
    if (dir == NULL) {
        return -1;
    }
    if (*dir != 0) {
        spec->dir = path_map(map, dir);
        if (spec->dir == NULL || *spec->dir != '/') {
            return fail(failure, "INVALID_SPEC", "'dir' is not absolute");
        }
    }
    const char *user = open_text(open, "user", "", failure);
    if (user == NULL || user_find(*user == 0 ? NULL : user, &spec->user, failure) != 0) {
        return -1;
    }
    if (read_tty(spec, open, failure) != 0 || open_boolean(open, "stdin", false, &spec->stdin_open, failure) != 0 ||
        open_integer(open, "unackedLimitBytes", 4096, INT64_C(1) << 50, 256 * 1024 * 1024, &unacked, failure) != 0 ||
        open_integer(open, "retainBytes", 0, INT64_C(1) << 50, 64 * 1024 * 1024, &retain, failure) != 0) {
        return -1;
    }
    spec->unacked_limit = (uint64_t)unacked;
    spec->retain = (uint64_t)retain;
    if (read_digest(spec, open, failure) != 0) {
        return -1;
    }
    return read_env(spec, open, map, failure);
}

int spec_read(struct spec *spec, const struct json *open, struct failure *failure) {
    memset(spec, 0, sizeof *spec);
    return read_members(spec, open, failure);
}

void spec_free(struct spec *spec) {
    free(spec->args);
    free(spec->env);
    spec->args = NULL;
    spec->env = NULL;
}

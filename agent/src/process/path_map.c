#include "process/path_map.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct line {
    const char *from, *to;
    size_t from_length, to_length;
};

/* Reads the next line of the map; false at its end. */
static bool next_line(const char **map, struct line *line) {
    while (**map != 0) {
        const char *start = *map;
        size_t length = strcspn(start, "\n");
        *map = start + length + (start[length] == '\n');
        const char *tab = memchr(start, '\t', length);
        if (tab == NULL || tab == start) {
            continue;
        }
        line->from = start;
        line->from_length = (size_t)(tab - start);
        line->to = tab + 1;
        line->to_length = length - line->from_length - 1;
        return true;
    }
    return false;
}

/*
 * Returns whether a name may contain this character, like src/embedded/isolation/path-map.ts, which
 * maps the agent's own arguments.
 */
static bool in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

/* Returns whether a path may end before this: at the end of a text, a word or a sentence. */
static bool ends_before(const char *after) {
    return !in_name(*after) || (*after == '.' && !in_name(after[1]));
}

static bool match(const char *map, const char *at, struct line *best) {
    struct line line;
    bool found = false;
    while (next_line(&map, &line)) {
        if (strncmp(at, line.from, line.from_length) != 0) {
            continue;
        }
        if (!ends_before(at + line.from_length)) {
            continue;
        }
        if (!found || line.from_length > best->from_length) {
            *best = line;
        }
        found = true;
    }
    return found;
}

/* Writes the result to `out`, or only measures it if `out` is NULL. */
static size_t replace(const char *map, const char *text, char *out, bool *changed) {
    size_t length = 0;
    bool boundary = true;
    struct line line;
    for (const char *at = text; *at != 0;) {
        if (boundary && match(map, at, &line)) {
            if (out != NULL) {
                memcpy(out + length, line.to, line.to_length);
            }
            length += line.to_length;
            at += line.from_length;
            *changed = true;
            boundary = false;
            continue;
        }
        boundary = !in_name(*at) && *at != '/' && *at != '~';
        if (out != NULL) {
            out[length] = *at;
        }
        length++;
        at++;
    }
    if (out != NULL) {
        out[length] = 0;
    }
    return length;
}

const char *path_map(const char *map, const char *text) {
    bool changed = false;
    if (map == NULL) {
        return text;
    }
    size_t length = replace(map, text, NULL, &changed);
    if (!changed) {
        return text;
    }
    char *out = malloc(length + 1);
    if (out != NULL) {
        replace(map, text, out, &changed);
    }
    return out;
}

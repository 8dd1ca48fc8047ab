#include "process/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/path_map.h"
#include "process/spec.h"

/* A hash set of variable names, as texts NAME=value. */
struct names {
    const char **slots;
    uint32_t mask;
};

static size_t name_length(const char *text) {
    return strcspn(text, "=");
}

/* Returns whether the name of `text` is new. */
static bool add_name(struct names *names, const char *text) {
    size_t length = name_length(text);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    }
    for (uint32_t at = hash & names->mask;; at = (at + 1) & names->mask) {
        if (names->slots[at] == NULL) {
            names->slots[at] = text;
            return true;
        }
        if (strncmp(names->slots[at], text, length + 1) == 0) {
            return false;
        }
    }
}

static char *home_text(const char *home) {
    size_t length = strlen(home) + 6;
    char *text = malloc(length);
    if (text != NULL) {
        snprintf(text, length, "HOME=%s", home);
    }
    return text;
}

const char **environment_merge(
    const char *const *own, uint32_t count, const char *home, const char *default_home, bool tty) {
    static const char PRIVATE[] = PATH_MAP_VARIABLE "=";
    uint32_t all = count + 4, slots = 16;
    for (char **at = environ; *at != NULL && all < 2 * SPEC_STRINGS_MAX; at++) {
        all++;
    }
    while (slots < 2 * all) {
        slots *= 2;
    }
    struct names names = {calloc(slots, sizeof(char *)), slots - 1};
    const char **merged = calloc(all + 1, sizeof *merged);
    char *home_given = home == NULL ? NULL : home_text(home), *home_default = home_text(default_home);
    uint32_t length = 0;
    if (names.slots == NULL || merged == NULL || home_default == NULL || (home != NULL && home_given == NULL)) {
        free(merged);
        merged = NULL;
        goto out;
    }
    for (uint32_t i = count; i > 0; i--) {
        if (add_name(&names, own[i - 1])) {
            merged[length++] = own[i - 1];
        }
    }
    if (home_given != NULL && add_name(&names, home_given)) {
        merged[length++] = home_given;
    }
    for (char **at = environ; *at != NULL && length < all - 3; at++) {
        if (strchr(*at, '=') != NULL && strncmp(*at, PRIVATE, sizeof PRIVATE - 1) != 0 && add_name(&names, *at)) {
            merged[length++] = *at;
        }
    }
    if (add_name(&names, home_default)) {
        merged[length++] = home_default;
    }
    if (tty && add_name(&names, "TERM=xterm")) {
        merged[length++] = "TERM=xterm";
    }
out:
    free(names.slots);
    return merged;
}

const char *env_value(const char *const *env, const char *name) {
    size_t length = strlen(name);
    for (; *env != NULL; env++) {
        if (strncmp(*env, name, length) == 0 && (*env)[length] == '=') {
            return *env + length + 1;
        }
    }
    return NULL;
}

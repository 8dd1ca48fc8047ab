#include "archive/archive_key.h"

#include <string.h>

static bool is_key_character(char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '.' ||
           character == '-';
}

bool archive_part_valid(const char *name) {
    if (*name == 0 || *name == '.') {
        return false;
    }
    for (; *name != 0; name++) {
        if (!is_key_character(*name)) {
            return false;
        }
    }
    return true;
}

/* Splits the key into its parts; false if their number or one of them is invalid. */
static bool split(struct archive_key *key) {
    char *rest = key->names;
    for (int i = 0; i < ARCHIVE_KEY_PARTS; i++) {
        key->parts[i] = rest;
        char *slash = strchr(rest, '/');
        if ((slash != NULL) != (i < ARCHIVE_KEY_PARTS - 1)) {
            return false;
        }
        if (slash != NULL) {
            *slash = 0;
            rest = slash + 1;
        }
        if (!archive_part_valid(key->parts[i])) {
            return false;
        }
    }
    return true;
}

int archive_key_read(const struct json *open, struct archive_key *key, struct failure *failure) {
    key->text = open_text(open, "key", NULL, failure);
    if (key->text == NULL) {
        return -1;
    }
    size_t length = strlen(key->text);
    if (length <= ARCHIVE_KEY_MAX) {
        memcpy(key->names, key->text, length + 1);
        if (split(key)) {
            return 0;
        }
    }
    return fail_path(failure, "INVALID_SPEC", 0,
        "is not a key (three parts of a-z 0-9 . -, none starting with a dot, at most 200 characters)", "key");
}

const char *archive_prefix_read(const struct json *open, struct failure *failure) {
    const char *prefix = open_text(open, "prefix", "", failure);
    size_t length = prefix == NULL ? 0 : strlen(prefix);
    for (size_t i = 0; i < length; i++) {
        if (length > ARCHIVE_KEY_MAX || (prefix[i] != '/' && !is_key_character(prefix[i]))) {
            fail_path(failure, "INVALID_SPEC", 0, "is not the beginning of a key (a-z 0-9 . / -)", "prefix");
            return NULL;
        }
    }
    return prefix;
}

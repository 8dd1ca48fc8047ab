/* Keys of archive files: `a/b/c`, 1 to 200 of a-z 0-9 . / -, no part starting with a dot. */
#ifndef KW_ARCHIVE_KEY_H
#define KW_ARCHIVE_KEY_H

#include <stdbool.h>

#include "serve/operation.h"

enum { ARCHIVE_KEY_MAX = 200, ARCHIVE_KEY_PARTS = 3 };

struct archive_key {
    const char *text;                    /* the whole key, of OPEN */
    char names[ARCHIVE_KEY_MAX + 1];     /* its parts, NUL-terminated */
    const char *parts[ARCHIVE_KEY_PARTS]; /* in `names` */
};

/* Returns whether a name can be a part of a key. */
bool archive_part_valid(const char *name);
/* Reads the member `key` of OPEN; -1 with INVALID_SPEC. */
int archive_key_read(const struct json *open, struct archive_key *key, struct failure *failure);
/* Reads the member `prefix` of OPEN, the beginning of a key; NULL with INVALID_SPEC. */
const char *archive_prefix_read(const struct json *open, struct failure *failure);

#endif

/*
 * Lists archive files as lines of JSON, with one open folder per level, so that memory does not
 * depend on their number.
 */
#ifndef KW_ARCHIVE_LIST_H
#define KW_ARCHIVE_LIST_H

#include <dirent.h>
#include <limits.h>

#include "archive/archive_key.h"

/* A line: the key and two numbers. */
enum { ARCHIVE_LINE_MAX = ARCHIVE_KEY_MAX + 128 };

struct archive_list {
    const char *prefix;
    int depth; /* the number of open folders */
    DIR *folders[ARCHIVE_KEY_PARTS];
    /* the key of the next entry: the names of the folders below the first, and a slash behind each */
    char key[ARCHIVE_KEY_PARTS * (NAME_MAX + 1) + 1];
    size_t begins[ARCHIVE_KEY_PARTS]; /* where the name of an entry of each folder begins in it */
    char line[ARCHIVE_LINE_MAX];
    size_t filled, sent; /* of `line` */
};

/* Begins a list of the keys that begin with `prefix`, and takes the folder; -1 with `failure`. */
int archive_list_begin(struct archive_list *list, int archives, const char *prefix, struct failure *failure);
/*
 * Fills the buffer as far as possible. Returns the number of bytes, 0 at the end, or -1 with
 * `failure` if a folder cannot be read.
 */
int64_t archive_list_read(struct archive_list *list, uint8_t *bytes, size_t capacity, struct failure *failure);
void archive_list_close(struct archive_list *list);

#endif

/*
 * Archive files: immutable files in the folder `archives` of the state directory, which may be a
 * mount of any file system. A file is created, written from start to end, flushed and closed;
 * nothing else changes it. Not all file systems allow more, and some report a full disk only when
 * the file is closed.
 */
#ifndef KW_ARCHIVE_FILE_H
#define KW_ARCHIVE_FILE_H

#include "archive/archive_key.h"
#include "serve/state.h"

/* Opens the folder of archives, and creates it if it is missing; -1 with `failure`. */
int archives_open(const struct state *state, struct failure *failure);
/*
 * Opens the folder of a key. Returns -1 with `failure`, or with `missing` set if the folder does
 * not exist.
 */
int archive_folder_open(
    const struct state *state, const struct archive_key *key, bool *missing, struct failure *failure);

struct archive_file {
    const struct archive_key *key;
    int folder;
    int fd;
    bool created; /* by this process, so that a failure removes it */
    uint64_t written;
};

#define ARCHIVE_FILE_NONE {.folder = -1, .fd = -1}

/* Creates the file and its folders; fails with ARCHIVE_EXISTS if the name exists. */
int archive_file_create(
    const struct state *state, const struct archive_key *key, struct archive_file *file, struct failure *failure);
int archive_file_write(struct archive_file *file, const uint8_t *bytes, size_t length, struct failure *failure);
/* Flushes and closes the file, and compares its size with the number of written bytes. */
int archive_file_finish(struct archive_file *file, struct failure *failure);
/* Closes all. Removes the file unless `keep`; a file that cannot be removed remains. */
void archive_file_close(struct archive_file *file, bool keep);

#endif

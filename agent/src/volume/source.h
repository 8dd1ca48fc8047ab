/* Reads a tree that may change meanwhile; shared by pack and copy. */
#ifndef KW_SOURCE_H
#define KW_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/failure.h"

/*
 * Fails with FILE_CHANGED and the message `changed` if `error` means that a listed entry no longer
 * exists or has another type.
 */
int source_fail(struct failure *failure, int error, const char *changed, const char *path);
/*
 * Opens the folder `path` below `root`. Returns -1 with `*single` set if it is not a folder, else
 * with `failure` set.
 */
int source_open(int root, const char *path, bool *single, struct failure *failure);
/*
 * Returns whether a file was written to since its mtime was `mtime`, so that its first `size` bytes
 * may be part old and part new. A file that has grown is truncated at `size` instead.
 */
bool source_overwritten(const struct stat *now, const struct timespec *mtime, int64_t size);

#endif

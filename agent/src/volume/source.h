/* What packing and copying share: reading a tree that may change while it is read. */
#ifndef KW_SOURCE_H
#define KW_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/failure.h"

/* Fails with FILE_CHANGED and the message `changed` where `error` means that a listed entry no longer exists or has
 * another type. */
int source_fail(struct failure *failure, int error, const char *changed, const char *path);
/* Opens the folder `path` below `root`; -1 with `*single` set where it is no folder, or with `failure` set. */
int source_open(int root, const char *path, bool *single, struct failure *failure);
/*
 * Whether a file whose first `size` bytes were read was written to since it had the time `mtime`, so that what was read
 * may be part old and part new. A file that has grown is cut at `size` instead.
 */
bool source_overwritten(const struct stat *now, const struct timespec *mtime, int64_t size);

#endif

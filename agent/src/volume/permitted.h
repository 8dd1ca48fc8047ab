/*
 * Checks whether changes to folders of a volume are permitted, before the first of several
 * dependent changes. Some folders belong to another user if several containers of a pod share a
 * volume.
 */
#ifndef KW_PERMITTED_H
#define KW_PERMITTED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/failure.h"

/*
 * Checks that entries can be created in `folder` (O_PATH suffices), or its mode can be changed to
 * allow that; fails with NOT_PERMITTED and `path`.
 */
int permitted_fill(int folder, const char *path, struct failure *failure);
/* Checks that an entry of `folder`, with the status `replaced`, can be replaced. */
int permitted_replace(int folder, const struct stat *replaced, const char *path, struct failure *failure);
/* Checks that mode and time of the folder `name` in `parent`, with this status, can be changed. */
int permitted_change(
    int parent, const char *name, const struct stat *status, const char *path, struct failure *failure);

#endif

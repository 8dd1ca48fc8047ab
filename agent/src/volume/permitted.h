/*
 * Whether changes to folders of a volume will be permitted: asked before the first of several changes that belong
 * together. Some folders are another user's, as where several containers of a pod share a volume.
 */
#ifndef KW_PERMITTED_H
#define KW_PERMITTED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/failure.h"

/* Entries can be made in `folder` (O_PATH is enough), or its mode can be changed so that they can; NOT_PERMITTED with
 * `path` where not. */
int permitted_fill(int folder, const char *path, struct failure *failure);
/* An entry of `folder`, which is `replaced`, can be replaced. */
int permitted_replace(int folder, const struct stat *replaced, const char *path, struct failure *failure);
/* Mode and time of the folder `name` in `parent`, which is `status`, can be changed. */
int permitted_change(
    int parent, const char *name, const struct stat *status, const char *path, struct failure *failure);

#endif

/* The part of place.h that remembers folders. */
#ifndef KW_TREE_WRITER_FOLDERS_H
#define KW_TREE_WRITER_FOLDERS_H

#include "volume/tree_writer.h"

/* Remembers what the folder `path` becomes at the end; the last word on a folder counts. */
int tree_folder_defer(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure);

#endif

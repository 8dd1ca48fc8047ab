/* The part of the tree writer that defers the attributes of folders. */
#ifndef KW_TREE_WRITER_FOLDERS_H
#define KW_TREE_WRITER_FOLDERS_H

#include "volume/tree_writer.h"

/* Stores the final attributes of the folder `path`; the last call for a folder takes effect. */
int tree_folder_defer(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure);

#endif

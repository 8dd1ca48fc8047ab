/* The part of place.h that remembers folders. */
#ifndef KW_PLACE_FOLDERS_H
#define KW_PLACE_FOLDERS_H

#include "place.h"

/* Remembers what the folder `path` becomes at the end; the last word on a folder counts. */
int place_folder_later(struct place *place, const char *path, const struct place_attributes *attributes, struct failure *failure);

#endif

/* Which files with several names have been seen, and under which name first. Beyond some memory the table lies in an
 * unlinked file. */
#ifndef KW_LINKS_H
#define KW_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/spool.h"
#include "volume/beneath.h"

/* A path of PATH_LENGTH_MAX bytes as an archive names it. */
#define LINKS_NAME_MAX (PATH_LENGTH_MAX + 3)

struct link_slot {
    uint64_t device;
    uint64_t inode;
    uint64_t position; /* of the path in `paths`, plus 1; 0: free */
};

struct links {
    int folder; /* for unnamed files; the caller's */
    struct link_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
    struct spool paths;
};

void links_open(struct links *links, int folder);
/* 1: another name of a file or link added before, whose path is in `first` (LINKS_NAME_MAX + 1 bytes); 0: added as
 * `path`, or it has one name only; -1. */
int links_add(struct links *links, const struct stat *status, const char *path, char *first, struct failure *failure);
void links_close(struct links *links);

#endif

/* Maps files with several names to the name added first. A large table is in an unlinked file. */
#ifndef KW_LINKS_H
#define KW_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/spool.h"
#include "volume/beneath.h"

/* A path of PATH_LENGTH_MAX bytes as it is named in an archive. */
#define LINKS_NAME_MAX (PATH_LENGTH_MAX + 3)

struct link_slot {
    uint64_t device;
    uint64_t inode;
    uint64_t position; /* of the path in `paths`, plus 1; 0: a free slot */
};

struct links {
    int folder; /* for unnamed files; owned by the caller */
    struct link_slot *slots;
    size_t capacity; /* a power of two */
    size_t count;
    struct spool paths;
};

void links_open(struct links *links, int folder);
/*
 * Adds a file or link with several names. Returns 1 if another name was added before, which is
 * copied to `first` (LINKS_NAME_MAX + 1 bytes); 0 if `path` was added, or the file has one name
 * only; -1 on failure.
 */
int links_add(struct links *links, const struct stat *status, const char *path, char *first, struct failure *failure);
void links_close(struct links *links);

#endif

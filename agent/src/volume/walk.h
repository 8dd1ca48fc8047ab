/* Going through a tree of folders without recursion: names sorted bytewise, a folder before what it holds, a bounded
 * number of open folders. */
#ifndef KW_WALK_H
#define KW_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failure.h"
#include "volume/beneath.h"

struct walk_names {
    char *bytes;        /* each name: its type (DT_*), the name, NUL */
    const char **names; /* sorted */
    size_t count;
    size_t size; /* of the memory of both */
    bool more;   /* larger names were left out, for they didn't fit */
};

/* Some file systems have names of more than 255 bytes: 255 characters, in UTF-8. */
#define WALK_NAME_MAX 1023
/* Room for a few names of any length. */
#define WALK_LIST_MIN 4096u
/* Lists those names of a folder that are larger than `after` (NULL: all), as many of the smallest as fit into `most`
 * bytes, or into WALK_LIST_MIN. */
int walk_list(
    int folder, size_t most, const char *after, struct walk_names *names, const char *path, struct failure *failure);
void walk_names_free(struct walk_names *names);

struct walk_frame {
    int folder; /* -1: closed for the time being */
    dev_t device;
    ino_t inode;
    size_t path_length;
    size_t next;
    struct walk_names names;
};

enum walk_step { WALK_FAILED = -1, WALK_END = 0, WALK_ENTRY = 1, WALK_LEAVE = 2 };

struct walk {
    int root;
    struct walk_frame *frames;
    size_t depth;
    size_t capacity;
    size_t oldest_open; /* frames before this one have their folders closed */
    size_t memory;      /* of all names */
    /* The entry of the last WALK_ENTRY; after WALK_LEAVE `path` is the folder that was left. */
    int folder; /* which it is in; the walk's own */
    const char *name;
    unsigned char type; /* DT_*, possibly DT_UNKNOWN */
    size_t path_length;
    char path[PATH_LENGTH_MAX + 1]; /* from `root` */
};

/* Goes through `folder`, which is at `path` below `root`; takes `folder` over, whatever the result. */
int walk_open(struct walk *walk, int root, const char *path, int folder, struct failure *failure);
/* The next entry, or (WALK_LEAVE) the end of a folder that was entered, the first one excepted. */
enum walk_step walk_next(struct walk *walk, struct failure *failure);
/* After WALK_ENTRY: go through this folder next. Takes `folder`, which is the opened entry. */
int walk_enter(struct walk *walk, int folder, struct failure *failure);
void walk_close(struct walk *walk);
/* The whole walk: calls `visit` for each entry, until it returns other than 0, which becomes the result. */
int walk_each(struct walk *walk, int root, const char *path, int folder,
    int (*visit)(void *context, struct failure *failure), void *context, struct failure *failure);

/* For tests: the bytes for the names of all folders on the way to the current one, instead of the usual number. */
void walk_memory(size_t bytes);

#endif

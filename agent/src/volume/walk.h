/*
 * Visits a tree of folders without recursion: names in bytewise order, a folder before its content,
 * a bounded number of open folders.
 */
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
    bool more;   /* larger names did not fit and were omitted */
};

/* Some file systems allow 255 characters of UTF-8, which is more than 255 bytes. */
#define WALK_NAME_MAX 1023
/* Room for a few names of any length. */
#define WALK_LIST_MIN 4096u
/*
 * Lists the names of a folder that are larger than `after` (NULL: all): as many of the smallest as
 * fit into `most` bytes, or into WALK_LIST_MIN.
 */
int walk_list(
    int folder, size_t most, const char *after, struct walk_names *names, const char *path, struct failure *failure);
void walk_names_free(struct walk_names *names);

struct walk_frame {
    int folder; /* -1: closed temporarily */
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
    size_t oldest_open; /* the folders of frames before this one are closed */
    size_t memory;      /* of all names */
    /* The entry of the last WALK_ENTRY; after WALK_LEAVE, `path` is the folder that ended. */
    int folder; /* that contains the entry; owned by the walk */
    const char *name;
    unsigned char type; /* DT_*, possibly DT_UNKNOWN */
    size_t path_length;
    char path[PATH_LENGTH_MAX + 1]; /* from `root` */
};

/* Walks `folder`, which is at `path` below `root`; owns `folder`, also on failure. */
int walk_open(struct walk *walk, int root, const char *path, int folder, struct failure *failure);
/* Returns the next entry, or WALK_LEAVE at the end of an entered folder other than the first. */
enum walk_step walk_next(struct walk *walk, struct failure *failure);
/* After WALK_ENTRY: visits this folder next. Owns `folder`, which is the opened entry. */
int walk_enter(struct walk *walk, int folder, struct failure *failure);
void walk_close(struct walk *walk);
/*
 * Does the whole walk: calls `visit` for each entry until it returns other than 0, which becomes
 * the result.
 */
int walk_each(struct walk *walk, int root, const char *path, int folder,
    int (*visit)(void *context, struct failure *failure), void *context, struct failure *failure);

/* For tests: sets the limit of memory for the names of all folders on the current path. */
void walk_memory(size_t bytes);

#endif

/* The walk: a stack of listed folders. */
#include "volume/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * For the names of all folders on the current path. Each folder takes at most half of the rest, so
 * that folders below it have room as well.
 */
static size_t memory_max = 16u * 1024u * 1024u;
#define FOLDERS_OPEN 48u

void walk_memory(size_t bytes) {
    memory_max = bytes;
}

static size_t room(const struct walk *walk) {
    return walk->memory < memory_max ? (memory_max - walk->memory) / 2 : 0;
}

static int push(struct walk *walk, int folder, struct failure *failure) {
    struct stat status;
    if (fstat(folder, &status) != 0) {
        return fail_errno(failure, errno, "reading a folder's status", walk->path);
    }
    if (walk->depth == walk->capacity) {
        /* Bounded by PATH_LENGTH_MAX: a component has at least two bytes. */
        size_t capacity = walk->capacity == 0 ? 16 : walk->capacity * 2;
        struct walk_frame *grown = realloc(walk->frames, capacity * sizeof *grown);
        if (grown == NULL) {
            return fail(failure, "IO_ERROR", "no memory for visiting folders");
        }
        walk->frames = grown;
        walk->capacity = capacity;
    }
    struct walk_names names;
    if (walk_list(folder, room(walk), NULL, &names, walk->path, failure) != 0) {
        return -1;
    }
    if (walk->depth - walk->oldest_open == FOLDERS_OPEN) {
        close(walk->frames[walk->oldest_open].folder);
        walk->frames[walk->oldest_open++].folder = -1;
    }
    walk->memory += names.size;
    walk->frames[walk->depth++] =
        (struct walk_frame){folder, status.st_dev, status.st_ino, walk->path_length, 0, names};
    return 0;
}

static int push_or_close(struct walk *walk, int folder, struct failure *failure) {
    if (push(walk, folder, failure) == 0) {
        return 0;
    }
    close(folder);
    return -1;
}

int walk_open(struct walk *walk, int root, const char *path, int folder, struct failure *failure) {
    *walk = (struct walk){.root = root, .folder = -1};
    walk->path_length = strlen(path);
    memcpy(walk->path, path, walk->path_length + 1);
    return push_or_close(walk, folder, failure);
}

int walk_enter(struct walk *walk, int folder, struct failure *failure) {
    return push_or_close(walk, folder, failure);
}

/* Reopens a folder that was closed because of the depth, and checks that it is the same one. */
static int reopen(struct walk *walk, struct walk_frame *frame, struct failure *failure) {
    struct stat status;
    frame->folder = beneath_open(walk->root, walk->path, O_RDONLY);
    if (frame->folder >= 0) {
        walk->oldest_open = walk->depth - 1;
    }
    if (frame->folder < 0 || fstat(frame->folder, &status) != 0 || status.st_dev != frame->device ||
        status.st_ino != frame->inode) {
        return fail_path(failure, "FILE_CHANGED", 0, "a folder was moved while it was read", walk->path);
    }
    return 0;
}

/* Lists the names after those already visited. */
static int list_more(struct walk *walk, struct walk_frame *frame, struct failure *failure) {
    char last[WALK_NAME_MAX + 1];
    strcpy(last, frame->names.names[frame->names.count - 1]);
    if (frame->folder < 0 && reopen(walk, frame, failure) != 0) {
        return -1;
    }
    walk->memory -= frame->names.size;
    walk_names_free(&frame->names);
    frame->next = 0;
    if (walk_list(frame->folder, room(walk), last, &frame->names, walk->path, failure) != 0) {
        return -1;
    }
    walk->memory += frame->names.size;
    return 0;
}

static void pop(struct walk *walk) {
    struct walk_frame *frame = &walk->frames[--walk->depth];
    if (frame->folder >= 0) {
        close(frame->folder);
    }
    walk->memory -= frame->names.size;
    walk_names_free(&frame->names);
    if (walk->oldest_open > walk->depth) {
        walk->oldest_open = walk->depth;
    }
}

enum walk_step walk_next(struct walk *walk, struct failure *failure) {
    if (walk->depth == 0) {
        return WALK_END;
    }
    struct walk_frame *frame = &walk->frames[walk->depth - 1];
    walk->path_length = frame->path_length;
    walk->path[walk->path_length] = '\0';
    if (frame->next == frame->names.count && frame->names.more && list_more(walk, frame, failure) != 0) {
        return WALK_FAILED;
    }
    if (frame->next == frame->names.count) {
        pop(walk);
        return walk->depth == 0 ? WALK_END : WALK_LEAVE;
    }
    if (frame->folder < 0 && reopen(walk, frame, failure) != 0) {
        return WALK_FAILED;
    }
    walk->name = frame->names.names[frame->next++];
    walk->type = (unsigned char)walk->name[-1];
    walk->folder = frame->folder;
    size_t slash = walk->path_length > 0 ? 1 : 0;
    size_t length = strlen(walk->name);
    if (walk->path_length + slash + length > PATH_LENGTH_MAX) {
        fail_path(failure, "IO_ERROR", ENAMETOOLONG, "a path is longer than 4095 bytes", walk->path);
        return WALK_FAILED;
    }
    if (slash == 1) {
        walk->path[walk->path_length++] = '/';
    }
    memcpy(walk->path + walk->path_length, walk->name, length + 1);
    walk->path_length += length;
    return WALK_ENTRY;
}

void walk_close(struct walk *walk) {
    while (walk->depth > 0) {
        pop(walk);
    }
    free(walk->frames);
    walk->frames = NULL;
}

int walk_each(struct walk *walk, int root, const char *path, int folder,
    int (*visit)(void *context, struct failure *failure), void *context, struct failure *failure) {
    int result = walk_open(walk, root, path, folder, failure);
    while (result == 0) {
        enum walk_step step = walk_next(walk, failure);
        if (step == WALK_END) {
            break;
        }
        result = step == WALK_FAILED ? -1 : step == WALK_ENTRY ? visit(context, failure) : 0;
    }
    walk_close(walk);
    return result;
}

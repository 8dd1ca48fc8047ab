/* The operations on volumes: unpack, commit, pack, copy and remove, without frames or sockets. */
#ifndef KW_VOLUME_H
#define KW_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/failure.h"

/* Called from time to time in long phases; a return other than 0 ends the phase with CANCELLED. */
typedef int (*progress_fn)(void *context, uint64_t entries, uint64_t bytes);

struct tree_stats {
    uint64_t entries;
    uint64_t expanded_bytes;
    uint64_t skipped; /* pack: sockets, fifos and devices, which are omitted */
};

/* ---- unpack: a tar archive, fed in pieces of any size, into an empty folder */
struct unpack;
struct unpack_options {
    int64_t expanded_limit; /* bytes of file content, -1: none */
    bool keep_owner;
    bool set_id_error; /* set-id bits are an error instead of being cleared */
    /* the later path of the folder's content, in normal form; NULL: the volume's root */
    const char *target;
    /* Called when the disk is full; returns whether there may be room now. May be NULL. */
    bool (*make_room)(void *context);
    void *context;
};
/* The caller owns `folder`. Returns NULL with `failure` set if memory or the folder fails. */
struct unpack *unpack_open(int folder, const struct unpack_options *options, struct failure *failure);
int unpack_feed(struct unpack *unpack, const uint8_t *bytes, size_t length, struct failure *failure);
/*
 * Checks that the archive is complete (`proven`: see tar_reader_finish), and applies the modes and
 * times of folders.
 */
int unpack_finish(struct unpack *unpack, bool proven, struct tree_stats *stats, struct failure *failure);
void unpack_close(struct unpack *unpack);

/* ---- pack: a folder, file or link below `root` as a tar archive, read in pieces */
struct pack;
enum pack_kind { PACK_DIRECTORY, PACK_FILE, PACK_SYMLINK };
struct pack_options {
    bool keep_owner;
    /*
     * A folder for unnamed files if the table of hard links is large (tens of thousands of them);
     * 0: `root` is used.
     */
    int scratch;
};
struct pack *pack_open(
    int root, const char *path, const struct pack_options *options, enum pack_kind *kind, struct failure *failure);
/*
 * Fills the buffer as far as possible. Returns the number of bytes, 0 at the end of the archive, -1
 * on failure.
 */
int64_t pack_read(struct pack *pack, uint8_t *buffer, size_t capacity, struct failure *failure);
void pack_stats(const struct pack *pack, struct tree_stats *stats);
void pack_close(struct pack *pack);

/* ---- folders */
/* The folders of a path that were created, so that they can be removed. */
struct folders_created {
    bool any;
    size_t kept;           /* length of the part of the path that existed before */
    struct timespec mtime; /* of the last existing folder, before */
};
/*
 * Opens `path` (in normal form) below `root` without following links. Unless `made` is NULL,
 * creates missing folders with 0755; after a failure none of them remain.
 */
int folder_open(int root, const char *path, struct folders_created *made, struct failure *failure);
/*
 * Opens the folder `name` of `parent` for reading. Sets its mode to 0700 first if the mode denies
 * access. -1 with errno.
 */
int folder_open_forced(int parent, const char *name);
/* Removes the folders that were created for `path`, as far as they are empty. */
void folder_remove_created(int root, const char *path, struct folders_created *made);
/*
 * Moves the content of `staging` into `target` and merges folders. Checks first that nothing
 * conflicts, then calls `ready`, which makes the commit durable, then moves. `resumed`: an earlier
 * run has called `ready` and did not complete the moves.
 */
int commit_tree(int staging, int target, bool resumed, int (*ready)(void *context, struct failure *failure),
    progress_fn progress, void *context, struct failure *failure);
struct copy_target {
    int folder;       /* empty */
    const char *path; /* the later path of its content, in normal form */
};
/*
 * Copies the tree or file at `path` below `from` into the empty folder of `to`, by reflink if the
 * file system supports it.
 */
int copy_tree(int from, const char *path, const struct copy_target *to, progress_fn progress, void *context,
    struct tree_stats *stats, struct failure *failure);
/* Removes all content of `folder`, independent of modes; the folder itself remains. */
int empty_folder(int folder, progress_fn progress, void *context, struct failure *failure);

/* ---- paths (docs/agent-protocol.md 3) */
/* Writes the normal form of a path in a volume ("" is the root), or fails with UNSAFE_PATH. */
int path_normal(const char *path, char *normal, size_t capacity, struct failure *failure);
/*
 * Returns the length of the longest path that fits below `folder` (in normal form; NULL: the root).
 */
size_t path_room(const char *folder);

#endif

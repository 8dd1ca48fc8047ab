/* What the operations on volumes are made of: unpack, commit, pack, copy, remove. No frames and no sockets here. */
#ifndef KW_VOLUME_H
#define KW_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/failure.h"

/* Called now and then in long phases; a return other than 0 ends the phase with the failure CANCELLED. */
typedef int (*progress_fn)(void *context, uint64_t entries, uint64_t bytes);

struct tree_stats {
    uint64_t entries;
    uint64_t expanded_bytes;
    uint64_t skipped; /* pack: sockets, fifos and devices left out */
};

/* ---- unpack: a tar archive, fed in pieces of any size, into an empty folder */
struct unpack;
struct unpack_options {
    int64_t expanded_limit; /* bytes of file content, -1: none */
    bool keep_owner;
    bool set_id_error; /* set-id bits are an error instead of being cleared */
    const char *target; /* where the folder's content will go, in normal form; NULL: the volume's root */
    /* Called when the disk is full: true where there may be room now. NULL: there is nothing to be done. */
    bool (*make_room)(void *context);
    void *context;
};
/* `folder` stays the caller's. NULL with `failure` set when memory or the folder fails. */
struct unpack *unpack_open(int folder, const struct unpack_options *options, struct failure *failure);
int unpack_feed(struct unpack *unpack, const uint8_t *bytes, size_t length, struct failure *failure);
/* The archive has ended: checks that it is whole (`proven`: as tar_reader_finish), applies folders' modes and times. */
int unpack_finish(struct unpack *unpack, bool proven, struct tree_stats *stats, struct failure *failure);
void unpack_close(struct unpack *unpack);

/* ---- pack: a folder, file or link below `root` as a tar archive, read in pieces */
struct pack;
enum pack_kind { PACK_DIRECTORY, PACK_FILE, PACK_SYMLINK };
struct pack_options {
    bool keep_owner;
    /* A folder for unnamed files where the table of hard links needs much room (tens of thousands of them); 0: `root`
     * is used. */
    int scratch;
};
struct pack *pack_open(
    int root, const char *path, const struct pack_options *options, enum pack_kind *kind, struct failure *failure);
/* The number of bytes written to `buffer`, 0 at the end of the archive, -1. Fills the buffer as far as it can. */
int64_t pack_read(struct pack *pack, uint8_t *buffer, size_t capacity, struct failure *failure);
void pack_stats(const struct pack *pack, struct tree_stats *stats);
void pack_close(struct pack *pack);

/* ---- folders */
/* Which folders of a path had to be made, so that they can be taken back. */
struct folders_created {
    bool any;
    size_t kept;           /* length of the part of the path that was there before */
    struct timespec mtime; /* of that folder, before */
};
/*
 * Opens `path` below `root` without following a link. With `made` (NULL: nothing is made), makes what is missing, 0755;
 * after a failure nothing of it is left. `path` is normalised by path_normal.
 */
int folder_open(int root, const char *path, struct folders_created *made, struct failure *failure);
/* Opens the folder `name` of `parent` for reading; gives its owner all permissions first where the mode bars the owner.
 * -1 with errno. */
int folder_open_forced(int parent, const char *name);
/* Removes the folders that were made for `path`, as far as they are empty. */
void folder_remove_created(int root, const char *path, struct folders_created *made);
/*
 * Moves what is in `staging` into `target`, merging folders: first the check that nothing conflicts, then (after
 * `ready`, which makes the commit durable) the moves. `resumed`: `ready` has been called before, by one that could not
 * complete the moves.
 */
int commit_tree(int staging, int target, bool resumed, int (*ready)(void *context, struct failure *failure),
    progress_fn progress, void *context, struct failure *failure);
struct copy_target {
    int folder;       /* empty */
    const char *path; /* where its content will go, in normal form */
};
/* Copies the tree or file at `path` below `from` into the empty folder of `to`, by reflink where the file system can.
 */
int copy_tree(int from, const char *path, const struct copy_target *to, progress_fn progress, void *context,
    struct tree_stats *stats, struct failure *failure);
/* Removes all that `folder` holds, whatever its modes; the folder itself stays. */
int empty_folder(int folder, progress_fn progress, void *context, struct failure *failure);

/* ---- paths (docs/agent-protocol.md 3) */
/* Writes the normal form of a path in a volume ("" is the root), or fails with UNSAFE_PATH. */
int path_normal(const char *path, char *normal, size_t capacity, struct failure *failure);
/* The longest path that still fits below `folder` (in normal form; NULL: the root). */
size_t path_room(const char *folder);

#endif

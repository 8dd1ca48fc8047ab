/*
 * Writes files, folders and links below a folder by their paths, without following links; shared by
 * unpack and copy.
 */
#ifndef KW_TREE_WRITER_H
#define KW_TREE_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/failure.h"
#include "base/spool.h"
#include "volume/beneath.h"

/*
 * The prefix of names in a staging folder that commit_tree reserves for its journal; no entry may
 * have it.
 */
#define JOURNAL_NAME ".kw-commit-5b0e4d3a91c7"

/*
 * The attributes of a folder that no entry describes (an archive may contain `a/b` and not `a`):
 * this mode and the time 0, so that the same archive produces the same tree. In staging, the access
 * time marks such a folder. commit_tree reads the mark, and keeps the mode and time of the folder
 * if the target has it already.
 */
#define IMPLICIT_MODE 0755
#define IMPLICIT_ACCESS_SECONDS 1

struct tree_attributes {
    mode_t mode; /* without set-id bits */
    int64_t uid; /* used only with keep_owner; -1: unknown */
    int64_t gid;
    struct timespec mtime;
    bool implicit; /* a folder that no entry describes */
};

struct tree_writer {
    int root; /* owned by the caller */
    bool keep_owner;
    mode_t umask;
    mode_t inherited; /* S_ISGID if folders created below the root inherit it */
    struct beneath_parent parent;
    struct spool folders; /* whose modes and times are set last */
};

/* Returns the id for chown; an id out of range means "unchanged". */
static inline uint32_t tree_owner_id(int64_t id) {
    return id < 0 || id >= (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)id;
}

/*
 * All paths are in normal form (path_normal) and not "". All functions return 0, or -1 with
 * `failure` and its path set.
 */
int tree_open(struct tree_writer *writer, int root, bool keep_owner, struct failure *failure);
/*
 * Creates the folder; tree_finish applies its attributes. Reuses an existing folder and replaces
 * any other entry.
 */
int tree_folder(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure);
/* Creates the file and opens it for writing. Replaces an existing entry unless it is a folder. */
int tree_file(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure);
/* Sets the file's time and closes it, also on failure. */
int tree_file_end(int file, const char *path, const struct tree_attributes *attributes, struct failure *failure);
int tree_symlink(struct tree_writer *writer, const char *path, const char *target,
    const struct tree_attributes *attributes, struct failure *failure);
/* Creates a second name for the file `existing`. */
int tree_hard_link(struct tree_writer *writer, const char *path, const char *existing, struct failure *failure);
/* Applies the modes and times of folders. */
int tree_finish(struct tree_writer *writer, struct failure *failure);
void tree_close(struct tree_writer *writer);

#endif

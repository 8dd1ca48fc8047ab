/* Puts files, folders and links into a folder by their paths, without ever following a link; what unpack and copy
 * share. */
#ifndef KW_TREE_WRITER_H
#define KW_TREE_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/failure.h"
#include "base/spool.h"
#include "volume/beneath.h"

/* In a staging folder, names that start so belong to commit_tree's journal; no entry may have one. */
#define JOURNAL_NAME ".kw-commit-5b0e4d3a91c7"

/*
 * What a folder that no entry described becomes (an archive may name `a/b` and not `a`): this mode and the time 0, so
 * that the same archive gives the same tree. In staging its time of access marks it. commit_tree reads the mark, and
 * leaves the mode and time of such a folder that the target has already.
 */
#define IMPLICIT_MODE 0755
#define IMPLICIT_ACCESS_SECONDS 1

struct tree_attributes {
    mode_t mode; /* without set-id bits */
    int64_t uid; /* used with keep_owner only; -1: not known */
    int64_t gid;
    struct timespec mtime;
    bool implicit; /* a folder that no entry described */
};

struct tree_writer {
    int root; /* the caller's */
    bool keep_owner;
    mode_t umask;
    mode_t inherited; /* S_ISGID where folders made below the root get it */
    struct beneath_parent parent;
    struct spool folders; /* whose modes and times come last */
};

/* The id for chown: what no file can have leaves the id as it is. */
static inline uint32_t tree_owner_id(int64_t id) {
    return id < 0 || id >= (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)id;
}

/* All paths are in normal form (path_normal) and not "". All functions return 0, or -1 with `failure` set and the path
 * in it. */
int tree_open(struct tree_writer *writer, int root, bool keep_owner, struct failure *failure);
/* Makes the folder; its attributes are applied by tree_finish. An existing folder is taken, anything else there is
 * replaced. */
int tree_folder(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure);
/* The new file, open for writing. What was there is replaced, but for a folder. */
int tree_file(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure);
/* Sets the file's time and closes it, whatever the result. */
int tree_file_end(int file, const char *path, const struct tree_attributes *attributes, struct failure *failure);
int tree_symlink(struct tree_writer *writer, const char *path, const char *target,
    const struct tree_attributes *attributes, struct failure *failure);
/* A second name for the file `existing`. */
int tree_hard_link(struct tree_writer *writer, const char *path, const char *existing, struct failure *failure);
/* Applies the folders' modes and times. */
int tree_finish(struct tree_writer *writer, struct failure *failure);
void tree_close(struct tree_writer *writer);

#endif

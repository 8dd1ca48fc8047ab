/* Puts files, folders and links into a folder by their paths, without ever following a link; what unpack and copy share. */
#ifndef KW_PLACE_H
#define KW_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "beneath.h"
#include "failure.h"
#include "spool.h"

/* In a staging folder, names that start so belong to commit_tree's journal; no entry may have one. */
#define JOURNAL_NAME ".kw-commit-5b0e4d3a91c7"

/*
 * The time of a folder that no entry described (an archive may name `a/b` and not `a`): the same archive gives the same tree. commit_tree knows
 * such folders by it, and leaves the mode and time of one that the target has already.
 */
#define IMPLICIT_SECONDS 0
#define IMPLICIT_NANOSECONDS 1
#define IMPLICIT_MODE 0755

struct place_attributes {
    mode_t mode; /* without set-id bits */
    int64_t uid; /* used with keep_owner only */
    int64_t gid;
    struct timespec mtime;
};

struct place {
    int root; /* the caller's */
    bool keep_owner;
    mode_t umask;
    mode_t inherited; /* S_ISGID where folders made below the root get it */
    int parent;       /* the folder of the entry before, -1: none */
    char parent_path[PATH_LONGEST + 1];
    struct spool folders; /* whose modes and times come last */
};

/* All paths are in normal form (path_normal) and not "". All functions return 0, or -1 with `failure` set and the path in it. */
int place_open(struct place *place, int root, bool keep_owner, struct failure *failure);
/* Makes the folder; its attributes are applied by place_finish. An existing folder is taken, anything else there is replaced. */
int place_folder(struct place *place, const char *path, const struct place_attributes *attributes, struct failure *failure);
/* The new file, open for writing. What was there is replaced, but for a folder. */
int place_file(struct place *place, const char *path, const struct place_attributes *attributes, struct failure *failure);
/* Sets the file's time and closes it, whatever the result. */
int place_file_end(int file, const char *path, const struct place_attributes *attributes, struct failure *failure);
int place_symlink(struct place *place, const char *path, const char *target, const struct place_attributes *attributes, struct failure *failure);
/* A second name for the file `existing`. */
int place_hard_link(struct place *place, const char *path, const char *existing, struct failure *failure);
/* Applies the folders' modes and times. */
int place_finish(struct place *place, struct failure *failure);
void place_close(struct place *place);

#endif

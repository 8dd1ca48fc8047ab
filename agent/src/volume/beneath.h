/* Opens paths below a folder without following links. */
#ifndef KW_BENEATH_H
#define KW_BENEATH_H

#include <stdbool.h>
#include <stddef.h>

/* The longest path inside a volume or an archive, without its NUL. */
#define PATH_LENGTH_MAX 4095

/*
 * Opens the folder `path` below `root`. `path` is in normal form; "" is `root` itself. `flags` are
 * O_RDONLY or O_PATH; O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC are added. Returns -1 with errno: ELOOP
 * if a component is a symbolic link, ENOTDIR if it is another file.
 */
int beneath_open(int root, const char *path, int flags);

/*
 * Copies the part of a path in normal form before its last slash to `parent` ("" without a slash).
 * Returns the last component.
 */
const char *path_split(const char *path, char parent[PATH_LENGTH_MAX + 1]);
/* Opens the folder that contains `path`, like beneath_open; sets `*base` to the last component. */
int beneath_open_parent(int root, const char *path, int flags, const char **base);

/*
 * A cache of the folder that contains the last entry: several entries of one folder need one
 * lookup.
 */
struct beneath_parent {
    int folder;  /* O_PATH, -1: none */
    bool opened; /* by the last call and not by an earlier one */
    char path[PATH_LENGTH_MAX + 1];
};

/* Like beneath_open_parent with O_PATH; the cache owns the descriptor. */
int beneath_parent_open(struct beneath_parent *parent, int root, const char *path, const char **base);

/*
 * Calls `step` for each folder on `path` (not ""), from `root` down. `step` returns an O_PATH
 * descriptor of the folder `name` in `parent`, whose path below `root` is `prefix`, or -1 with
 * errno, which ends the loop. Returns 0 or -1; then `prefix` is the path of the folder that failed.
 */
typedef int (*beneath_step_fn)(void *context, int parent, const char *name, const char *prefix);
int beneath_each(int root, const char *path, char prefix[PATH_LENGTH_MAX + 1], beneath_step_fn step, void *context);

/* For tests: opens by component even if the kernel has openat2. */
void beneath_without_openat2(bool without);

#endif

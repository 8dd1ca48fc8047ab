/* Opening what lies below a folder without ever following a link. */
#ifndef KW_BENEATH_H
#define KW_BENEATH_H

#include <stdbool.h>
#include <stddef.h>

/* The longest path inside a volume or an archive, without its NUL. */
#define PATH_LENGTH_MAX 4095

/*
 * Opens the folder `path` below `root`; `path` is in normal form, "" is `root` itself. `flags` are O_RDONLY or O_PATH;
 * O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC are added. -1 with errno: ELOOP where a component is a symbolic link, ENOTDIR
 * where it is something else.
 */
int beneath_open(int root, const char *path, int flags);

/* Copies what precedes the last slash of a path in normal form to `parent` ("" without a slash); returns the last
 * component. */
const char *path_split(const char *path, char parent[PATH_LENGTH_MAX + 1]);
/* Opens the folder that holds `path`, as beneath_open does; `*base` is the last component. */
int beneath_open_parent(int root, const char *path, int flags, const char **base);

/* The folder that holds the last entry, kept open: a run of entries of one folder needs one look-up. */
struct beneath_parent {
    int folder;  /* O_PATH, -1: none */
    bool opened; /* by the last call, and not by an earlier one */
    char path[PATH_LENGTH_MAX + 1];
};

/* As beneath_open_parent with O_PATH; the descriptor stays the cache's. */
int beneath_parent_open(struct beneath_parent *parent, int root, const char *path, const char **base);

/*
 * Calls `step` for each folder on `path`, which is not "", from `root` down. `step` returns a descriptor (O_PATH) of
 * the folder `name` of `parent`, whose path below `root` is `prefix`, or -1 with errno, which ends the loop. 0 or -1;
 * then `prefix` is the path of the folder that failed.
 */
typedef int (*beneath_step_fn)(void *context, int parent, const char *name, const char *prefix);
int beneath_each(int root, const char *path, char prefix[PATH_LENGTH_MAX + 1], beneath_step_fn step, void *context);

/* For tests: go component by component even where the kernel has openat2. */
void beneath_without_openat2(bool without);

#endif

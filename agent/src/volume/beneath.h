/* Opening what lies below a folder without ever following a link. */
#ifndef KW_BENEATH_H
#define KW_BENEATH_H

#include <stdbool.h>
#include <stddef.h>

/* The longest path inside a volume or an archive, without its NUL. */
#define PATH_LONGEST 4095

/*
 * Opens the folder `path` below `root`; `path` is in normal form, "" is `root` itself. `flags` are O_RDONLY or O_PATH;
 * O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC are added. -1 with errno: ELOOP where a component is a symbolic link, ENOTDIR
 * where it is something else.
 */
int beneath_open(int root, const char *path, int flags);

/* The last component of a path in normal form; `*parent_length` is the length of what comes before its slash, 0 for a
 * single component. */
const char *beneath_base(const char *path, size_t *parent_length);

/* For tests: go component by component even where the kernel has openat2. */
void beneath_without_openat2(bool without);

#endif

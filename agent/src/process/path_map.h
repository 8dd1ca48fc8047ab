/*
 * The embedded cluster on a machine without mount namespaces: a volume is not at the path that the
 * command uses. KW_PATH_MAP in the environment of `serve` has lines `from<TAB>to`, by which the
 * strings of `start` are rewritten.
 */
#ifndef KW_PATH_MAP_H
#define KW_PATH_MAP_H

#define PATH_MAP_VARIABLE "KW_PATH_MAP"

/*
 * Returns `text` with each mapped path replaced: `from` itself and paths below it, at the beginning
 * of the text or after `=` or `:`; the longest `from` wins. Returns `text` itself if nothing
 * changes, else a string from malloc; NULL without memory.
 */
const char *path_map(const char *map, const char *text);

#endif

/*
 * The embedded cluster on a machine without mount namespaces: a volume isn't at the path where the command expects it.
 * KW_PATH_MAP in the environment of `serve` has lines `from<TAB>to`; what `start` gets is rewritten by them.
 */
#ifndef KW_PATH_MAP_H
#define KW_PATH_MAP_H

#define PATH_MAP_VARIABLE "KW_PATH_MAP"

/*
 * `text` with each mapped path replaced: `from` itself and what is below it, at the beginning of the text or after `=`
 * or `:`; the longest `from` wins. Gives `text` itself where nothing changes, else a string from malloc; NULL without
 * memory.
 */
const char *path_map(const char *map, const char *text);

#endif

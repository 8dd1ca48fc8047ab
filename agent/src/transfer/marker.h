/*
 * Markers of commits: files in agent/operations, named by the operation, with volume, path and
 * result. A marker exists from before the first change of the volume until after the last. So a
 * marker that no process is working on means that the volume is damaged.
 */
#ifndef KW_MARKER_H
#define KW_MARKER_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/state.h"
#include "wire/json.h"

/* Twice the size of a path of 4095 bytes that are all escaped. */
enum { MARKER_MAX = 65536 };

struct marker {
    char *text; /* `json` points into it */
    struct json json;
    const char *volume, *path;
    bool has_result;
};

/*
 * Writes a marker durably. While the returned descriptor is open, it shows that a process is
 * working on the commit; -1 with errno.
 */
int marker_write(const struct state *state, const char *operation, const char *text, size_t length);
/*
 * Returns 1 if the marker was read, 0 if there is none, -1 if it cannot be read or is invalid
 * (errno EBADMSG).
 */
int marker_read(int folder, const char *operation, struct marker *marker);
void marker_free(struct marker *marker);
/*
 * Returns 1 if the volume has a marker that no process is working on, 0, or -1 with errno. An
 * invalid marker belongs to the volume that has content staged for it. `visit` (may be NULL) is
 * called for each marker of the volume; a return other than 0 ends the search and becomes the
 * result.
 */
int marker_unfinished(
    const struct state *state, const char *volume, int (*visit)(void *context, const char *operation), void *context);

/* The name that the staging folder of a discarded commit gets. */
enum { DISCARDED_NAME_MAX = ID_MAX + 16 };
void marker_discarded_name(char name[DISCARDED_NAME_MAX], const char *operation);

#endif

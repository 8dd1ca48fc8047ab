/*
 * Markers of commits: a file in agent/operations, named after its operation, with volume, path and result. It is there
 * from before the first change of the volume until after the last, so a marker that no process is at work on means that
 * the volume is damaged.
 */
#ifndef KW_MARKER_H
#define KW_MARKER_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/state.h"
#include "wire/json.h"

/* A path of 4095 bytes that all are escaped, twice over. */
enum { MARKER_MAX = 65536 };

struct marker {
    char *text; /* that `json` points into */
    struct json json;
    const char *volume, *path;
    bool has_result;
};

/* Writes it durably. The descriptor that is returned says, as long as it is open, that a process is at work on the
 * commit; -1 with errno. */
int marker_write(const struct state *state, const char *operation, const char *text, size_t length);
/* 1: read; 0: there is none; -1: it cannot be read, or is no marker (errno EBADMSG). */
int marker_read(int folder, const char *operation, struct marker *marker);
void marker_free(struct marker *marker);
/*
 * Whether the volume has a marker that no process is at work on: 1, 0, or -1 with errno. One that is no marker is the
 * volume's that has something staged for it. `visit` (may be NULL) is called for each that is the volume's, and ends
 * the search with a return other than 0, which becomes the result.
 */
int marker_unfinished(
    const struct state *state, const char *volume, int (*visit)(void *context, const char *operation), void *context);

/* The name in a volume's staging folder of what a commit has staged that is given up. */
enum { DISCARDED_NAME_MAX = ID_MAX + 16 };
void marker_discarded_name(char name[DISCARDED_NAME_MAX], const char *operation);

#endif

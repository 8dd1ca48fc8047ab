/*
 * Volumes in the state directory: their folders, staging, and the marker that makes a commit
 * durable.
 */
#ifndef KW_VOLUME_FOLDER_H
#define KW_VOLUME_FOLDER_H

#include <stdbool.h>

#include "serve/session.h"
#include "serve/state.h"
#include "volume/volume.h"
#include "wire/json.h"

struct volume_folder {
    const char *id;
    int folder, data;
    int staging, staged; /* staging/ and the operation's folder in it, -1: none */
    const char *operation;
    int marker; /* the descriptor of the commit's marker, -1: none */
    bool marked; /* an incarnation that did not complete the commit has marked it */
    bool has_result; /* that marker has the members of RESULT */
    /* Adds the members of RESULT to the marker, so that it can be stored; may be NULL. */
    void (*put_result)(struct json_out *out, const void *context);
    const void *result_context;
};

#define VOLUME_FOLDER_NONE {.folder = -1, .data = -1, .staging = -1, .staged = -1, .marker = -1}

/* Opens a volume, and creates it with `make`; else fails with VOLUME_NOT_FOUND. */
int volume_folder_open_damaged(
    const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure);
/* Like volume_folder_open_damaged; fails with VOLUME_DAMAGED if a commit is incomplete. */
int volume_folder_open(
    const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure);
/* Creates an empty staging folder for the operation. */
int volume_folder_stage(const struct state *state, struct volume_folder *volume, const char *operation,
    progress_fn progress, void *context, struct failure *failure);
/* Moves the staged content to `path` (in normal form). A marked commit cannot be cancelled. */
int volume_folder_commit(const struct state *state, struct volume_folder *volume, const char *path,
    progress_fn progress, void *context, struct failure *failure);
/*
 * Removes the staging folder unless an incomplete commit needs it for the next start, and closes
 * all. `progress` (may be NULL) cannot cancel it.
 */
void volume_folder_close(struct volume_folder *volume, progress_fn progress, void *context);
/*
 * Removes all content and the rest of incomplete commits, so that the volume is no longer damaged.
 * Nothing of them is restored if the removal is interrupted: staged content is discarded before the
 * first file is removed, and the markers are removed last.
 */
int volume_folder_empty(const struct state *state, struct volume_folder *volume, progress_fn progress, void *context,
    struct failure *failure);

#endif

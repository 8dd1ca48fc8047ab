/* Volumes in the state directory: their folders, staging, and the marker that makes a commit durable. */
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
    int staging, staged; /* staging/ and the operation's own folder in it, -1: none */
    const char *operation;
    int marker; /* the descriptor of the commit's marker, -1: none */
    bool marked; /* the commit was marked before, by an agent that did not complete it */
    bool has_result; /* and that marker has the members of RESULT */
    /* Adds members of RESULT to the marker, so that it can be stored; NULL: it is not. */
    void (*put_result)(struct json_out *out, const void *context);
    const void *result_context;
};

#define VOLUME_FOLDER_NONE {.folder = -1, .data = -1, .staging = -1, .staged = -1, .marker = -1}

/* Opens a volume, made with `make`; else VOLUME_NOT_FOUND. */
int volume_folder_open_damaged(
    const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure);
/* The same; VOLUME_DAMAGED where a commit was not completed. */
int volume_folder_open(
    const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure);
/* Makes an empty folder for what the operation brings. */
int volume_folder_stage(const struct state *state, struct volume_folder *volume, const char *operation,
    progress_fn progress, void *context, struct failure *failure);
/* Moves what is staged to `path` (normal). Once it is marked nothing stops it any more. */
int volume_folder_commit(const struct state *state, struct volume_folder *volume, const char *path,
    progress_fn progress, void *context, struct failure *failure);
/* Removes the staging where a commit has not kept it for the next start, and closes all. `progress` (may be NULL) does
 * not end it. */
void volume_folder_close(struct volume_folder *volume, progress_fn progress, void *context);
/*
 * Removes all content, and what commits that were not completed have left, so that the volume is damaged no more.
 * Nothing of it comes back, however far it got: what is staged is given up before the first file goes, and the markers
 * go last.
 */
int volume_folder_empty(const struct state *state, struct volume_folder *volume, progress_fn progress, void *context,
    struct failure *failure);

#endif

/* Volumes in the state directory: their folders, staging, and the marker that makes a commit durable. */
#ifndef KW_VOLUME_FOLDER_H
#define KW_VOLUME_FOLDER_H

#include <stdbool.h>

#include "json.h"
#include "session.h"
#include "state.h"
#include "volume.h"

struct volume_folder {
    const char *id;
    int folder, data;
    int staging, staged; /* staging/ and the operation's own folder in it, -1: none */
    const char *operation;
    bool marked; /* the commit was marked before, by an agent that did not complete it */
    bool has_result; /* and that marker has the members of RESULT */
    /* Adds members of RESULT to the marker, so that it can be stored; NULL: it is not. */
    void (*put_result)(struct json_out *out, const void *context);
    const void *result_context;
};

/* Opens a volume, made with `make`; else VOLUME_NOT_FOUND. VOLUME_DAMAGED where a commit could not complete. */
int volume_folder_open(const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure);
/* Makes an empty folder for what the operation brings. */
int volume_folder_stage(struct volume_folder *volume, const char *operation, struct failure *failure);
/* Moves what is staged to `path` (normal). Once it is marked nothing stops it any more. */
int volume_folder_commit(const struct state *state, struct volume_folder *volume, const char *path, progress_fn progress, void *context,
                         struct failure *failure);
/* Removes the staging where a commit has not kept it for the next start, and closes all. */
void volume_folder_close(struct volume_folder *volume);
/* The mark of a volume whose commit could not complete. */
bool volume_folder_damaged(const struct state *state, const char *id);
void volume_folder_repaired(const struct state *state, const char *id);

#endif

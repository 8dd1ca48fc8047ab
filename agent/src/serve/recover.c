#include "serve/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "transfer/marker.h"
#include "transfer/stored_result.h"
#include "transfer/volume_folder.h"

/*
 * Moves the staged content of a commit. A missing staging folder does not prove completion: the
 * marker is removed before it.
 */
static int complete_staged(
    const struct state *state, struct volume_folder *volume, const char *path, struct failure *failure) {
    volume->staging = open_folder(volume->folder, "staging");
    volume->staged = volume->staging < 0 ? -1 : open_folder(volume->staging, volume->operation);
    if (volume->staged < 0) {
        return fail_errno(failure, errno, "open the content staged for the volume", volume->id);
    }
    return volume_folder_commit(state, volume, path, NULL, NULL, failure);
}

/*
 * Completes the commit of a marker, which holds volume and path. After a failure everything
 * remains, so the volume is damaged.
 */
static void complete(void *context, const char *operation) {
    const struct state *state = context;
    struct marker marker;
    struct volume_folder volume;
    struct failure failure = {0};
    int found = marker_read(state->operations, operation, &marker);
    if (found < 0) {
        fprintf(stderr, "agent: the marker of the operation %s cannot be read: %s\n", operation, strerror(errno));
    }
    if (found <= 0) {
        return;
    }
    if (volume_folder_open_damaged(state, marker.volume, false, &volume, &failure) == 0) {
        volume.operation = operation;
        volume.marked = true;
        volume.has_result = marker.has_result;
        complete_staged(state, &volume, marker.path, &failure);
        volume_folder_close(&volume, NULL, NULL);
    } else if (strcmp(failure.code, "VOLUME_NOT_FOUND") == 0) {
        unlinkat(state->operations, operation, 0); /* the volume no longer exists */
        failure.code = NULL;
    }
    if (failure.code != NULL) {
        fprintf(stderr, "agent: the volume %s is damaged: %s\n", marker.volume, failure.message);
    }
    marker_free(&marker);
}

/* Removes a staging folder that certainly has no marker. */
static void clear_staged(const struct state *state, int staging, const char *operation) {
    if (entry_exists(state->operations, operation) != 0) {
        return;
    }
    struct failure ignored = {0};
    int folder = open_folder(staging, operation);
    if (folder < 0) {
        return;
    }
    empty_folder(folder, NULL, NULL, &ignored);
    close(folder);
    unlinkat(staging, operation, AT_REMOVEDIR);
}

/* Visits all names and not only ids: discarded staging folders have hidden names. */
static void clear_staging(void *context, const char *id) {
    const struct state *state = context;
    int volume = open_folder(state->volumes, id);
    int staging = volume < 0 ? -1 : open_folder(volume, "staging");
    DIR *listing = staging < 0 ? NULL : open_listing(staging);
    const struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            clear_staged(state, staging, entry->d_name);
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
    close_fd(&staging);
    close_fd(&volume);
}

void recover(struct state *state) {
    stored_result_renew(state);
    each_id(state->operations, complete, state);
    each_id(state->volumes, clear_staging, state);
}

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

/* Calls `visit` for each name in the folder that is an id, or with `hidden` for each. */
static void each_id(int folder, bool hidden, void (*visit)(const struct state *state, int folder, const char *id),
    const struct state *state) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    if (listing == NULL) {
        close_fd(&copy);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (hidden ? strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 : id_valid(entry->d_name)) {
            visit(state, folder, entry->d_name);
        }
    }
    closedir(listing);
}

/* What is staged for the commit is moved. What is missing proves nothing: the marker goes before it, and not after. */
static int complete_staged(
    const struct state *state, struct volume_folder *volume, const char *path, struct failure *failure) {
    volume->staging = open_folder(volume->folder, "staging", false, 0);
    volume->staged = volume->staging < 0 ? -1 : open_folder(volume->staging, volume->operation, false, 0);
    if (volume->staged < 0) {
        return fail_errno(failure, errno, "open what was staged for the volume", volume->id);
    }
    return volume_folder_commit(state, volume, path, NULL, NULL, failure);
}

/* A marker names volume and path; what it marks is completed. A failure leaves everything as it is, and so the volume
 * is damaged. */
static void complete(const struct state *state, int operations, const char *operation) {
    struct marker marker;
    struct volume_folder volume;
    struct failure failure = {0};
    int found = marker_read(operations, operation, &marker);
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
        unlinkat(operations, operation, 0); /* the volume is gone */
        failure.code = NULL;
    }
    if (failure.code != NULL) {
        fprintf(stderr, "agent: the volume %s is damaged: %s\n", marker.volume, failure.message);
    }
    marker_free(&marker);
}

/* Only what surely has no marker goes. */
static void clear_staged(const struct state *state, int staging, const char *operation) {
    if (is_there(state->operations, operation) != 0) {
        return;
    }
    struct failure ignored = {0};
    int folder = open_folder(staging, operation, false, 0);
    if (folder < 0) {
        return;
    }
    empty_folder(folder, NULL, NULL, &ignored);
    close(folder);
    unlinkat(staging, operation, AT_REMOVEDIR);
}

static void clear_staging(const struct state *state, int volumes, const char *id) {
    int volume = open_folder(volumes, id, false, 0);
    int staging = volume < 0 ? -1 : open_folder(volume, "staging", false, 0);
    if (staging >= 0) {
        each_id(staging, true, clear_staged, state);
    }
    close_fd(&staging);
    close_fd(&volume);
}

void recover(const struct state *state) {
    stored_result_renew(state);
    each_id(state->operations, false, complete, state);
    each_id(state->volumes, false, clear_staging, state);
}

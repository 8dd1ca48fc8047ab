#include "recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "stored_result.h"
#include "volume_folder.h"

/* Calls `visit` for each name in the folder that is an id. */
static void each_id(int folder, void (*visit)(const struct state *state, int folder, const char *id), const struct state *state) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    if (listing == NULL) {
        close_fd(&copy);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(listing)) != NULL)
        if (id_valid(entry->d_name))
            visit(state, folder, entry->d_name);
    closedir(listing);
}

/* A marker names volume and path; what it marks is completed. A failure leaves everything, and the volume marked as damaged. */
static void complete(const struct state *state, int operations, const char *operation) {
    char text[16384];
    struct json json;
    ssize_t length = read_file(operations, operation, text, sizeof text);
    if (length < 0 || json_read(&json, text, (size_t)length) != 0)
        return;
    const char *id = json_text(json_member(&json, json_root(&json), "volume"));
    const char *path = json_text(json_member(&json, json_root(&json), "path"));
    bool has_result = json_member(&json, json_root(&json), "sha256") != NULL;
    struct volume_folder volume;
    struct failure failure = {0};
    if (id != NULL && path != NULL && id_valid(id)) {
        volume_folder_repaired(state, id);
        if (volume_folder_open(state, id, false, &volume, &failure) == 0) {
            volume.operation = operation;
            volume.marked = true;
            volume.has_result = has_result;
            volume.staging = open_folder(volume.folder, "staging", false, 0);
            volume.staged = volume.staging < 0 ? -1 : open_folder(volume.staging, operation, false, 0);
            if (volume.staged < 0)
                stored_result_keep(state, operation, has_result); /* all of it has been moved */
            else if (volume_folder_commit(state, &volume, path, NULL, NULL, &failure) != 0)
                fprintf(stderr, "agent: the volume %s is damaged: %s\n", id, failure.message);
            volume_folder_close(&volume);
        } else {
            unlinkat(operations, operation, 0); /* the volume is gone */
        }
    }
    json_free(&json);
}

static void clear_staged(const struct state *state, int staging, const char *operation) {
    if (faccessat(state->operations, operation, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    struct failure ignored = {0};
    int folder = open_folder(staging, operation, false, 0);
    if (folder < 0)
        return;
    empty_folder(folder, NULL, NULL, &ignored);
    close(folder);
    unlinkat(staging, operation, AT_REMOVEDIR);
}

static void clear_staging(const struct state *state, int volumes, const char *id) {
    int volume = open_folder(volumes, id, false, 0);
    int staging = volume < 0 ? -1 : open_folder(volume, "staging", false, 0);
    if (staging >= 0)
        each_id(staging, clear_staged, state);
    close_fd(&staging);
    close_fd(&volume);
}

void recover(const struct state *state) {
    stored_result_renew(state);
    each_id(state->operations, complete, state);
    each_id(state->volumes, clear_staging, state);
}

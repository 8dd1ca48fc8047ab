#include "volume_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "stored_result.h"

enum { MARK_NAME_MAX = ID_MAX + 16 };

static void damage_name(char name[MARK_NAME_MAX], const char *id) {
    snprintf(name, MARK_NAME_MAX, "damaged.%.*s", ID_MAX, id);
}

bool volume_folder_damaged(const struct state *state, const char *id) {
    char name[MARK_NAME_MAX];
    damage_name(name, id);
    return faccessat(state->agent, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void volume_folder_repaired(const struct state *state, const char *id) {
    char name[MARK_NAME_MAX];
    damage_name(name, id);
    unlinkat(state->agent, name, 0);
}

int volume_folder_open(const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure) {
    *volume = (struct volume_folder){.id = id, .folder = -1, .data = -1, .staging = -1, .staged = -1};
    volume->folder = open_folder(state->volumes, id, make, 0755);
    volume->data = volume->folder < 0 ? -1 : open_folder(volume->folder, "data", make, 0755);
    if (volume->data < 0 && errno == ENOENT) {
        close_fd(&volume->folder);
        return fail(failure, "VOLUME_NOT_FOUND", "there is no volume '%s' here", id);
    }
    if (volume->data < 0) {
        int error = errno;
        close_fd(&volume->folder);
        return fail_errno(failure, error, "open the volume", id);
    }
    if (volume_folder_damaged(state, id)) {
        volume_folder_close(volume);
        return fail(failure, "VOLUME_DAMAGED", "a change of the volume '%s' could not be completed", id);
    }
    return 0;
}

int volume_folder_stage(struct volume_folder *volume, const char *operation, struct failure *failure) {
    volume->operation = operation;
    volume->staging = open_folder(volume->folder, "staging", true, 0700);
    volume->staged = volume->staging < 0 ? -1 : open_folder(volume->staging, operation, true, 0700);
    if (volume->staged < 0)
        return fail_errno(failure, errno, "make the staging folder of the volume", volume->id);
    return empty_folder(volume->staged, NULL, NULL, failure);
}

struct commit_context {
    const struct state *state;
    const struct volume_folder *volume;
    const char *path;
    progress_fn progress;
    void *context;
    bool marked;
};

static int mark(void *context, struct failure *failure) {
    struct commit_context *commit = context;
    struct json_out out = {0};
    if (commit->marked)
        return 0; /* by the run that was cut short, whose marker has the result as well */
    json_open(&out, NULL, '{');
    json_put_text(&out, "volume", commit->volume->id);
    json_put_text(&out, "path", commit->path);
    if (commit->volume->put_result != NULL)
        commit->volume->put_result(&out, commit->volume->result_context);
    json_close(&out, '}');
    int result = out.failed ? -1 : write_durably(commit->state->operations, commit->volume->operation, out.text, out.length);
    int error = out.failed ? ENOMEM : errno;
    json_out_free(&out);
    if (result != 0)
        return fail_errno(failure, error, "mark the commit", NULL);
    commit->marked = true;
    return 0;
}

static int pass_progress(void *context, uint64_t entries, uint64_t bytes) {
    struct commit_context *commit = context;
    int result = commit->progress == NULL ? 0 : commit->progress(commit->context, entries, bytes);
    return commit->marked ? 0 : result;
}

int volume_folder_commit(const struct state *state, struct volume_folder *volume, const char *path, progress_fn progress, void *context,
                         struct failure *failure) {
    struct commit_context commit = {state, volume, path, progress, context, volume->marked};
    struct folders_made made;
    int target = folder_open(volume->data, path, &made, failure);
    int result = target < 0 ? -1 : commit_tree(volume->staged, target, volume->marked, mark, pass_progress, &commit, failure);
    close_fd(&target);
    if (result == 0) {
        stored_result_keep(state, volume->operation, volume->put_result != NULL || volume->has_result);
        return 0;
    }
    if (!commit.marked) {
        folder_unmake(volume->data, path, &made);
        return -1;
    }
    /* Staging and marker stay: the next start tries again. Until then nobody gets half of a change. */
    char name[MARK_NAME_MAX];
    damage_name(name, volume->id);
    write_durably(state->agent, name, failure->message, strlen(failure->message));
    close_fd(&volume->staged);
    failure->code = "VOLUME_DAMAGED";
    return -1;
}

void volume_folder_close(struct volume_folder *volume) {
    struct failure ignored = {0};
    if (volume->staged >= 0) {
        empty_folder(volume->staged, NULL, NULL, &ignored);
        unlinkat(volume->staging, volume->operation, AT_REMOVEDIR);
    }
    close_fd(&volume->staged);
    close_fd(&volume->staging);
    close_fd(&volume->data);
    close_fd(&volume->folder);
}

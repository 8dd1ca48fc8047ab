#include "transfer/volume_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "transfer/marker.h"
#include "transfer/stored_result.h"
#include "wire/json.h"

int volume_folder_open_damaged(
    const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure) {
    *volume = (struct volume_folder)VOLUME_FOLDER_NONE;
    volume->id = id;
    volume->folder = make ? create_folder(state->volumes, id, 0755) : open_folder(state->volumes, id);
    volume->data = volume->folder < 0 ? -1
                   : make             ? create_folder(volume->folder, "data", 0755)
                                      : open_folder(volume->folder, "data");
    if (volume->data >= 0 && restrict_to_owner(volume->folder) == 0) {
        return 0;
    }
    close_fd(&volume->data);
    close_fd(&volume->folder);
    if (errno == ENOENT) {
        return fail(failure, "VOLUME_NOT_FOUND", "the volume '%s' does not exist", id);
    }
    return fail_errno(failure, errno, "open the volume", id);
}

static int check_undamaged(const struct state *state, const char *id, struct failure *failure) {
    int unfinished = marker_unfinished(state, id, NULL, NULL);
    if (unfinished < 0) {
        return fail_errno(failure, errno, "look for unfinished changes of the volume", id);
    }
    return unfinished == 0 ? 0
                           : fail(failure, "VOLUME_DAMAGED", "a change of the volume '%s' could not be completed", id);
}

int volume_folder_open(
    const struct state *state, const char *id, bool make, struct volume_folder *volume, struct failure *failure) {
    if (volume_folder_open_damaged(state, id, make, volume, failure) != 0) {
        return -1;
    }
    if (check_undamaged(state, id, failure) == 0) {
        return 0;
    }
    volume_folder_close(volume, NULL, NULL);
    return -1;
}

/* Creates a folder, or reuses it unless another user has created it. */
static int open_own_folder(int parent, const char *name) {
    struct stat status;
    int fd = create_folder(parent, name, 0700);
    bool own = fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == geteuid();
    if (own && fchmod(fd, 0700) == 0) {
        return fd;
    }
    errno = own || fd < 0 ? errno : EPERM;
    close_fd(&fd);
    return -1;
}

int volume_folder_stage(const struct state *state, struct volume_folder *volume, const char *operation,
    progress_fn progress, void *context, struct failure *failure) {
    /* The new marker would replace one that marks another volume as damaged. */
    int marked = entry_exists(state->operations, operation);
    if (marked < 0) {
        return fail_errno(failure, errno, "look for the operation's marker", NULL);
    }
    if (marked > 0) {
        return fail(failure, "VOLUME_DAMAGED", "a change by the operation '%s' could not be completed", operation);
    }
    volume->operation = operation;
    volume->staging = open_own_folder(volume->folder, "staging");
    volume->staged = volume->staging < 0 ? -1 : create_folder(volume->staging, operation, 0700);
    if (volume->staged < 0) {
        return fail_errno(failure, errno, "create the staging folder of the volume", volume->id);
    }
    return empty_folder(volume->staged, progress, context, failure);
}

struct commit_context {
    const struct state *state;
    struct volume_folder *volume;
    const char *path;
    progress_fn progress;
    void *context;
    bool marked;
};

static int mark(void *context, struct failure *failure) {
    struct commit_context *commit = context;
    struct json_out out = {0};
    if (commit->marked) {
        return 0; /* by an incarnation that did not complete it, with its result */
    }
    /* Another commit may have failed since the volume was opened. */
    if (check_undamaged(commit->state, commit->volume->id, failure) != 0) {
        return -1;
    }
    json_open(&out, NULL, '{');
    json_put_text(&out, "volume", commit->volume->id);
    json_put_text(&out, "path", commit->path);
    if (commit->volume->put_result != NULL) {
        commit->volume->put_result(&out, commit->volume->result_context);
    }
    json_close(&out, '}');
    if (!out.failed) {
        commit->volume->marker = marker_write(commit->state, commit->volume->operation, out.text, out.length);
    }
    int error = out.failed ? ENOMEM : errno;
    json_out_free(&out);
    if (commit->volume->marker < 0) {
        /*
         * The marker may have its name without being durable: nothing of the commit may be
         * completed.
         */
        unlinkat(commit->state->operations, commit->volume->operation, 0);
        return fail_errno(failure, error, "mark the commit", NULL);
    }
    commit->marked = true;
    return 0;
}

static int pass_progress(void *context, uint64_t entries, uint64_t bytes) {
    struct commit_context *commit = context;
    int result = commit->progress == NULL ? 0 : commit->progress(commit->context, entries, bytes);
    return commit->marked ? 0 : result;
}

int volume_folder_commit(const struct state *state, struct volume_folder *volume, const char *path,
    progress_fn progress, void *context, struct failure *failure) {
    struct commit_context commit = {state, volume, path, progress, context, volume->marked};
    struct folders_created made;
    int target = folder_open(volume->data, path, &made, failure);
    int result =
        target < 0 ? -1 : commit_tree(volume->staged, target, volume->marked, mark, pass_progress, &commit, failure);
    close_fd(&target);
    if (result == 0) {
        stored_result_keep(state, volume->operation, volume->put_result != NULL || volume->has_result);
        return 0;
    }
    if (!commit.marked) {
        folder_remove_created(volume->data, path, &made);
        return -1;
    }
    /*
     * Staging and marker remain: the next start retries. Until then no operation uses a partial
     * change.
     */
    close_fd(&volume->staged);
    close_fd(&volume->marker);
    failure->code = "VOLUME_DAMAGED";
    return -1;
}

void volume_folder_close(struct volume_folder *volume, progress_fn progress, void *context) {
    struct failure ignored = {0};
    if (volume->staged >= 0) {
        empty_folder(volume->staged, progress, context, &ignored);
        unlinkat(volume->staging, volume->operation, AT_REMOVEDIR);
    }
    close_fd(&volume->marker);
    close_fd(&volume->staged);
    close_fd(&volume->staging);
    close_fd(&volume->data);
    close_fd(&volume->folder);
}

struct emptying {
    const struct state *state;
    struct volume_folder *volume;
    progress_fn progress;
    void *context;
    struct failure *failure;
};

/* Renames staged content, so that no start completes it. */
static int discard_staged(void *context, const char *operation) {
    struct emptying *emptying = context;
    char name[DISCARDED_NAME_MAX];
    marker_discarded_name(name, operation);
    if (emptying->volume->staging < 0 ||
        renameat(emptying->volume->staging, operation, emptying->volume->staging, name) == 0 || errno == ENOENT) {
        return 0;
    }
    return fail_errno(emptying->failure, errno, "discard staged content", NULL);
}

/*
 * The marker is removed before the staging folder, which links an unreadable marker to its volume.
 */
static int remove_discarded(void *context, const char *operation) {
    struct emptying *emptying = context;
    char name[DISCARDED_NAME_MAX];
    marker_discarded_name(name, operation);
    int folder = emptying->volume->staging < 0 ? -1 : open_folder(emptying->volume->staging, name);
    int result = folder < 0 ? 0 : empty_folder(folder, emptying->progress, emptying->context, emptying->failure);
    close_fd(&folder);
    if (result != 0) {
        return -1;
    }
    if (unlinkat(emptying->state->operations, operation, 0) != 0 && errno != ENOENT) {
        return fail_errno(emptying->failure, errno, "remove the marker of an unfinished change", NULL);
    }
    if (emptying->volume->staging >= 0) {
        unlinkat(emptying->volume->staging, name, AT_REMOVEDIR);
    }
    return 0;
}

static int each_unfinished(struct emptying *emptying, int (*visit)(void *context, const char *operation)) {
    if (marker_unfinished(emptying->state, emptying->volume->id, visit, emptying) >= 0) {
        return 0;
    }
    return fail_errno(emptying->failure, errno, "look for unfinished changes of the volume", emptying->volume->id);
}

int volume_folder_empty(const struct state *state, struct volume_folder *volume, progress_fn progress, void *context,
    struct failure *failure) {
    struct emptying emptying = {state, volume, progress, context, failure};
    volume->staging = open_folder(volume->folder, "staging");
    if (volume->staging < 0 && errno != ENOENT) {
        return fail_errno(failure, errno, "open the staging folder of the volume", volume->id);
    }
    if (each_unfinished(&emptying, discard_staged) != 0 ||
        empty_folder(volume->data, progress, context, failure) != 0) {
        return -1;
    }
    if (each_unfinished(&emptying, remove_discarded) != 0) {
        return -1;
    }
    return fsync(state->operations) == 0 ? 0 : fail_errno(failure, errno, "remove the volume", volume->id);
}

#include "transfer/marker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

int marker_write(const struct state *state, const char *operation, const char *text, size_t length) {
    return write_locked(state->operations, operation, text, length);
}

static int parse(struct marker *marker, size_t length) {
    if (length == MARKER_MAX - 1 || json_read(&marker->json, marker->text, length) != 0) {
        return -1;
    }
    const struct json_node *root = json_root(&marker->json);
    marker->volume = json_text(json_member(&marker->json, root, "volume"));
    marker->path = json_text(json_member(&marker->json, root, "path"));
    marker->has_result = json_member(&marker->json, root, "sha256") != NULL;
    if (marker->volume != NULL && marker->path != NULL && id_valid(marker->volume)) {
        return 0;
    }
    json_free(&marker->json);
    return -1;
}

int marker_read(int folder, const char *operation, struct marker *marker) {
    *marker = (struct marker){.text = malloc(MARKER_MAX)};
    if (marker->text == NULL) {
        return -1;
    }
    ssize_t length = read_file(folder, operation, marker->text, MARKER_MAX);
    int error = errno;
    if (length >= 0 && parse(marker, (size_t)length) == 0) {
        return 1;
    }
    free(marker->text);
    errno = length >= 0 ? EBADMSG : error;
    return length < 0 && error == ENOENT ? 0 : -1;
}

void marker_free(struct marker *marker) {
    json_free(&marker->json);
    free(marker->text);
}

/*
 * Returns 1 if no process is working on the commit, 0 if one is or the marker no longer exists, -1.
 * The shared lock does not block other readers.
 */
static int is_abandoned(int folder, const char *operation) {
    struct stat opened, named;
    int fd = openat(folder, operation, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        close_fd(&fd);
        return errno == EWOULDBLOCK ? 0 : 1;
    }
    /* The process may have completed the commit and removed the marker before the lock was free. */
    int left = fstat(fd, &opened) != 0 ? -1 : fstatat(folder, operation, &named, AT_SYMLINK_NOFOLLOW);
    close_fd(&fd);
    if (left != 0) {
        return errno == ENOENT ? 0 : -1;
    }
    return opened.st_ino == named.st_ino;
}

void marker_discarded_name(char name[DISCARDED_NAME_MAX], const char *operation) {
    snprintf(name, DISCARDED_NAME_MAX, ".%.*s.removed", ID_MAX, operation);
}

/* Returns whether the volume has content staged by the operation. */
static int has_staged(const struct state *state, const char *volume, const char *operation) {
    char name[DISCARDED_NAME_MAX];
    int folder = open_folder(state->volumes, volume), staging = folder < 0 ? -1 : open_folder(folder, "staging");
    int result = staging < 0 ? (errno == ENOENT ? 0 : -1) : entry_exists(staging, operation);
    marker_discarded_name(name, operation);
    if (staging >= 0 && result == 0) {
        result = entry_exists(staging, name);
    }
    close_fd(&staging);
    close_fd(&folder);
    return result;
}

/* Returns 1 if the marker is of an abandoned commit on the volume, 0, -1. */
static int is_unfinished(const struct state *state, const char *operation, const char *volume) {
    struct marker marker;
    int left = is_abandoned(state->operations, operation);
    if (left <= 0) {
        return left;
    }
    int found = marker_read(state->operations, operation, &marker);
    if (found <= 0) {
        return found < 0 && errno == EBADMSG ? has_staged(state, volume, operation) : found;
    }
    bool same = strcmp(marker.volume, volume) == 0;
    marker_free(&marker);
    return same;
}

int marker_unfinished(
    const struct state *state, const char *volume, int (*visit)(void *context, const char *operation), void *context) {
    DIR *listing = open_listing(state->operations);
    if (listing == NULL) {
        return -1;
    }
    int result = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (entry == NULL) {
            result = errno == 0 ? result : -1;
            break;
        }
        if (!id_valid(entry->d_name)) {
            continue;
        }
        int found = is_unfinished(state, entry->d_name, volume);
        if (found == 0) {
            continue;
        }
        result = found;
        int stop = found > 0 && visit != NULL ? visit(context, entry->d_name) : found < 0 || visit == NULL;
        if (stop != 0) {
            result = found < 0 || visit == NULL ? found : stop;
            break;
        }
    }
    int error = errno;
    closedir(listing);
    errno = error;
    return result;
}

#include "state_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outside.h"
#include "volume/volume.h"

void state_folder_open(struct state_folder *folder) {
    static struct failure failure;
    char path[64];
    folder->outer = outside_open();
    if (mkdirat(folder->outer, "state", 0700) != 0) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d/state", folder->outer);
    if (state_open(&folder->state, path, &failure) != 0) {
        abort();
    }
    /* Only `serve` has the other end. */
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        abort();
    }
    folder->state.lifeline = ends[0];
}

void state_folder_write(int folder, const char *name, const uint8_t *bytes, size_t length) {
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length) {
        abort();
    }
    close(fd);
}

static void empty(int folder) {
    static struct failure failure;
    failure = (struct failure){0};
    if (empty_folder(folder, NULL, NULL, &failure) != 0) {
        abort();
    }
}

void state_folder_clear(struct state_folder *folder) {
    const struct state *state = &folder->state;
    outside_check(folder->outer, "state");
    empty(state->volumes);
    empty(state->processes);
    empty(state->operations);
    empty(state->results);
    unlinkat(state->agent, "damaged.v", 0);
    empty(state->generations);
}

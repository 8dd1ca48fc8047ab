#include "serve/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/version.h"
#include "serve/generation.h"

bool id_valid(const char *id) {
    size_t length = strlen(id);
    if (length == 0 || length > ID_MAX || id[0] == '.') {
        return false;
    }
    for (const char *at = id; *at != 0; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!letter && *at != '.' && *at != '_' && *at != '-') {
            return false;
        }
    }
    return true;
}

void each_id(int folder, void (*visit)(void *context, const char *id), void *context) {
    DIR *listing = open_listing(folder);
    const struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        if (id_valid(entry->d_name)) {
            visit(context, entry->d_name);
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
}

static int take_lock(struct state *state, struct failure *failure) {
    state->lock = openat(state->agent, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state->lock < 0) {
        return fail_errno(failure, errno, "open the lock", "agent/lock");
    }
    /* Processes of a killed `serve` notice the end of its lifeline and exit within moments. */
    for (int64_t end = steady_ms() + 15000; flock(state->lock, LOCK_EX | LOCK_NB) != 0;) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return fail_errno(failure, errno, "lock", "agent/lock");
        }
        if (steady_ms() > end) {
            return fail(failure, "AGENT_UNAVAILABLE", "another agent serves this state directory");
        }
        sleep_ms(10);
    }
    return 0;
}

static int check_format(struct state *state, struct failure *failure) {
    char text[32];
    ssize_t length = read_file(state->agent, "format", text, sizeof text);
    if (length < 0 && errno != ENOENT) {
        return fail_errno(failure, errno, "read", "agent/format");
    }
    if (length > 0 && strcmp(text, STATE_FORMAT) != 0) {
        return fail(failure, "AGENT_INCOMPATIBLE", "the state directory has a format that this agent does not support");
    }
    if (length <= 0 && write_durably(state->agent, "format", STATE_FORMAT, strlen(STATE_FORMAT)) != 0) {
        return fail_errno(failure, errno, "write", "agent/format");
    }
    return 0;
}

int state_open(struct state *state, const char *path, struct failure *failure) {
    state->start_folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    state->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->root < 0) {
        return fail_errno(failure, errno, "open the state directory", path);
    }
    state->agent = create_folder(state->root, "agent", 0700);
    if (state->agent < 0) {
        return fail_errno(failure, errno, "open", "agent");
    }
    struct stat stat;
    if (fstat(state->agent, &stat) != 0 || stat.st_uid != geteuid()) {
        return fail(failure, "NOT_PERMITTED", "the folder agent in the state directory belongs to another user");
    }
    if (fchmod(state->agent, 0700) != 0) {
        return fail_errno(failure, errno, "change the mode of", "agent");
    }
    if (take_lock(state, failure) != 0 || check_format(state, failure) != 0) {
        return -1;
    }
    state->volumes = create_folder(state->root, "volumes", 0755);
    state->processes = create_folder(state->agent, "processes", 0700);
    state->operations = create_folder(state->agent, "operations", 0700);
    state->results = create_folder(state->agent, "results", 0700);
    state->generations = create_folder(state->agent, "generation", 0700);
    if (state->volumes < 0 || state->processes < 0 || state->operations < 0 || state->results < 0 ||
        state->generations < 0) {
        return fail_errno(failure, errno, "create the folders of", path);
    }
    if (restrict_to_owner(state->root) != 0 || restrict_to_owner(state->volumes) != 0) {
        return fail_errno(failure, errno, "change the mode of", path);
    }
    state->generation = generation_read(state->generations);
    if (state->generation < 0) {
        return fail_errno(failure, errno, "read the generation of", path);
    }
    uint8_t random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return fail_errno(failure, errno, "get random bytes", NULL);
    }
    hex_put(state->incarnation, random, sizeof random);
    return 0;
}

int64_t file_system_bytes(int folder, bool all) {
    struct statvfs stat;
    if (fstatvfs(folder, &stat) != 0) {
        return -1;
    }
    uint64_t blocks = all ? stat.f_blocks : stat.f_bavail, size = stat.f_frsize;
    return size != 0 && blocks > (uint64_t)INT64_MAX / size ? INT64_MAX : (int64_t)(blocks * size);
}

int64_t state_free_bytes(const struct state *state) {
    return file_system_bytes(state->root, false);
}

int64_t state_total_bytes(const struct state *state) {
    return file_system_bytes(state->root, true);
}

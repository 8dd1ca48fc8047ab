#include "serve/generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

enum { NAME_MAX_BYTES = 24 };

static int64_t parse(const char *name) {
    char *end;
    if (name[0] < '1' || name[0] > '9') {
        return 0;
    }
    errno = 0;
    long long value = strtoll(name, &end, 10);
    return errno == 0 && *end == 0 ? value : 0;
}

int64_t generation_read(int folder) {
    DIR *listing = open_listing(folder);
    int64_t highest = 0;
    struct dirent *entry;
    if (listing == NULL) {
        return -1;
    }
    errno = 0;
    while ((entry = readdir(listing)) != NULL) {
        int64_t generation = parse(entry->d_name);
        if (generation > highest) {
            highest = generation;
        }
        errno = 0;
    }
    int error = errno;
    closedir(listing);
    errno = error;
    return error == 0 ? highest : -1;
}

static int create(int folder, const char *name) {
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -1;
    }
    close(fd);
    return 0;
}

int generation_keep(int folder, int64_t generation, struct failure *failure) {
    for (;;) {
        char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
        int64_t kept = generation_read(folder);
        if (kept < 0) {
            return fail_errno(failure, errno, "read the generation", NULL);
        }
        if (kept >= generation) {
            break;
        }
        snprintf(from, sizeof from, "%" PRId64, kept);
        snprintf(to, sizeof to, "%" PRId64, generation);
        if ((kept == 0 ? create(folder, to) : renameat(folder, from, folder, to)) == 0) {
            break;
        }
        if (kept == 0 || errno != ENOENT) { /* ENOENT: another process has renamed it first */
            return fail_errno(failure, errno, "store the generation", NULL);
        }
    }
    return fsync(folder) == 0 ? 0 : fail_errno(failure, errno, "store the generation", NULL);
}

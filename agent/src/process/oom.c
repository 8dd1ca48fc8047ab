#include "process/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

/* Returns the number after `oom_kill ` in a file of lines `name number`. */
static int64_t count_in(const char *path) {
    char text[4096];
    if (read_file(AT_FDCWD, path, text, sizeof text) < 0) {
        return -1;
    }
    for (char *line = text; line != NULL && *line != 0;
        line = strchr(line, '\n'), line = line == NULL ? NULL : line + 1) {
        if (strncmp(line, "oom_kill ", 9) == 0) {
            return strtoll(line + 9, NULL, 10);
        }
    }
    return -1;
}

/*
 * Reads the count of the group in /proc/self/cgroup; without a cgroup namespace, that is the path
 * in the hierarchy.
 */
static int64_t count_of_group(const char *groups, const char *label, const char *mount, const char *file) {
    const char *line = strstr(groups, label);
    if (line == NULL) {
        return -1;
    }
    line += strlen(label);
    char path[4200];
    snprintf(path, sizeof path, "%s%.*s/%s", mount, (int)strcspn(line, "\n"), line, file);
    return count_in(path);
}

int64_t oom_kills(void) {
    char groups[8192];
    int64_t count = -1;
    if (read_file(AT_FDCWD, "/proc/self/cgroup", groups, sizeof groups) >= 0) {
        count = count_of_group(groups, ":memory:", "/sys/fs/cgroup/memory", "memory.oom_control");
        if (count < 0) {
            count = count_of_group(groups, "0::", "/sys/fs/cgroup", "memory.events");
        }
    }
    if (count < 0) {
        count = count_in("/sys/fs/cgroup/memory/memory.oom_control");
    }
    if (count < 0) {
        count = count_in("/sys/fs/cgroup/memory.events");
    }
    return count;
}

int64_t oom_kills_since(int64_t before) {
    int64_t now = oom_kills();
    if (now < 0 || before < 0) {
        return -1;
    }
    return now > before ? now - before : 0;
}

#include "children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io.h"

static pid_t parent_of(int proc, const char *pid) {
    char name[64], text[512];
    snprintf(name, sizeof name, "%.20s/stat", pid);
    if (read_file(proc, name, text, sizeof text) <= 0)
        return -1;
    char *at = strrchr(text, ')'); /* the name before it may hold anything */
    int parent;
    char state;
    return at != NULL && sscanf(at + 1, " %c %d", &state, &parent) == 2 ? parent : -1;
}

/* The kernel's own list, where it is compiled in. */
static ssize_t from_kernel(pid_t *pids, size_t capacity) {
    char name[64], text[65536];
    snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)getpid());
    ssize_t length = read_file(AT_FDCWD, name, text, sizeof text);
    if (length < 0)
        return -1;
    size_t count = 0;
    for (char *at = text, *end; count < capacity; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at || (*end != ' ' && *end != '\n' && *end != 0))
            break;
        pids[count++] = (pid_t)pid;
    }
    return (ssize_t)count;
}

size_t children_list(pid_t *pids, size_t capacity) {
    ssize_t known = from_kernel(pids, capacity);
    if (known >= 0)
        return (size_t)known;
    size_t count = 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL)
        return 0;
    struct dirent *entry;
    pid_t self = getpid();
    while (count < capacity && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && parent_of(dirfd(folder), entry->d_name) == self)
            pids[count++] = (pid_t)atoi(entry->d_name);
    closedir(folder);
    return count;
}

void kill_children(int64_t limit_ms) {
    int64_t end = steady_ms() + limit_ms;
    for (;;) {
        pid_t pids[1024], reaped;
        size_t count = children_list(pids, sizeof pids / sizeof *pids);
        for (size_t i = 0; i < count; i++)
            kill(pids[i], SIGKILL);
        while ((reaped = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if ((reaped < 0 && errno == ECHILD) || steady_ms() >= end)
            return;
        struct timespec pause = {.tv_nsec = 2 * 1000000};
        nanosleep(&pause, NULL);
    }
}

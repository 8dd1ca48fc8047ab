#include "serve/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

struct process_stat {
    char state;
    pid_t parent, group;
};

static bool read_stat(int proc, const char *pid, struct process_stat *stat) {
    char name[64], text[512];
    snprintf(name, sizeof name, "%.20s/stat", pid);
    if (read_file(proc, name, text, sizeof text) <= 0) {
        return false;
    }
    char *at = strrchr(text, ')'); /* the name before it may contain any byte */
    return at != NULL && sscanf(at + 1, " %c %d %d", &stat->state, &stat->parent, &stat->group) == 3;
}

/* Calls `visit` for each process until it returns false. */
static void each_process(bool (*visit)(void *context, pid_t pid, const struct process_stat *stat), void *context) {
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    struct process_stat stat;
    bool more = true;
    while (folder != NULL && more && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && read_stat(dirfd(folder), entry->d_name, &stat)) {
            more = visit(context, (pid_t)atoi(entry->d_name), &stat);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

struct group_search {
    pid_t group;
    bool alive;
};

static bool match_group(void *context, pid_t pid, const struct process_stat *stat) {
    struct group_search *search = context;
    (void)pid;
    search->alive = stat->group == search->group && stat->state != 'Z' && stat->state != 'X';
    return !search->alive;
}

bool group_alive(pid_t group) {
    struct group_search search = {.group = group};
    each_process(match_group, &search);
    return search.alive;
}

/* Reads the kernel's own list, which is a compile-time option. */
static ssize_t from_kernel(pid_t *pids, size_t capacity) {
    char name[64], text[65536];
    snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)getpid());
    ssize_t length = read_file(AT_FDCWD, name, text, sizeof text);
    if (length < 0) {
        return -1;
    }
    size_t count = 0;
    for (char *at = text, *end; count < capacity; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at || (*end != ' ' && *end != '\n' && *end != 0)) {
            break;
        }
        pids[count++] = (pid_t)pid;
    }
    return (ssize_t)count;
}

struct child_list {
    pid_t self;
    pid_t *pids;
    size_t count, capacity;
};

static bool add_child(void *context, pid_t pid, const struct process_stat *stat) {
    struct child_list *list = context;
    if (stat->parent == list->self && list->count < list->capacity) {
        list->pids[list->count++] = pid;
    }
    return list->count < list->capacity;
}

size_t children_list(pid_t *pids, size_t capacity) {
    ssize_t known = from_kernel(pids, capacity);
    if (known >= 0) {
        return (size_t)known;
    }
    struct child_list list = {.self = getpid(), .pids = pids, .capacity = capacity};
    each_process(add_child, &list);
    return list.count;
}

void kill_children(int64_t limit_ms) {
    int64_t end = steady_ms() + limit_ms;
    for (;;) {
        pid_t pids[1024], reaped;
        size_t count = children_list(pids, sizeof pids / sizeof *pids);
        for (size_t i = 0; i < count; i++) {
            kill(pids[i], SIGKILL);
        }
        while ((reaped = waitpid(-1, NULL, WNOHANG)) > 0) {
            continue;
        }
        if ((reaped < 0 && errno == ECHILD) || steady_ms() >= end) {
            return;
        }
        sleep_ms(2);
    }
}

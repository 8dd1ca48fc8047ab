/* Uses openat2 if the kernel has it, else one openat per component. */
#include "volume/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define NO_MAGIC_LINKS 0x02u
#define NO_SYMLINKS 0x04u
#define BENEATH 0x08u

/* The kernel's struct open_how; some C libraries lack the header. */
struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/* Set at the first refusal: kernels and sandboxes without openat2 do not change. */
static bool by_component;

void beneath_without_openat2(bool without) {
    by_component = without;
}

const char *path_split(const char *path, char parent[PATH_LENGTH_MAX + 1]) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, length);
    parent[length] = '\0';
    return slash == NULL ? path : slash + 1;
}

/* Opens one component. A symbolic link fails with ELOOP, as with openat2, and not with ENOTDIR. */
static int open_component(int folder, const char *name, int flags) {
    int fd = openat(folder, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != ENOTDIR) {
        return fd;
    }
    struct stat status;
    bool is_link = fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
    errno = is_link ? ELOOP : ENOTDIR;
    return -1;
}

static int open_by_component(int root, const char *path, int flags) {
    char name[256];
    int folder = -1;
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t length = slash == NULL ? strlen(path) : (size_t)(slash - path);
        if (length >= sizeof name) {
            close_fd(&folder);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        int next = open_component(folder < 0 ? root : folder, name, slash == NULL ? flags : O_PATH);
        close_fd(&folder);
        if (next < 0 || slash == NULL) {
            return next;
        }
        folder = next;
        path = slash + 1;
    }
}

int beneath_open(int root, const char *path, int flags) {
    if (path[0] == '\0') {
        return openat(root, ".", flags | O_DIRECTORY | O_CLOEXEC);
    }
    if (!by_component) {
        struct how how = {
            .flags = (uint64_t)(flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
            .resolve = BENEATH | NO_SYMLINKS | NO_MAGIC_LINKS,
        };
        long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0) {
            return (int)fd;
        }
        /* EAGAIN: a concurrent rename. Opening by component is not affected by it. */
        if (errno == ENOSYS || errno == EPERM || errno == EINVAL) {
            by_component = true;
        } else if (errno != EAGAIN && errno != ENOTDIR) {
            return -1;
        }
    }
    return open_by_component(root, path, flags);
}

int beneath_open_parent(int root, const char *path, int flags, const char **base) {
    char parent[PATH_LENGTH_MAX + 1];
    *base = path_split(path, parent);
    return beneath_open(root, parent, flags);
}

int beneath_parent_open(struct beneath_parent *parent, int root, const char *path, const char **base) {
    char folder[PATH_LENGTH_MAX + 1];
    *base = path_split(path, folder);
    parent->opened = parent->folder < 0 || strcmp(parent->path, folder) != 0;
    if (parent->opened) {
        close_fd(&parent->folder);
        strcpy(parent->path, folder);
        parent->folder = beneath_open(root, folder, O_PATH);
    }
    return parent->folder;
}

int beneath_each(int root, const char *path, char prefix[PATH_LENGTH_MAX + 1], beneath_step_fn step, void *context) {
    int parent = beneath_open(root, "", O_PATH);
    strcpy(prefix, path);
    for (char *name = prefix; parent >= 0 && name != NULL;) {
        char *slash = strchr(name, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        int next = step(context, parent, name, prefix);
        close_fd(&parent);
        if (next < 0) {
            return -1;
        }
        parent = next;
        if (slash != NULL) {
            *slash = '/';
        }
        name = slash == NULL ? NULL : slash + 1;
    }
    if (parent < 0) {
        return -1;
    }
    close(parent);
    return 0;
}

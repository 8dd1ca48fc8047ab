/* openat2 where the kernel has it, else one openat per component. */
#include "volume/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define NO_MAGIC_LINKS 0x02u
#define NO_SYMLINKS 0x04u
#define BENEATH 0x08u

/* The kernel's struct open_how; not every libc has the header. */
struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/* Learnt at the first refusal: old kernels and sandboxes without openat2 stay that way. */
static bool by_component;

void beneath_without_openat2(bool without) {
    by_component = without;
}

const char *beneath_base(const char *path, size_t *parent_length) {
    const char *slash = strrchr(path, '/');
    *parent_length = slash == NULL ? 0 : (size_t)(slash - path);
    return slash == NULL ? path : slash + 1;
}

/* Opens one component; a symbolic link is ELOOP like with openat2, and not ENOTDIR. */
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
    int folder = root;
    for (;;) {
        const char *slash = strchr(path, '/');
        size_t length = slash == NULL ? strlen(path) : (size_t)(slash - path);
        if (length >= sizeof name) {
            if (folder != root) {
                close(folder);
            }
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        int next = open_component(folder, name, slash == NULL ? flags : O_PATH);
        int error = errno;
        if (folder != root) {
            close(folder);
        }
        errno = error;
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
        /* EAGAIN: something was renamed at this moment; by component there is no such doubt. */
        if (errno == ENOSYS || errno == EPERM || errno == EINVAL) {
            by_component = true;
        } else if (errno != EAGAIN && errno != ENOTDIR) {
            return -1;
        }
    }
    return open_by_component(root, path, flags);
}

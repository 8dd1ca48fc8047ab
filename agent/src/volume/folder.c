/* Opens, creates and removes the folders that a path in a volume names. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "volume/beneath.h"
#include "volume/volume.h"

/* Sets exactly 0755 (and an inherited set-gid bit), independent of the umask. */
static int set_created_mode(int parent, const char *name) {
    int fd = open_folder(parent, name);
    struct stat status;
    int result = fd < 0 ? -1 : fstat(fd, &status);
    if (result == 0 && (status.st_mode & 0777) != 0755) {
        result = fchmod(fd, 0755 | (status.st_mode & S_ISGID));
    }
    close_fd(&fd);
    return result;
}

/* A beneath_step_fn that creates a missing folder. */
static int create_step(void *context, int parent, const char *name, const char *prefix) {
    struct folders_created *made = context;
    size_t length = name == prefix ? 0 : (size_t)(name - prefix) - 1;
    struct stat status;
    if (fstat(parent, &status) != 0) {
        return -1;
    }
    if (mkdirat(parent, name, 0755) == 0) {
        if (!made->any) {
            *made = (struct folders_created){true, length, status.st_mtim};
        }
        if (set_created_mode(parent, name) != 0) {
            return -1;
        }
    } else if (errno != EEXIST) {
        return -1;
    }
    return beneath_open(parent, name, O_PATH);
}

static int fail_create(int error, const char *path, struct failure *failure) {
    if (error == ENOTDIR) {
        return fail_path(failure, "PATH_CONFLICT", error, "a path leads through a file", path);
    }
    if (error == ELOOP) {
        return fail_path(failure, "UNSAFE_PATH", error, "a path leads through a symbolic link", path);
    }
    return fail_errno(failure, error, "creating a folder", path);
}

static int create_folders(int root, const char *path, struct folders_created *made, struct failure *failure) {
    char prefix[PATH_LENGTH_MAX + 1];
    return beneath_each(root, path, prefix, create_step, made) == 0 ? 0 : fail_create(errno, prefix, failure);
}

/*
 * Removes the folder `path`, and restores the mtime of its parent unless `mtime` is NULL. Returns
 * true if the folder does not exist either.
 */
static bool remove_created(int root, const char *path, const struct timespec *mtime) {
    const char *base = NULL;
    int parent = beneath_open_parent(root, path, O_RDONLY, &base);
    if (parent < 0) {
        return errno == ENOENT;
    }
    bool removed = unlinkat(parent, base, AT_REMOVEDIR) == 0 || errno == ENOENT;
    if (removed && mtime != NULL) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, *mtime};
        (void)futimens(parent, times);
    }
    close(parent);
    return removed;
}

void folder_remove_created(int root, const char *path, struct folders_created *made) {
    char prefix[PATH_LENGTH_MAX + 1], parent[PATH_LENGTH_MAX + 1];
    if (!made->any) {
        return;
    }
    strcpy(prefix, path);
    for (;;) {
        path_split(prefix, parent);
        size_t length = strlen(parent);
        bool last = length <= made->kept;
        if (!remove_created(root, prefix, last ? &made->mtime : NULL) || last) {
            break;
        }
        prefix[length] = '\0';
    }
    made->any = false;
}

int folder_open_forced(int parent, const char *name) {
    int fd = open_folder(parent, name);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW) == 0) {
        fd = open_folder(parent, name);
    }
    return fd;
}

int folder_open(int root, const char *path, struct folders_created *made, struct failure *failure) {
    if (made != NULL) {
        *made = (struct folders_created){0};
    }
    if (strlen(path) > PATH_LENGTH_MAX) {
        return fail_path(failure, "UNSAFE_PATH", 0, "a path is longer than 4095 bytes", path);
    }
    int fd = beneath_open(root, path, O_RDONLY);
    if (fd < 0 && errno == ENOENT && made != NULL) {
        if (create_folders(root, path, made, failure) != 0) {
            folder_remove_created(root, path, made);
            return -1;
        }
        fd = beneath_open(root, path, O_RDONLY);
    }
    if (fd >= 0) {
        return fd;
    }
    if (errno == ENOENT) {
        return fail_path(failure, "FILE_NOT_FOUND", errno, "opening a folder", path);
    }
    if (errno == ELOOP) {
        return fail_path(failure, "UNSAFE_PATH", errno, "a path leads through a symbolic link", path);
    }
    if (errno == ENOTDIR) {
        return fail_path(
            failure, made != NULL ? "PATH_CONFLICT" : "FILE_NOT_FOUND", errno, "a path leads through a file", path);
    }
    return fail_errno(failure, errno, "opening a folder", path);
}

#include "process/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

enum { LINKS_MAX = 40, PATH_BYTES_MAX = 4096 };

struct directory {
    /* NULL if not root: then the agent's own rights apply, and it owns what it creates */
    const struct user *user;
    int folder;
    /*
     * a link of an untrusted user was followed: nothing behind it is created with the agent's
     * rights
     */
    bool untrusted;
    bool stopped;
    int links;
    char rest[PATH_BYTES_MAX]; /* the part of the path that is not resolved yet */
};

static bool is_trusted(const struct directory *directory, uid_t uid) {
    return uid == 0 || uid == geteuid() ||
           (directory->user != NULL && directory->user->given && uid == directory->user->uid);
}

/* Prepends the link's target to the rest. */
static int follow(struct directory *directory, int link, const struct stat *status, const char *rest) {
    char target[PATH_BYTES_MAX];
    struct stat parent;
    if (++directory->links > LINKS_MAX) {
        errno = ELOOP;
        return -1;
    }
    if (directory->user != NULL && (fstat(directory->folder, &parent) != 0 ||
                                       (!is_trusted(directory, status->st_uid) && parent.st_uid != status->st_uid))) {
        errno = EPERM;
        return -1;
    }
    directory->untrusted = directory->untrusted || (status->st_uid != 0 && status->st_uid != geteuid());
    ssize_t length = readlinkat(link, "", target, sizeof target);
    if (length <= 0) {
        return -1;
    }
    if ((size_t)length + strlen(rest) + 1 >= sizeof target) {
        errno = ENAMETOOLONG;
        return -1;
    }
    target[length] = '/';
    memcpy(target + length + 1, rest, strlen(rest) + 1);
    memcpy(directory->rest, target, sizeof target);
    return 0;
}

static int create_missing(struct directory *directory, const char *name) {
    if (directory->user != NULL && directory->untrusted) {
        directory->stopped = true;
        errno = EPERM;
        return -1;
    }
    if (mkdirat(directory->folder, name, 0755) != 0) {
        return errno == EEXIST ? 0 : -1;
    }
    if (directory->user == NULL || !directory->user->given || geteuid() != 0) {
        return 0;
    }
    struct stat status;
    int fd = open_folder(directory->folder, name);
    /* The owner of the parent may have replaced the folder. */
    int result = fd < 0 || fstat(fd, &status) != 0 || status.st_uid != geteuid()
                     ? -1
                     : fchown(fd, directory->user->uid, directory->user->gid);
    errno = fd < 0 || result == 0 || status.st_uid == geteuid() ? errno : EPERM;
    close_fd(&fd);
    return result;
}

/* Enters `name`; returns 1 if it is a link, whose target then precedes the rest. */
static int step(struct directory *directory, const char *name, const char *rest) {
    struct stat status;
    int fd = openat(directory->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && create_missing(directory, name) == 0) {
        fd = openat(directory->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    }
    int result = fd < 0 || fstat(fd, &status) != 0 ? -1 : 0;
    if (result == 0 && S_ISLNK(status.st_mode)) {
        result = follow(directory, fd, &status, rest) == 0 ? 1 : -1;
    } else if (result == 0 && S_ISDIR(status.st_mode)) {
        close(directory->folder);
        directory->folder = fd;
        return 0;
    } else if (result == 0) {
        errno = ENOTDIR;
        result = -1;
    }
    close_fd(&fd);
    return result;
}

static int restart_at_root(struct directory *directory) {
    close_fd(&directory->folder);
    directory->folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return directory->folder < 0 ? -1 : 0;
}

static int resolve(struct directory *directory) {
    char path[PATH_BYTES_MAX], *at = path;
    memcpy(path, directory->rest, sizeof path);
    if (restart_at_root(directory) != 0) {
        return -1;
    }
    for (;;) {
        while (*at == '/') {
            at++;
        }
        if (*at == 0) {
            return 0;
        }
        char *name = at;
        at += strcspn(at, "/");
        if (*at != 0) {
            *at++ = 0;
        }
        int stepped = step(directory, name, at);
        if (stepped < 0) {
            return -1;
        }
        if (stepped == 0) {
            continue;
        }
        memcpy(path, directory->rest, sizeof path);
        at = path;
        if (path[0] == '/' && restart_at_root(directory) != 0) {
            return -1;
        }
    }
}

static int resolve_path(struct directory *directory, const char *path) {
    if (strlen(path) >= sizeof directory->rest) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memset(directory->rest, 0, sizeof directory->rest);
    memcpy(directory->rest, path, strlen(path));
    return resolve(directory);
}

int directory_make(const char *path, const struct user *user) {
    struct directory directory = {.user = geteuid() == 0 ? user : NULL, .folder = -1};
    int result = resolve_path(&directory, path);
    close_fd(&directory.folder);
    /* The second step continues with the rights of the command's user. */
    return result != 0 && directory.stopped && user->given && user->uid != geteuid() ? 0 : result;
}

int directory_open(const char *path, const struct user *user) {
    struct directory directory = {.user = geteuid() == 0 ? user : NULL, .folder = -1};
    if (resolve_path(&directory, path) == 0) {
        return directory.folder;
    }
    close_fd(&directory.folder);
    return -1;
}

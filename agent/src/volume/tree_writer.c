/*
 * Creates entries. The parent folder is cached, so that consecutive files of one folder need no
 * lookup.
 */
#include "volume/tree_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "volume/tree_writer_folders.h"

int tree_open(struct tree_writer *writer, int root, bool keep_owner, struct failure *failure) {
    struct stat status;
    *writer = (struct tree_writer){.root = root, .keep_owner = keep_owner && geteuid() == 0, .parent.folder = -1};
    spool_open(&writer->folders, root);
    if (fstat(root, &status) != 0) {
        return fail_errno(failure, errno, "reading a folder's status", NULL);
    }
    writer->inherited = status.st_mode & S_ISGID;
    writer->umask = umask(0);
    umask(writer->umask);
    return 0;
}

void tree_close(struct tree_writer *writer) {
    close_fd(&writer->parent.folder);
    spool_close(&writer->folders);
}

/* Fails because a component of an entry's path is not a folder, or for another reason. */
static int fail_create(struct failure *failure, int error, const char *path) {
    if (error == ELOOP) {
        return fail_path(failure, "UNSAFE_ARCHIVE_PATH", error, "an entry's path leads through a symbolic link", path);
    }
    if (error == ENOTDIR) {
        return fail_path(failure, "PATH_CONFLICT", error, "an entry's path leads through a file", path);
    }
    if (error == ENAMETOOLONG) {
        return fail_path(failure, "UNSUPPORTED_ENTRY", error, "creating an entry", path);
    }
    return fail_errno(failure, error, "creating an entry", path);
}

struct creation {
    struct tree_writer *writer;
    struct failure *failure;
};

/* A beneath_step_fn that creates a missing folder with implicit attributes. */
static int create_step(void *context, int parent, const char *name, const char *prefix) {
    static const struct tree_attributes implicit = {.mode = IMPLICIT_MODE, .uid = -1, .gid = -1, .implicit = true};
    const struct creation *creation = context;
    int made = mkdirat(parent, name, 0700);
    int next = made == 0 || errno == EEXIST ? beneath_open(parent, name, O_PATH) : -1;
    if (next >= 0 && made == 0 && tree_folder_defer(creation->writer, prefix, &implicit, creation->failure) != 0) {
        close_fd(&next);
    }
    return next;
}

/* Creates the missing folders of `path`. */
static int create_parents(struct tree_writer *writer, const char *path, struct failure *failure) {
    char prefix[PATH_LENGTH_MAX + 1];
    struct creation creation = {writer, failure};
    return beneath_each(writer->root, path, prefix, create_step, &creation) == 0 ? 0
                                                                                 : fail_create(failure, errno, prefix);
}

/* Opens the parent folder of `path`, creating it if necessary; sets `*base` to the name in it. */
static int open_parent(struct tree_writer *writer, const char *path, const char **base, struct failure *failure) {
    int parent = beneath_parent_open(&writer->parent, writer->root, path, base);
    if (parent < 0 && errno == ENOENT) {
        if (create_parents(writer, writer->parent.path, failure) != 0) {
            return -1;
        }
        parent = beneath_parent_open(&writer->parent, writer->root, path, base);
    }
    return parent < 0 ? fail_create(failure, errno, path) : parent;
}

/* Removes what an earlier entry of the same name created. */
static int remove_existing(int parent, const char *base, const char *path, struct failure *failure) {
    if (unlinkat(parent, base, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno == EISDIR) {
        return fail_path(failure, "PATH_CONFLICT", errno, "an entry would replace a folder", path);
    }
    return fail_errno(failure, errno, "replacing an entry", path);
}

static int set_owner(
    const struct tree_writer *writer, int parent, const char *base, int fd, const struct tree_attributes *attributes) {
    if (!writer->keep_owner) {
        return 0;
    }
    uid_t uid = tree_owner_id(attributes->uid);
    gid_t gid = tree_owner_id(attributes->gid);
    return fd >= 0 ? fchown(fd, uid, gid) : fchownat(parent, base, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int tree_folder(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure) {
    const char *base = NULL;
    int parent = open_parent(writer, path, &base, failure);
    if (parent < 0) {
        return -1;
    }
    int made = mkdirat(parent, base, 0700);
    if (made != 0 && errno == EEXIST) {
        struct stat status;
        made = fstatat(parent, base, &status, AT_SYMLINK_NOFOLLOW);
        if (made == 0 && !S_ISDIR(status.st_mode)) {
            if (remove_existing(parent, base, path, failure) != 0) {
                return -1;
            }
            made = mkdirat(parent, base, 0700);
        }
    }
    if (made != 0) {
        return fail_create(failure, errno, path);
    }
    return tree_folder_defer(writer, path, attributes, failure);
}

int tree_file(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure) {
    const char *base = NULL;
    int parent = open_parent(writer, path, &base, failure);
    if (parent < 0) {
        return -1;
    }
    int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    mode_t mode = attributes->mode & 0777;
    int fd = openat(parent, base, flags, mode);
    if (fd < 0 && errno == EEXIST) {
        if (remove_existing(parent, base, path, failure) != 0) {
            return -1;
        }
        fd = openat(parent, base, flags, mode);
    }
    if (fd < 0) {
        return fail_create(failure, errno, path);
    }
    bool mode_differs = (mode & writer->umask) != 0 || attributes->mode != mode;
    if (set_owner(writer, parent, base, fd, attributes) == 0 && (!mode_differs || fchmod(fd, attributes->mode) == 0)) {
        return fd;
    }
    fail_errno(failure, errno, "setting an entry's owner and mode", path);
    close(fd);
    return -1;
}

int tree_file_end(int file, const char *path, const struct tree_attributes *attributes, struct failure *failure) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, attributes->mtime};
    int error = futimens(file, times) == 0 ? 0 : errno;
    if (close(file) != 0 && error == 0) {
        error = errno;
    }
    return error == 0 ? 0 : fail_errno(failure, error, "finishing a file", path);
}

int tree_symlink(struct tree_writer *writer, const char *path, const char *target,
    const struct tree_attributes *attributes, struct failure *failure) {
    const char *base = NULL;
    int parent = open_parent(writer, path, &base, failure);
    if (parent < 0) {
        return -1;
    }
    int made = symlinkat(target, parent, base);
    if (made != 0 && errno == EEXIST) {
        if (remove_existing(parent, base, path, failure) != 0) {
            return -1;
        }
        made = symlinkat(target, parent, base);
    }
    if (made != 0) {
        return fail_create(failure, errno, path);
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, attributes->mtime};
    if (set_owner(writer, parent, base, -1, attributes) != 0 ||
        utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_errno(failure, errno, "setting a link's owner and time", path);
    }
    return 0;
}

/* Returns whether both names are the same file already. */
static bool same_file(int one, const char *one_name, int other, const char *other_name) {
    struct stat a;
    struct stat b;
    return fstatat(one, one_name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(other, other_name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int tree_hard_link(struct tree_writer *writer, const char *path, const char *existing, struct failure *failure) {
    const char *base = NULL, *existing_base = NULL;
    int parent = open_parent(writer, path, &base, failure);
    if (parent < 0) {
        return -1;
    }
    int from = beneath_open_parent(writer->root, existing, O_PATH, &existing_base);
    int made = from < 0 ? -1 : linkat(from, existing_base, parent, base, 0);
    int result = 0;
    if (made != 0 && from >= 0 && errno == EEXIST && !same_file(from, existing_base, parent, base)) {
        result = remove_existing(parent, base, path, failure);
        if (result == 0) {
            made = linkat(from, existing_base, parent, base, 0);
        }
    } else if (made != 0 && from >= 0 && errno == EEXIST) {
        made = 0;
    }
    int error = errno;
    close_fd(&from);
    if (made == 0 || result != 0) {
        return result;
    }
    if (error == ELOOP) {
        return fail_path(
            failure, "UNSAFE_ARCHIVE_PATH", error, "a hard link's target leads through a symbolic link", existing);
    }
    if (error == ENOENT || error == ENOTDIR || error == EPERM) {
        return fail_path(
            failure, "CORRUPT_ARCHIVE", error, "a hard link's target is not a file of the archive", existing);
    }
    return fail_create(failure, error, path);
}

/*
 * Copies a tree within a pod: by reflink if the file system supports it, else inside the kernel,
 * else by reading and writing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "volume/links.h"
#include "volume/pace.h"
#include "volume/source.h"
#include "volume/tree_writer.h"
#include "volume/volume.h"
#include "volume/walk.h"

#define BUFFER_SIZE (256u * 1024u)
/* Between two reads of the clock. */
#define PIECE_SIZE (8 * 1024 * 1024)

struct copying {
    struct tree_writer writer;
    struct links links;
    struct walk walk;
    struct pace pace;
    struct tree_stats *stats;
    bool no_clone;      /* refused once for this pair of file systems */
    bool no_copy_range; /* refused once for this pair of file systems */
    size_t path_max; /* of a path below the target */
    size_t prefix;       /* length of the part of walk paths above the source */
    uint8_t *buffer;
    char first[LINKS_NAME_MAX + 1];
    char target[PATH_LENGTH_MAX + 1];
};

static int fail_source(struct failure *failure, int error, const char *path) {
    return source_fail(failure, error, "a file changed while it was copied", path);
}

static struct tree_attributes attributes_of(const struct stat *status) {
    return (struct tree_attributes){.mode = status->st_mode & 01777, .uid = -1, .gid = -1, .mtime = status->st_mtim};
}

/*
 * Copies at most `length` bytes at `offset` of both files. Returns the number of bytes, 0 at the
 * end of the source, -1 with errno.
 */
static ssize_t copy_piece(struct copying *copying, int from, int to, off_t offset, size_t length) {
    if (!copying->no_copy_range) {
        loff_t in = offset;
        loff_t out = offset;
        ssize_t count = copy_file_range(from, &in, to, &out, length, 0);
        if (count >= 0 ||
            (errno != EXDEV && errno != ENOSYS && errno != EINVAL && errno != EOPNOTSUPP && errno != EPERM)) {
            return count;
        }
        copying->no_copy_range = true;
    }
    ssize_t count = pread(from, copying->buffer, length < BUFFER_SIZE ? length : BUFFER_SIZE, offset);
    return count < 0 || pwrite_all(to, copying->buffer, (size_t)count, (uint64_t)offset) == 0 ? count : -1;
}

static int copy_range(
    struct copying *copying, int from, int to, off_t start, off_t end, const char *path, struct failure *failure) {
    while (start < end) {
        size_t length = end - start < PIECE_SIZE ? (size_t)(end - start) : PIECE_SIZE;
        ssize_t count = copy_piece(copying, from, to, start, length);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return fail_errno(failure, errno, "copying a file", path);
        }
        if (count == 0) {
            return fail_path(failure, "FILE_CHANGED", 0, "a file became shorter while it was copied", path);
        }
        start += count;
        if (pace_step(&copying->pace, 0, (uint64_t)count, failure) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Copies only the parts with data, so that holes remain. */
static int copy_sparse(
    struct copying *copying, int from, int to, off_t size, const char *path, struct failure *failure) {
    off_t at = 0;
    while (at < size) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) {
            break;
        }
        off_t hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
        if (hole < 0) {
            data = at;
            hole = size;
        }
        if (data >= size) {
            break;
        }
        if (hole > size) {
            hole = size;
        }
        if (copy_range(copying, from, to, data, hole, path, failure) != 0) {
            return -1;
        }
        at = hole;
    }
    return ftruncate(to, size) == 0 ? 0 : fail_errno(failure, errno, "copying a file", path);
}

static int copy_content(
    struct copying *copying, int from, int to, const struct stat *status, const char *path, struct failure *failure) {
    if (status->st_size == 0) {
        return 0;
    }
    if (!copying->no_clone) {
        if (ioctl(to, FICLONE, from) == 0) {
            return pace_step(&copying->pace, 0, (uint64_t)status->st_size, failure);
        }
        if (errno == ENOSPC || errno == EDQUOT) {
            return fail_errno(failure, errno, "copying a file", path);
        }
        copying->no_clone = true;
    }
    if ((off_t)status->st_blocks * 512 < status->st_size) {
        return copy_sparse(copying, from, to, status->st_size, path, failure);
    }
    return copy_range(copying, from, to, 0, status->st_size, path, failure);
}

/* A file that has grown is truncated at its earlier size; see source_overwritten. */
static int check_unchanged(int from, const struct stat *before, const char *path, struct failure *failure) {
    struct stat status;
    if (fstat(from, &status) != 0) {
        return fail_source(failure, errno, path);
    }
    return source_overwritten(&status, &before->st_mtim, before->st_size)
               ? fail_path(failure, "FILE_CHANGED", 0, "a file was written to while it was copied", path)
               : 0;
}

static int copy_opened(
    struct copying *copying, int from, const char *path, const char *to_path, struct failure *failure) {
    struct stat status;
    if (fstat(from, &status) != 0) {
        return fail_source(failure, errno, path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail_source(failure, EINVAL, path);
    }
    int seen = links_add(&copying->links, &status, to_path, copying->first, failure);
    if (seen != 0) {
        return seen < 0 ? -1 : tree_hard_link(&copying->writer, to_path, copying->first, failure);
    }
    struct tree_attributes attributes = attributes_of(&status);
    int to = tree_file(&copying->writer, to_path, &attributes, failure);
    if (to < 0) {
        return -1;
    }
    int result = copy_content(copying, from, to, &status, path, failure);
    if (result == 0) {
        result = check_unchanged(from, &status, path, failure);
    }
    copying->stats->expanded_bytes += (uint64_t)status.st_size;
    return tree_file_end(to, to_path, &attributes, failure) == 0 ? result : -1;
}

static int copy_file(struct copying *copying, int folder, const char *name, const char *path, const char *to_path,
    struct failure *failure) {
    int from = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0) {
        return fail_source(failure, errno, path);
    }
    int result = copy_opened(copying, from, path, to_path, failure);
    close(from);
    return result;
}

static int copy_symlink(struct copying *copying, int folder, const char *name, const char *path, const char *to_path,
    struct failure *failure) {
    struct stat status;
    ssize_t length = readlinkat(folder, name, copying->target, sizeof copying->target);
    if (length < 0 || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_source(failure, errno, path);
    }
    if ((size_t)length == sizeof copying->target) {
        return fail_path(failure, "IO_ERROR", ENAMETOOLONG, "reading a symbolic link", path);
    }
    copying->target[length] = '\0';
    int seen = links_add(&copying->links, &status, to_path, copying->first, failure);
    if (seen != 0) {
        return seen < 0 ? -1 : tree_hard_link(&copying->writer, to_path, copying->first, failure);
    }
    struct tree_attributes attributes = attributes_of(&status);
    return tree_symlink(&copying->writer, to_path, copying->target, &attributes, failure);
}

static int copy_folder(struct copying *copying, int folder, const char *name, const char *path, const char *to_path,
    struct failure *failure) {
    struct stat status;
    int fd = open_folder(folder, name);
    if (fd < 0) {
        return fail_source(failure, errno, path);
    }
    if (fstat(fd, &status) != 0) {
        fail_source(failure, errno, path);
        close(fd);
        return -1;
    }
    struct tree_attributes attributes = attributes_of(&status);
    if (tree_folder(&copying->writer, to_path, &attributes, failure) == 0) {
        return walk_enter(&copying->walk, fd, failure);
    }
    close(fd);
    return -1;
}

static int copy_entry(struct copying *copying, int folder, const char *name, unsigned char type, const char *path,
    const char *to_path, struct failure *failure) {
    struct stat status;
    if (strncmp(to_path, JOURNAL_NAME, strlen(JOURNAL_NAME)) == 0) {
        return fail_path(failure, "UNSUPPORTED_ENTRY", 0, "a file has a reserved name", path);
    }
    if (strlen(to_path) > copying->path_max) {
        return fail_path(failure, "UNSUPPORTED_ENTRY", ENAMETOOLONG, "a path would be longer than 4095 bytes", path);
    }
    if (type == DT_UNKNOWN) {
        if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return fail_source(failure, errno, path);
        }
        type = (unsigned char)IFTODT(status.st_mode);
    }
    if (type != DT_REG && type != DT_DIR && type != DT_LNK) {
        copying->stats->skipped++;
        return 0;
    }
    copying->stats->entries++;
    int result = type == DT_REG   ? copy_file(copying, folder, name, path, to_path, failure)
                 : type == DT_DIR ? copy_folder(copying, folder, name, path, to_path, failure)
                                  : copy_symlink(copying, folder, name, path, to_path, failure);
    return result == 0 ? pace_step(&copying->pace, 1, 0, failure) : -1;
}

static int copy_single(struct copying *copying, int root, const char *path, struct failure *failure) {
    char folder_path[PATH_LENGTH_MAX + 1];
    const char *base = path_split(path, folder_path);
    struct stat status;
    int folder = folder_open(root, folder_path, NULL, failure);
    if (folder < 0) {
        return -1;
    }
    int result = 0;
    if (fstatat(folder, base, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        result = fail_path(failure, errno == ENOENT ? "FILE_NOT_FOUND" : "IO_ERROR", errno, "reading a file", path);
    } else {
        result = copy_entry(copying, folder, base, (unsigned char)IFTODT(status.st_mode), path, base, failure);
    }
    close(folder);
    return result;
}

static int copy_walked(void *context, struct failure *failure) {
    struct copying *copying = context;
    const struct walk *walk = &copying->walk;
    const char *to_path = walk->path + copying->prefix;
    return copy_entry(copying, walk->folder, walk->name, walk->type, walk->path, to_path, failure);
}

static int copy_at(struct copying *copying, int root, const char *path, struct failure *failure) {
    bool single;
    int folder = source_open(root, path, &single, failure);
    if (folder < 0) {
        return single ? copy_single(copying, root, path, failure) : -1;
    }
    copying->prefix = path[0] == '\0' ? 0 : strlen(path) + 1;
    return walk_each(&copying->walk, root, path, folder, copy_walked, copying, failure);
}

int copy_tree(int from, const char *path, const struct copy_target *to, progress_fn progress, void *context,
    struct tree_stats *stats, struct failure *failure) {
    char normal[PATH_LENGTH_MAX + 1];
    if (path_normal(path, normal, sizeof normal, failure) != 0) {
        return -1;
    }
    struct copying *copying = calloc(1, sizeof *copying);
    uint8_t *buffer = malloc(BUFFER_SIZE);
    int result = copying == NULL || buffer == NULL ? fail(failure, "IO_ERROR", "no memory for copying") : 0;
    if (result == 0) {
        result = tree_open(&copying->writer, to->folder, false, failure);
    }
    if (result == 0) {
        copying->buffer = buffer;
        copying->stats = stats;
        *stats = (struct tree_stats){0};
        links_open(&copying->links, to->folder);
        copying->path_max = path_room(to->path);
        pace_begin(&copying->pace, progress, context);
        result = copy_at(copying, from, normal, failure);
        if (result == 0) {
            result = tree_finish(&copying->writer, failure);
        }
        links_close(&copying->links);
        tree_close(&copying->writer);
    }
    free(buffer);
    free(copying);
    return result;
}

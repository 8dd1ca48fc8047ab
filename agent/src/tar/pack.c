/* Streams a tree as a tar archive. The same tree always produces the same bytes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "tar/tar_format.h"
#include "volume/links.h"
#include "volume/source.h"
#include "volume/volume.h"
#include "volume/walk.h"

enum stage { NEXT, IN_HEADER, IN_CONTENT, IN_ZEROS, LAST_ZEROS, DONE };

struct pack {
    struct pack_options options;
    enum stage stage;
    bool walking;
    mode_t
        /* set-gid bits of folders to keep: none if the volume's own folder has the bit (fsGroup) */
        set_gid;
    size_t prefix; /* length of the part of walk paths that is omitted from names */
    struct walk walk;
    struct links links;
    struct tree_stats stats;
    uint8_t header[TAR_HEADER_MAX];
    size_t header_size;
    size_t header_sent;
    int file; /* -1: none */
    int64_t size;
    int64_t remaining;
    size_t zeros;
    char path[PATH_LENGTH_MAX + 1]; /* of the file, for messages */
    char name[TAR_NAME_MAX + 1]; /* in the archive */
    char target[LINKS_NAME_MAX + 1];
    struct timespec changed; /* the file's mtime when its header was created */
};

static int fail_open(struct failure *failure, int error, const char *path) {
    return source_fail(failure, error, "a file changed while the folder was read", path);
}

static int put_header(
    struct pack *pack, enum tar_kind kind, const struct stat *status, const char *path, struct failure *failure) {
    struct tar_entry entry = {
        .kind = kind,
        .name = pack->name,
        .target = pack->target,
        .mode = (uint32_t)(status->st_mode & (S_ISDIR(status->st_mode) ? 01777 | pack->set_gid : 07777)),
        .uid = pack->options.keep_owner ? (int64_t)status->st_uid : 0,
        .gid = pack->options.keep_owner ? (int64_t)status->st_gid : 0,
        .mtime = status->st_mtim,
        .size = kind == TAR_FILE ? (int64_t)status->st_size : 0,
    };
    pack->header_size = tar_header_encode(&entry, pack->header, sizeof pack->header);
    if (pack->header_size == 0) {
        return fail_path(failure, "IO_ERROR", 0, "an entry's header is too long", path);
    }
    pack->header_sent = 0;
    pack->stage = IN_HEADER;
    pack->stats.entries++;
    pack->stats.expanded_bytes += (uint64_t)entry.size;
    return 0;
}

static int put_file(struct pack *pack, int fd, const struct stat *status, const char *path, struct failure *failure) {
    int seen = links_add(&pack->links, status, pack->name, pack->target, failure);
    if (seen != 0) {
        return seen < 0 ? -1 : put_header(pack, TAR_HARD_LINK, status, path, failure);
    }
    if (put_header(pack, TAR_FILE, status, path, failure) != 0) {
        return -1;
    }
    if (status->st_size == 0) {
        return 0;
    }
    strcpy(pack->path, path);
    pack->size = pack->remaining = status->st_size;
    pack->changed = status->st_mtim;
    pack->file = fd;
    return 0;
}

static int put_symlink(struct pack *pack, int folder, const char *name, const char *path, struct failure *failure) {
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_open(failure, errno, path);
    }
    int seen = links_add(&pack->links, &status, pack->name, pack->target, failure);
    if (seen != 0) {
        return seen < 0 ? -1 : put_header(pack, TAR_HARD_LINK, &status, path, failure);
    }
    ssize_t length = readlinkat(folder, name, pack->target, sizeof pack->target);
    if (length < 0) {
        return fail_open(failure, errno, path);
    }
    if ((size_t)length == sizeof pack->target) {
        return fail_path(failure, "IO_ERROR", ENAMETOOLONG, "reading a symbolic link", path);
    }
    pack->target[length] = '\0';
    return put_header(pack, TAR_SYMLINK, &status, path, failure);
}

static int put_folder(struct pack *pack, int folder, const char *name, const char *path, struct failure *failure) {
    struct stat status;
    int fd = open_folder(folder, name);
    if (fd < 0) {
        return fail_open(failure, errno, path);
    }
    strcat(pack->name, "/");
    int result = fstat(fd, &status) == 0 ? put_header(pack, TAR_FOLDER, &status, path, failure)
                                         : fail_open(failure, errno, path);
    if (result == 0) {
        return walk_enter(&pack->walk, fd, failure);
    }
    close(fd);
    return -1;
}

static int put_regular(struct pack *pack, int folder, const char *name, const char *path, struct failure *failure) {
    struct stat status;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return fail_open(failure, errno, path);
    }
    int result = fstat(fd, &status) != 0    ? fail_open(failure, errno, path)
                 : !S_ISREG(status.st_mode) ? fail_open(failure, EINVAL, path)
                                            : put_file(pack, fd, &status, path, failure);
    if (pack->file != fd) {
        close(fd);
    }
    return result;
}

static unsigned char type_of(int folder, const char *name) {
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return DT_REG; /* opening it reports the error */
    }
    return (unsigned char)IFTODT(status.st_mode);
}

/* Starts the entry whose archive name is in `pack->name`, by its type. */
static int put_entry(
    struct pack *pack, int folder, const char *name, unsigned char type, const char *path, struct failure *failure) {
    pack->target[0] = '\0';
    switch (type == DT_UNKNOWN ? type_of(folder, name) : type) {
    case DT_REG:
        return put_regular(pack, folder, name, path, failure);
    case DT_DIR:
        return put_folder(pack, folder, name, path, failure);
    case DT_LNK:
        return put_symlink(pack, folder, name, path, failure);
    default:
        pack->stats.skipped++;
        return 0;
    }
}

/* Starts the next entry of the tree; at its end, the two closing blocks. */
static int next_entry(struct pack *pack, struct failure *failure) {
    enum walk_step step = pack->walking ? walk_next(&pack->walk, failure) : WALK_END;
    if (step == WALK_FAILED) {
        return -1;
    }
    if (step == WALK_LEAVE) {
        return 0;
    }
    if (step == WALK_ENTRY) {
        memcpy(pack->name, "./", 2);
        strcpy(pack->name + 2, pack->walk.path + pack->prefix);
        return put_entry(pack, pack->walk.folder, pack->walk.name, pack->walk.type, pack->walk.path, failure);
    }
    pack->stage = LAST_ZEROS;
    pack->zeros = 2 * TAR_BLOCK;
    return 0;
}

/* Opens a path that is not a folder: an archive of one entry. */
static int open_single(struct pack *pack, int root, const char *path, enum pack_kind *kind, struct failure *failure) {
    char folder_path[PATH_LENGTH_MAX + 1];
    const char *base = path_split(path, folder_path);
    struct stat status;
    int folder = folder_open(root, folder_path, NULL, failure);
    if (folder < 0) {
        return -1;
    }
    int result = 0;
    if (fstatat(folder, base, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        const char *code = errno == ENOENT ? "FILE_NOT_FOUND" : NULL;
        result = code != NULL ? fail_path(failure, code, errno, "reading a file", path)
                              : fail_errno(failure, errno, "reading a file", path);
    } else {
        *kind = S_ISLNK(status.st_mode) ? PACK_SYMLINK : PACK_FILE;
        strcpy(pack->name, base);
        result = put_entry(pack, folder, base, (unsigned char)IFTODT(status.st_mode), path, failure);
    }
    close(folder);
    return result;
}

static int open_at(struct pack *pack, int root, const char *path, enum pack_kind *kind, struct failure *failure) {
    struct stat status;
    if (fstat(root, &status) != 0) {
        return fail_errno(failure, errno, "reading a folder's status", NULL);
    }
    pack->set_gid = (status.st_mode & S_ISGID) == 0 ? S_ISGID : 0;
    bool single;
    int folder = source_open(root, path, &single, failure);
    if (folder < 0) {
        return single ? open_single(pack, root, path, kind, failure) : -1;
    }
    *kind = PACK_DIRECTORY;
    pack->walking = true;
    pack->prefix = path[0] == '\0' ? 0 : strlen(path) + 1;
    return walk_open(&pack->walk, root, path, folder, failure);
}

struct pack *pack_open(
    int root, const char *path, const struct pack_options *options, enum pack_kind *kind, struct failure *failure) {
    char normal[PATH_LENGTH_MAX + 1];
    if (path_normal(path, normal, sizeof normal, failure) != 0) {
        return NULL;
    }
    struct pack *pack = calloc(1, sizeof *pack);
    if (pack == NULL) {
        fail(failure, "IO_ERROR", "no memory for packing");
        return NULL;
    }
    pack->options = *options;
    pack->file = -1;
    links_open(&pack->links, options->scratch > 0 ? options->scratch : root);
    if (open_at(pack, root, normal, kind, failure) == 0) {
        return pack;
    }
    pack_close(pack);
    return NULL;
}

/*
 * Checks a file that has been read. One that has grown is truncated to the size in its header. One
 * that has shrunk or was overwritten fails: the bytes that were read may be part old and part new.
 */
static int end_content(struct pack *pack, struct failure *failure) {
    struct stat status;
    if (fstat(pack->file, &status) != 0) {
        return fail_errno(failure, errno, "reading a file", pack->path);
    }
    if (source_overwritten(&status, &pack->changed, pack->size)) {
        return fail_path(failure, "FILE_CHANGED", 0, "a file was written to while it was read", pack->path);
    }
    close_fd(&pack->file);
    pack->stage = IN_ZEROS;
    return 0;
}

static int64_t read_content(struct pack *pack, uint8_t *to, size_t capacity, struct failure *failure) {
    size_t most = (uint64_t)pack->remaining < capacity ? (size_t)pack->remaining : capacity;
    ssize_t count = read(pack->file, to, most);
    if (count < 0 && errno == EINTR) {
        return 0;
    }
    if (count < 0) {
        return fail_errno(failure, errno, "reading a file", pack->path);
    }
    if (count == 0) {
        return fail_path(failure, "FILE_CHANGED", 0, "a file became shorter while it was read", pack->path);
    }
    pack->remaining -= count;
    return pack->remaining > 0 || end_content(pack, failure) == 0 ? count : -1;
}

static size_t smaller(size_t one, size_t other) {
    return one < other ? one : other;
}

static void end_header(struct pack *pack) {
    pack->stage = pack->file >= 0 ? IN_CONTENT : NEXT;
    /* Computed here, before reading the content decrements `remaining`. */
    pack->zeros = pack->file >= 0 ? tar_padding(pack->remaining) : 0;
}

/* Writes the next bytes, at most `capacity`; returns 0 if only the stage has changed. */
static int64_t produce(struct pack *pack, uint8_t *to, size_t capacity, struct failure *failure) {
    size_t part = 0;
    switch (pack->stage) {
    case NEXT:
        return next_entry(pack, failure);
    case IN_HEADER:
        part = smaller(pack->header_size - pack->header_sent, capacity);
        memcpy(to, pack->header + pack->header_sent, part);
        pack->header_sent += part;
        if (pack->header_sent == pack->header_size) {
            end_header(pack);
        }
        return (int64_t)part;
    case IN_CONTENT:
        return read_content(pack, to, capacity, failure);
    default:
        part = smaller(pack->zeros, capacity);
        memset(to, 0, part);
        pack->zeros -= part;
        if (pack->zeros == 0) {
            pack->stage = pack->stage == LAST_ZEROS ? DONE : NEXT;
        }
        return (int64_t)part;
    }
}

int64_t pack_read(struct pack *pack, uint8_t *buffer, size_t capacity, struct failure *failure) {
    size_t filled = 0;
    while (filled < capacity && pack->stage != DONE) {
        int64_t count = produce(pack, buffer + filled, capacity - filled, failure);
        if (count < 0) {
            return -1;
        }
        filled += (size_t)count;
    }
    return (int64_t)filled;
}

void pack_stats(const struct pack *pack, struct tree_stats *stats) {
    *stats = pack->stats;
}

void pack_close(struct pack *pack) {
    if (pack == NULL) {
        return;
    }
    close_fd(&pack->file);
    if (pack->walking) {
        walk_close(&pack->walk);
    }
    links_close(&pack->links);
    free(pack);
}

/*
 * Unpacks a tar archive into an empty folder; applies the policy on names, set-id bits and sizes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "tar/tar_format.h"
#include "volume/tree_writer.h"
#include "volume/volume.h"

/* Holes begin and end at multiples of this. */
#define HOLE_BLOCK (32 * 1024)

struct unpack {
    struct unpack_options options;
    struct tar_reader *reader;
    struct tree_writer writer;
    struct tree_stats stats;
    size_t path_max; /* of an entry, in bytes */
    int file; /* open for writing, -1: none */
    int64_t size;
    int64_t written;                  /* end of the bytes written to the file */
    struct tree_attributes attributes; /* of the file */
    char path[PATH_LENGTH_MAX + 1];      /* of the current entry, in normal form */
    char target[PATH_LENGTH_MAX + 1];
};

/*
 * Writes the normal form of a name; "" is the archive's root. `what` is "an entry" or "a hard
 * link's target".
 */
static int normal_path(
    const struct unpack *unpack, const char *what, const char *name, char *path, struct failure *failure) {
    struct failure ignored = {0};
    if (name[0] == '/') {
        return fail(failure, "UNSAFE_ARCHIVE_PATH", "%s has an absolute path", what);
    }
    bool is_normal = path_normal(name, path, PATH_LENGTH_MAX + 1, &ignored) == 0;
    if (!is_normal && strlen(name) <= PATH_LENGTH_MAX) {
        return fail(failure, "UNSAFE_ARCHIVE_PATH", "%s has a path with a \"..\" component", what);
    }
    /* A longer path could never be read again from the volume's root. */
    if (!is_normal || strlen(path) > unpack->path_max) {
        return fail(failure, "UNSUPPORTED_ENTRY", "%s has a path of more than %zu bytes", what, unpack->path_max);
    }
    if (strncmp(path, JOURNAL_NAME, strlen(JOURNAL_NAME)) == 0) {
        return fail(failure, "UNSUPPORTED_ENTRY", "%s has a reserved name", what);
    }
    return 0;
}

static int begin_file(struct unpack *unpack, const struct tar_entry *entry, struct failure *failure) {
    int64_t limit = unpack->options.expanded_limit;
    uint64_t total = unpack->stats.expanded_bytes + (uint64_t)entry->size;
    if (total > INT64_MAX) {
        return fail(
            failure, "ARTIFACT_TOO_LARGE", "the archive's files are larger than %lld bytes", (long long)INT64_MAX);
    }
    if (limit >= 0 && total > (uint64_t)limit) {
        fail(failure, "ARTIFACT_TOO_LARGE", "the archive's files are larger than %lld bytes", (long long)limit);
        failure->limit = limit;
        failure->bytes = (int64_t)total;
        return -1;
    }
    unpack->stats.expanded_bytes = total;
    unpack->size = entry->size;
    unpack->written = 0;
    unpack->file = tree_file(&unpack->writer, unpack->path, &unpack->attributes, failure);
    return unpack->file < 0 ? -1 : 0;
}

static int hard_link(struct unpack *unpack, const struct tar_entry *entry, struct failure *failure) {
    if (entry->target[0] == '\0') {
        return fail(failure, "CORRUPT_ARCHIVE", "a hard link has no target");
    }
    if (normal_path(unpack, "a hard link's target", entry->target, unpack->target, failure) != 0) {
        return -1;
    }
    if (unpack->target[0] == '\0') {
        return fail(failure, "CORRUPT_ARCHIVE", "a hard link to a folder");
    }
    return tree_hard_link(&unpack->writer, unpack->path, unpack->target, failure);
}

static int make_entry(struct unpack *unpack, const struct tar_entry *entry, struct failure *failure) {
    if (entry->name[0] == '\0') {
        return fail(failure, "CORRUPT_ARCHIVE", "an entry has no name");
    }
    if (normal_path(unpack, "an entry", entry->name, unpack->path, failure) != 0) {
        return -1;
    }
    if (unpack->path[0] == '\0') {
        if (entry->kind == TAR_FOLDER) {
            return 0;
        }
        return fail(failure, "CORRUPT_ARCHIVE", "the archive's root is not a folder");
    }
    if (unpack->options.set_id_error && (entry->mode & (S_ISUID | S_ISGID)) != 0 && entry->kind != TAR_SYMLINK) {
        return fail(failure, "UNSUPPORTED_ENTRY", "an entry has a set-id bit");
    }
    unpack->attributes = (struct tree_attributes){
        .mode = (mode_t)(entry->mode & 01777u), .uid = entry->uid, .gid = entry->gid, .mtime = entry->mtime};
    unpack->stats.entries++;
    switch (entry->kind) {
    case TAR_FOLDER:
        return tree_folder(&unpack->writer, unpack->path, &unpack->attributes, failure);
    case TAR_HARD_LINK:
        return hard_link(unpack, entry, failure);
    case TAR_SYMLINK:
        if (entry->target[0] == '\0') {
            return fail(failure, "CORRUPT_ARCHIVE", "a symbolic link has no target");
        }
        return tree_symlink(&unpack->writer, unpack->path, entry->target, &unpack->attributes, failure);
    default:
        return begin_file(unpack, entry, failure);
    }
}

static int on_entry(void *context, const struct tar_entry *entry, struct failure *failure) {
    return make_entry(context, entry, failure) == 0 ? 0 : fail_entry(failure, entry->name);
}

static int write_bytes(
    struct unpack *unpack, int64_t offset, const uint8_t *bytes, size_t length, struct failure *failure) {
    while (length > 0) {
        ssize_t count = pwrite(unpack->file, bytes, length, offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            /* Saved, since making room changes errno. */
            int error = count < 0 ? errno : EIO;
            if (error == ENOSPC && unpack->options.make_room != NULL &&
                unpack->options.make_room(unpack->options.context)) {
                continue;
            }
            fail_errno(failure, error, "writing a file", unpack->path);
            return fail_entry(failure, unpack->path);
        }
        bytes += count;
        length -= (size_t)count;
        offset += count;
    }
    unpack->written = offset;
    return 0;
}

/* Returns how many of `length` bytes from `offset` are in one block of the file. */
static size_t block_part(int64_t offset, size_t length) {
    size_t rest = HOLE_BLOCK - (size_t)(offset % HOLE_BLOCK);
    return rest < length ? rest : length;
}

/*
 * Skips zeros: the file is new, so they become holes. Archives from `pack` have no sparse maps,
 * which few programs read.
 */
static int on_content(void *context, int64_t offset, const uint8_t *bytes, size_t length, struct failure *failure) {
    struct unpack *unpack = context;
    while (length > 0) {
        size_t part = block_part(offset, length);
        bool hole = bytes_are_zero(bytes, part);
        while (!hole && part < length) {
            size_t next = block_part(offset + (int64_t)part, length - part);
            if (bytes_are_zero(bytes + part, next)) {
                break;
            }
            part += next;
        }
        if (!hole && write_bytes(unpack, offset, bytes, part, failure) != 0) {
            return -1;
        }
        offset += (int64_t)part;
        bytes += part;
        length -= part;
    }
    return 0;
}

static int on_end(void *context, struct failure *failure) {
    struct unpack *unpack = context;
    int file = unpack->file;
    unpack->file = -1;
    /* A file may end with a hole. */
    int error = unpack->written < unpack->size && ftruncate(file, unpack->size) != 0 ? errno : 0;
    int result = tree_file_end(file, unpack->path, &unpack->attributes, failure);
    if (error != 0) {
        result = fail_errno(failure, error, "extending a sparse file", unpack->path);
    }
    return result == 0 ? 0 : fail_entry(failure, unpack->path);
}

static const struct tar_sink sink = {on_entry, on_content, on_end};

struct unpack *unpack_open(int folder, const struct unpack_options *options, struct failure *failure) {
    struct unpack *unpack = calloc(1, sizeof *unpack);
    if (unpack == NULL) {
        fail(failure, "IO_ERROR", "no memory for unpacking");
        return NULL;
    }
    unpack->options = *options;
    unpack->file = -1;
    unpack->path_max = path_room(options->target);
    unpack->reader = tar_reader_open(&sink, unpack, failure);
    if (unpack->reader == NULL || tree_open(&unpack->writer, folder, options->keep_owner, failure) != 0) {
        tar_reader_close(unpack->reader);
        free(unpack);
        return NULL;
    }
    return unpack;
}

int unpack_feed(struct unpack *unpack, const uint8_t *bytes, size_t length, struct failure *failure) {
    return tar_reader_feed(unpack->reader, bytes, length, failure);
}

int unpack_finish(struct unpack *unpack, bool proven, struct tree_stats *stats, struct failure *failure) {
    if (tar_reader_finish(unpack->reader, proven, failure) != 0) {
        return -1;
    }
    *stats = unpack->stats;
    return tree_finish(&unpack->writer, failure);
}

void unpack_close(struct unpack *unpack) {
    if (unpack == NULL) {
        return;
    }
    close_fd(&unpack->file);
    tree_close(&unpack->writer);
    tar_reader_close(unpack->reader);
    free(unpack);
}

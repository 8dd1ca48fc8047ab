#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

#define SPOOL_MEMORY (256u * 1024u)
#define SPOOL_MEMORY_MAX (32u * 1024u * 1024u)

int unnamed_file(int folder) {
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL)) {
        return fd;
    }
    /* The file system has no unnamed files: create one under an unused name and unlink it. */
    for (int attempt = 0; attempt < 100; attempt++) {
        char name[64];
        snprintf(name, sizeof name, ".kw-spool-%ld-%d", (long)getpid(), attempt);
        fd = openat(folder, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0) {
            unlinkat(folder, name, 0);
            return fd;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return -1;
}

void spool_open(struct spool *spool, int folder) {
    *spool = (struct spool){.folder = folder, .file = -1};
}

void spool_close(struct spool *spool) {
    free(spool->buffer);
    close_fd(&spool->file);
    spool->buffer = NULL;
    spool->filled = spool->capacity = 0;
}

uint64_t spool_length(const struct spool *spool) {
    return spool->flushed + spool->filled;
}

/* Returns 0, or an errno; then all bytes are still in memory. */
static int flush(struct spool *spool) {
    if (pwrite_all(spool->file, spool->buffer, spool->filled, spool->flushed) != 0) {
        return errno;
    }
    spool->flushed += spool->filled;
    spool->filled = 0;
    return 0;
}

static int make_room(struct spool *spool, size_t length, struct failure *failure) {
    if (length > SPOOL_MEMORY) {
        return fail(failure, "IO_ERROR", "a record of %zu bytes is too long", length);
    }
    if (spool->capacity - spool->filled >= length) {
        return 0;
    }
    if (spool->buffer != NULL && spool->file < 0) {
        spool->file = unnamed_file(spool->folder);
    }
    int error = spool->file < 0 ? errno : spool->filled > 0 ? flush(spool) : 0;
    if (spool->file >= 0 && error == 0 && spool->capacity >= length) {
        return 0;
    }
    /* No file could be created, or the disk is full. Reading must still work in both cases. */
    if (spool->capacity >= SPOOL_MEMORY_MAX) {
        return fail_errno(failure, error, "writing a temporary file", NULL);
    }
    size_t capacity = spool->buffer == NULL ? SPOOL_MEMORY : spool->capacity * 2;
    uint8_t *grown = realloc(spool->buffer, capacity);
    if (grown == NULL) {
        return fail(failure, "IO_ERROR", "no memory for a list of entries");
    }
    spool->buffer = grown;
    spool->capacity = capacity;
    return 0;
}

int spool_append(struct spool *spool, const void *bytes, size_t length, struct failure *failure) {
    if (make_room(spool, length, failure) != 0) {
        return -1;
    }
    memcpy(spool->buffer + spool->filled, bytes, length);
    spool->filled += length;
    return 0;
}

int spool_read(const struct spool *spool, uint64_t offset, void *bytes, size_t length, struct failure *failure) {
    if (offset > spool_length(spool) || length > spool_length(spool) - offset) {
        return fail(failure, "IO_ERROR", "a list of entries is broken");
    }
    uint8_t *to = bytes;
    while (length > 0 && offset < spool->flushed) {
        size_t part = length < spool->flushed - offset ? length : (size_t)(spool->flushed - offset);
        ssize_t count = pread(spool->file, to, part, (off_t)offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return fail_errno(failure, count < 0 ? errno : EIO, "reading a temporary file", NULL);
        }
        to += count;
        offset += (uint64_t)count;
        length -= (size_t)count;
    }
    if (length > 0) {
        memcpy(to, spool->buffer + (offset - spool->flushed), length);
    }
    return 0;
}

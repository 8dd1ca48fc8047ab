#include "process/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

static void name_of(char name[32], int stream, uint64_t segment) {
    snprintf(name, 32, "%s.%llu", stream == 1 ? "stdout" : "stderr", (unsigned long long)segment);
}

void output_begin(struct output *output, int folder, int stream) {
    *output = (struct output){.folder = folder, .stream = stream, .fd = -1};
}

static int open_segment(struct output *output) {
    char name[32];
    name_of(name, output->stream, output->end / SEGMENT_BYTES);
    output->fd = openat(output->folder, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return output->fd < 0 ? -1 : 0;
}

size_t output_append(struct output *output, const uint8_t *bytes, size_t length) {
    size_t done = 0;
    while (done < length) {
        if (output->fd < 0 && open_segment(output) != 0) {
            break;
        }
        uint64_t inside = output->end % SEGMENT_BYTES, room = SEGMENT_BYTES - inside;
        size_t piece = length - done < room ? length - done : (size_t)room;
        ssize_t written = pwrite(output->fd, bytes + done, piece, (off_t)inside);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            break;
        }
        done += (size_t)written;
        output->end += (uint64_t)written;
        if (output->end % SEGMENT_BYTES == 0) {
            close_fd(&output->fd);
        }
    }
    return done;
}

void output_trim(struct output *output, uint64_t retain) {
    uint64_t kept = output->end > retain ? output->end - retain : 0;
    uint64_t free_below = output->durable < kept ? output->durable : kept;
    while (output->first / SEGMENT_BYTES < free_below / SEGMENT_BYTES) {
        char name[32];
        name_of(name, output->stream, output->first / SEGMENT_BYTES);
        if (unlinkat(output->folder, name, 0) != 0 && errno != ENOENT) {
            return;
        }
        output->first = (output->first / SEGMENT_BYTES + 1) * SEGMENT_BYTES;
    }
}

/*
 * The content of the file `freed`, one mark per stream. Other processes read it while it is
 * written, so it has a check.
 */
struct freed_mark {
    uint64_t first, check;
};

static int open_freed(int folder, int flags) {
    return openat(folder, "freed", flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

int output_prepare(int folder) {
    static const struct freed_mark NONE[2] = {{0, UINT64_MAX}, {0, UINT64_MAX}};
    int fd = open_freed(folder, O_WRONLY | O_CREAT);
    if (fd < 0) {
        return -1;
    }
    int result = write_all(fd, NONE, sizeof NONE);
    close(fd);
    return result;
}

static int publish_first(const struct output *output, uint64_t first) {
    struct freed_mark mark = {first, ~first};
    int fd = open_freed(output->folder, O_WRONLY);
    if (fd < 0) {
        return -1;
    }
    ssize_t put = pwrite(fd, &mark, sizeof mark, (off_t)(output->stream - 1) * (off_t)sizeof mark);
    close(fd);
    return put == (ssize_t)sizeof mark ? 0 : -1;
}

static uint64_t freed_below(int fd, int stream) {
    struct freed_mark mark;
    for (int i = 0; fd >= 0 && i < 1000; i++) {
        if (pread(fd, &mark, sizeof mark, (off_t)(stream - 1) * (off_t)sizeof mark) == (ssize_t)sizeof mark &&
            mark.check == ~mark.first) {
            return mark.first;
        }
    }
    return 0;
}

void output_free(struct output *output) {
    char name[32];
    struct stat stat;
    uint64_t start = output->durable - output->durable % SEGMENT_BYTES;
    output_trim(output, 0);
    if (output->first < start) {
        return;
    }
    name_of(name, output->stream, start / SEGMENT_BYTES);
    int fd = openat(output->folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return;
    }
    /* Whole blocks only: the rest of a partial block would read as zeros. */
    if (fstat(fd, &stat) == 0 && stat.st_blksize > 0) {
        uint64_t first = output->durable - (output->durable - start) % (uint64_t)stat.st_blksize;
        /* Readers check the mark after reading, so it is written before the bytes are removed. */
        if (first > output->first && publish_first(output, first) == 0) {
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(output->first - start),
                (off_t)(first - output->first));
            output->first = first;
        }
    }
    close(fd);
}

static int sync_segment(const struct output *output, uint64_t segment) {
    char name[32];
    name_of(name, output->stream, segment);
    int fd = openat(output->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    int result = fdatasync(fd);
    close_fd(&fd);
    return result;
}

int output_sync(const struct output *output) {
    uint64_t from = output->durable > output->first ? output->durable : output->first;
    for (uint64_t segment = from / SEGMENT_BYTES; segment * SEGMENT_BYTES < output->end; segment++) {
        if (sync_segment(output, segment) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Calls `visit` for each segment file in the folder. */
static void each_segment(
    int folder, void (*visit)(void *context, const char *name, int stream, uint64_t segment), void *context) {
    DIR *listing = open_listing(folder);
    const struct dirent *entry;
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        int stream = strncmp(entry->d_name, "stdout.", 7) == 0 ? 1 : strncmp(entry->d_name, "stderr.", 7) == 0 ? 2 : 0;
        char *end;
        uint64_t segment = stream == 0 ? 0 : strtoull(entry->d_name + 7, &end, 10);
        if (stream != 0 && end != entry->d_name + 7 && *end == 0) {
            visit(context, entry->d_name, stream, segment);
        }
    }
    if (listing != NULL) {
        closedir(listing);
    }
}

struct inspection {
    struct output *output;
    uint64_t lowest, highest;
};

static void inspect(void *context, const char *name, int stream, uint64_t segment) {
    struct inspection *inspection = context;
    struct stat stat;
    if (stream != inspection->output->stream ||
        fstatat(inspection->output->folder, name, &stat, AT_SYMLINK_NOFOLLOW) != 0) {
        return;
    }
    if (segment <= inspection->lowest) {
        inspection->lowest = segment;
    }
    if (segment >= inspection->highest) {
        inspection->highest = segment;
        inspection->output->end = segment * SEGMENT_BYTES + (uint64_t)stat.st_size;
    }
}

void output_inspect(struct output *output) {
    struct inspection inspection = {output, UINT64_MAX, 0};
    each_segment(output->folder, inspect, &inspection);
    output->first = inspection.lowest == UINT64_MAX ? 0 : inspection.lowest * SEGMENT_BYTES;
    int fd = open_freed(output->folder, O_RDONLY);
    uint64_t freed = freed_below(fd, output->stream);
    close_fd(&fd);
    if (freed > output->first) {
        output->first = freed;
    }
}

static void unlink_segment(void *context, const char *name, int stream, uint64_t segment) {
    (void)stream;
    (void)segment;
    unlinkat(*(int *)context, name, 0);
}

void output_remove(int folder) {
    each_segment(folder, unlink_segment, &folder);
    unlinkat(folder, "freed", 0);
}

ssize_t output_read(struct output_reader *reader, uint64_t offset, uint8_t *bytes, size_t length) {
    uint64_t segment = offset / SEGMENT_BYTES, inside = offset % SEGMENT_BYTES;
    if (reader->fd < 0 || reader->segment != segment) {
        char name[32];
        close_fd(&reader->fd);
        name_of(name, reader->stream, segment);
        reader->fd = openat(reader->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (reader->fd < 0) {
            return -1;
        }
        reader->segment = segment;
    }
    if (length > SEGMENT_BYTES - inside) {
        length = (size_t)(SEGMENT_BYTES - inside);
    }
    ssize_t got;
    do {
        got = pread(reader->fd, bytes, length, (off_t)inside);
    } while (got < 0 && errno == EINTR);
    if (reader->freed < 0) {
        reader->freed = open_freed(reader->folder, O_RDONLY);
    }
    if (got > 0 && freed_below(reader->freed, reader->stream) > offset) {
        errno = ENOENT;
        return -1;
    }
    return got;
}

void output_reader_close(struct output_reader *reader) {
    close_fd(&reader->fd);
    close_fd(&reader->freed);
}

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive_file.h"
#include "base/io.h"
#include "transfer/outgoing.h"

struct archive_read {
    struct archive_key key;
    int fd;
    int64_t size; /* when it was opened: bytes that are added later are not sent */
    int64_t at;   /* the next offset in the file */
};

static int64_t read_file_part(void *context, uint8_t *bytes, size_t capacity, struct failure *failure) {
    struct archive_read *archive = context;
    int64_t left = archive->size - archive->at;
    if (left <= 0) {
        return 0;
    }
    ssize_t count;
    do {
        count = pread(archive->fd, bytes, left < (int64_t)capacity ? (size_t)left : capacity, (off_t)archive->at);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return fail_errno(failure, errno, "reading an archive", archive->key.text);
    }
    if (count == 0) {
        return fail_path(failure, "FILE_CHANGED", 0, "an archive became shorter while it was read", archive->key.text);
    }
    archive->at += count;
    return count;
}

static void put_opened(const void *context, struct json_out *out) {
    const struct archive_read *archive = context;
    json_put_text(out, "kind", "file");
    json_put_number(out, "size", archive->size);
}

static void put_result(const void *context, struct json_out *out) {
    (void)context;
    json_put_number(out, "entries", 1);
}

/* Returns the descriptor, or -1 with errno. */
static int open_file(struct session *session, const struct archive_key *key) {
    bool missing;
    int folder = archive_folder_open(session->state, key, &missing, &session->failure);
    if (folder < 0) {
        errno = missing ? ENOENT : EIO;
        return -1;
    }
    /* The flag matters only if the name is that of a fifo, which is refused later. */
    int fd = openat(folder, key->parts[2], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    close_fd(&folder);
    return fd;
}

static int begin(struct session *session, const struct json *open, struct archive_read *archive) {
    struct failure *failure = &session->failure;
    struct archive_key *key = &archive->key;
    struct stat status;
    if (archive_key_read(open, key, failure) != 0 ||
        open_integer(open, "offset", 0, INT64_MAX, 0, &archive->at, failure) != 0) {
        return -1;
    }
    archive->fd = open_file(session, key);
    if (archive->fd < 0) {
        return errno == ENOENT ? fail_path(failure, "ARCHIVE_MISSING", errno, "opening an archive", key->text)
                               : fail_errno(failure, errno, "opening an archive", key->text);
    }
    if (fstat(archive->fd, &status) != 0) {
        return fail_errno(failure, errno, "opening an archive", key->text);
    }
    if (!S_ISREG(status.st_mode)) {
        return fail_path(failure, "IO_ERROR", 0, "an archive is not a regular file", key->text);
    }
    archive->size = status.st_size;
    return 0;
}

int operation_archive_read(struct session *session, const struct json *open) {
    struct archive_read archive = {.fd = -1};
    struct outgoing outgoing = {.session = session,
        .source = read_file_part,
        .put_opened = put_opened,
        .put_result = put_result,
        .context = &archive};
    if (outgoing_acquire(&outgoing, open) <= 0) {
        return OPERATION_FAILED;
    }
    int result = outgoing_begin(&outgoing, open) == 0 ? begin(session, open, &archive) : -1;
    result = outgoing_answer(&outgoing, result);
    close_fd(&archive.fd);
    outgoing_free(&outgoing);
    return result;
}

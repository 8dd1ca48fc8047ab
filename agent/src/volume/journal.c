#include "volume/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "volume/tree_writer.h"
#include "volume/volume.h"

#define NEW_NAME JOURNAL_NAME ".new"

/* A record is its head, the path and its total length, so that records can be read backwards. */
struct head {
    uint32_t length; /* of the path */
    uint32_t mode;
    int64_t seconds;
    int64_t nanoseconds; /* -1: no time */
};

static int fail_broken(struct failure *failure) {
    return fail(failure, "IO_ERROR", "a commit's journal is broken");
}

static int fail_write(struct failure *failure) {
    return fail_errno(failure, errno, "writing a commit's journal", NULL);
}

int journal_open(struct journal *journal, int staging, struct failure *failure) {
    struct stat status;
    *journal = (struct journal){.staging = staging};
    spool_open(&journal->records, staging);
    int file = openat(staging, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        return 0;
    }
    if (file < 0 || fstat(file, &status) != 0) {
        return fail_errno(failure, errno, "reading a commit's journal", NULL);
    }
    journal->found = true;
    journal->records.file = file;
    journal->records.flushed = (uint64_t)status.st_size;
    return 0;
}

int journal_add(struct journal *journal, const struct journal_entry *entry, struct failure *failure) {
    uint8_t record[sizeof(struct head) + PATH_LENGTH_MAX + sizeof(uint32_t)];
    struct head head = {
        .length = (uint32_t)strlen(entry->path),
        .mode = (uint32_t)entry->mode,
        .seconds = (int64_t)entry->mtime.tv_sec,
        .nanoseconds = entry->has_time ? (int64_t)entry->mtime.tv_nsec : -1,
    };
    uint32_t total = (uint32_t)(sizeof head + head.length + sizeof total);
    memcpy(record, &head, sizeof head);
    memcpy(record + sizeof head, entry->path, head.length);
    memcpy(record + sizeof head + head.length, &total, sizeof total);
    return spool_append(&journal->records, record, total, failure);
}

static int copy_records(const struct journal *journal, int file, struct failure *failure) {
    uint8_t buffer[16384];
    uint64_t end = journal_end(journal);
    for (uint64_t at = 0; at < end;) {
        size_t part = end - at < sizeof buffer ? (size_t)(end - at) : sizeof buffer;
        if (spool_read(&journal->records, at, buffer, part, failure) != 0) {
            return -1;
        }
        if (write_all(file, buffer, part) != 0) {
            return fail_write(failure);
        }
        at += part;
    }
    if (fsync(file) != 0) {
        return fail_write(failure);
    }
    return 0;
}

/*
 * Reads from the saved file from now on. Some file systems list an open unnamed file in its folder,
 * where it would be taken for content.
 */
static int use_saved(struct journal *journal, struct failure *failure) {
    uint64_t end = journal_end(journal);
    int file = openat(journal->staging, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) {
        return fail_errno(failure, errno, "reading a commit's journal", NULL);
    }
    spool_close(&journal->records);
    journal->records.file = file;
    journal->records.flushed = end;
    return 0;
}

int journal_save(struct journal *journal, struct failure *failure) {
    if (journal_end(journal) == 0) {
        return 0;
    }
    int file = openat(journal->staging, NEW_NAME, O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) {
        return fail_write(failure);
    }
    int result = copy_records(journal, file, failure);
    close(file);
    if (result != 0) {
        return -1;
    }
    if (renameat(journal->staging, NEW_NAME, journal->staging, JOURNAL_NAME) != 0) {
        return fail_write(failure);
    }
    if (fsync(journal->staging) != 0) {
        return fail_write(failure);
    }
    return journal->records.file >= 0 ? use_saved(journal, failure) : 0;
}

uint64_t journal_end(const struct journal *journal) {
    return spool_length(&journal->records);
}

/*
 * Reads and validates the record at `position`, since the file was in a volume's folder. Returns
 * its length, or -1.
 */
static int64_t read_record(
    const struct journal *journal, uint64_t position, struct journal_entry *entry, struct failure *failure) {
    struct head head;
    struct failure ignored = {0};
    if (spool_read(&journal->records, position, &head, sizeof head, failure) != 0) {
        return -1;
    }
    if (head.length > PATH_LENGTH_MAX || head.nanoseconds >= 1000000000) {
        return fail_broken(failure);
    }
    if (spool_read(&journal->records, position + sizeof head, entry->path, head.length, failure) != 0) {
        return -1;
    }
    entry->path[head.length] = '\0';
    char normal[PATH_LENGTH_MAX + 1];
    if (path_normal(entry->path, normal, sizeof normal, &ignored) != 0 || strcmp(normal, entry->path) != 0) {
        return fail_broken(failure);
    }
    entry->mode = (mode_t)(head.mode & 01777u);
    entry->has_time = head.nanoseconds >= 0;
    entry->mtime =
        (struct timespec){.tv_sec = (time_t)head.seconds, .tv_nsec = entry->has_time ? (long)head.nanoseconds : 0};
    return (int64_t)(sizeof head + head.length + sizeof(uint32_t));
}

int journal_next(
    const struct journal *journal, uint64_t *position, struct journal_entry *entry, struct failure *failure) {
    if (*position >= journal_end(journal)) {
        return 0;
    }
    int64_t length = read_record(journal, *position, entry, failure);
    if (length < 0) {
        return -1;
    }
    *position += (uint64_t)length;
    return 1;
}

int journal_previous(
    const struct journal *journal, uint64_t *position, struct journal_entry *entry, struct failure *failure) {
    uint32_t total = 0;
    if (*position == 0) {
        return 0;
    }
    if (*position < sizeof total) {
        return fail_broken(failure);
    }
    if (spool_read(&journal->records, *position - sizeof total, &total, sizeof total, failure) != 0) {
        return -1;
    }
    if (total < sizeof(struct head) + sizeof total || total > *position) {
        return fail_broken(failure);
    }
    int64_t length = read_record(journal, *position - total, entry, failure);
    if (length < 0) {
        return -1;
    }
    if ((uint64_t)length != total) {
        return fail_broken(failure);
    }
    *position -= total;
    return 1;
}

void journal_close(struct journal *journal) {
    spool_close(&journal->records);
}

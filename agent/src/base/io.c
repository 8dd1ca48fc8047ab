#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t wall_ms(void) {
    return clock_ms(CLOCK_REALTIME);
}

int64_t steady_ms(void) {
    return clock_ms(CLOCK_MONOTONIC);
}

void sleep_ms(int64_t ms) {
    struct timespec pause = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

int write_all(int fd, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && errno != EINTR) {
            return -1;
        }
        if (written > 0) {
            at += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

int pwrite_all(int fd, const void *bytes, size_t length, uint64_t offset) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = pwrite(fd, at, length, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written < 0 ? errno : EIO;
            return -1;
        }
        at += written;
        offset += (uint64_t)written;
        length -= (size_t)written;
    }
    return 0;
}

size_t read_all(int fd, void *bytes, size_t length) {
    char *at = bytes;
    size_t done = 0;
    ssize_t got;
    while (done < length && (got = read(fd, at + done, length - done)) != 0) {
        if (got > 0) {
            done += (size_t)got;
        } else if (errno != EINTR) {
            break;
        }
    }
    return done;
}

ssize_t read_file(int folder, const char *name, char *buffer, size_t capacity) {
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -1;
    }
    size_t length = 0;
    ssize_t got;
    while (length < capacity - 1 && (got = read(fd, buffer + length, capacity - 1 - length)) != 0) {
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            close_fd(&fd);
            return -1;
        }
        length += (size_t)got;
    }
    close(fd);
    buffer[length] = 0;
    return (ssize_t)length;
}

int entry_exists(int folder, const char *name) {
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return 1;
    }
    return errno == ENOENT ? 0 : -1;
}

static int open_temporary(int folder, const char *name, char temporary[300]) {
    snprintf(temporary, 300, ".%s.new", name);
    return openat(folder, temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void remove_temporary(int folder, const char *name) {
    char temporary[300];
    int error = errno;
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    unlinkat(folder, temporary, 0);
    errno = error;
}

int reserve_file(int folder, const char *name, size_t length) {
    static const char ZEROS[4096];
    char temporary[300];
    int fd = open_temporary(folder, name, temporary);
    if (fd < 0) {
        return -1;
    }
    /* Some file systems cannot preallocate. Zeros are written there instead. */
    int error = posix_fallocate(fd, 0, (off_t)length);
    for (size_t done = 0; error != 0 && error != ENOSPC && error != EDQUOT && done < length; done += sizeof ZEROS) {
        error = write_all(fd, ZEROS, sizeof ZEROS) == 0 ? (done + sizeof ZEROS < length ? EOPNOTSUPP : 0) : errno;
    }
    close(fd);
    errno = error;
    return error == 0 ? 0 : -1;
}

/*
 * Writes the temporary file durably and renames it. Returns the descriptor, or -1; then the
 * temporary file remains.
 */
static int put_file(int folder, const char *name, const char *bytes, size_t length, bool lock) {
    char temporary[300];
    int fd = open_temporary(folder, name, temporary);
    if (fd < 0) {
        return -1;
    }
    /*
     * Overwrites the file and truncates it afterwards: truncating first would free its reserved
     * blocks.
     */
    if ((!lock || flock(fd, LOCK_EX | LOCK_NB) == 0) && write_all(fd, bytes, length) == 0 &&
        ftruncate(fd, (off_t)length) == 0 && fsync(fd) == 0 && renameat(folder, temporary, folder, name) == 0 &&
        fsync(folder) == 0) {
        return fd;
    }
    close_fd(&fd);
    return -1;
}

int write_locked(int folder, const char *name, const char *bytes, size_t length) {
    int fd = put_file(folder, name, bytes, length, true);
    if (fd < 0) {
        remove_temporary(folder, name);
    }
    return fd;
}

int write_reserved(int folder, const char *name, const char *bytes, size_t length) {
    int fd = put_file(folder, name, bytes, length, false);
    if (fd < 0) {
        return -1;
    }
    close(fd);
    return 0;
}

int write_durably(int folder, const char *name, const char *bytes, size_t length) {
    if (write_reserved(folder, name, bytes, length) == 0) {
        return 0;
    }
    remove_temporary(folder, name);
    return -1;
}

int open_folder(int parent, const char *name) {
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int create_folder(int parent, const char *name, mode_t mode) {
    return mkdirat(parent, name, mode) != 0 && errno != EEXIST ? -1 : open_folder(parent, name);
}

int restrict_to_owner(int folder) {
    struct stat status;
    if (fstat(folder, &status) != 0) {
        return -1;
    }
    return status.st_uid != geteuid() || (status.st_mode & 022) == 0 ? 0 : fchmod(folder, status.st_mode & 07755);
}

void close_on_exec_from(int lowest) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)lowest, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) == 0) {
        return;
    }
#endif
    for (int fd = lowest; fd < 4096; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

int set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

DIR *open_listing(int folder) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = copy < 0 ? NULL : fdopendir(copy);
    if (listing == NULL) {
        close_fd(&copy);
    }
    return listing;
}

void close_fd(int *fd) {
    if (*fd >= 0) {
        int error = errno;
        close(*fd);
        errno = error;
    }
    *fd = -1;
}

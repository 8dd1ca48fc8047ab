#include "archive/archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

/* A folder that is removed meanwhile is created again. */
enum { FOLDER_ATTEMPTS = 5 };
enum { FOLDER_MODE = 0755, FILE_MODE = 0644 };

int archives_open(const struct state *state, struct failure *failure) {
    int folder = create_folder(state->root, "archives", FOLDER_MODE);
    return folder >= 0 ? folder : fail_errno(failure, errno, "opening the folder of archives", "archives");
}

int archive_folder_open(
    const struct state *state, const struct archive_key *key, bool *missing, struct failure *failure) {
    int folder = archives_open(state, failure);
    *missing = false;
    for (int i = 0; i < ARCHIVE_KEY_PARTS - 1 && folder >= 0; i++) {
        int child = open_folder(folder, key->parts[i]);
        close_fd(&folder);
        if (child < 0) {
            *missing = errno == ENOENT;
            return *missing ? -1 : fail_errno(failure, errno, "opening the folder of an archive", key->text);
        }
        folder = child;
    }
    return folder;
}

/* Creates the folders of the key as far as they are missing; -1 with errno. */
static int create_folders(int archives, const struct archive_key *key) {
    int first = create_folder(archives, key->parts[0], FOLDER_MODE);
    int second = first < 0 ? -1 : create_folder(first, key->parts[1], FOLDER_MODE);
    close_fd(&first);
    return second;
}

static int create_file(int archives, struct archive_file *file) {
    const struct archive_key *key = file->key;
    file->folder = create_folders(archives, key);
    if (file->folder < 0) {
        return -1;
    }
    file->fd =
        openat(file->folder, key->parts[2], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)FILE_MODE);
    return file->fd < 0 ? -1 : 0;
}

int archive_file_create(
    const struct state *state, const struct archive_key *key, struct archive_file *file, struct failure *failure) {
    int archives = archives_open(state, failure), result = -1;
    if (archives < 0) {
        return -1;
    }
    file->key = key;
    for (int attempt = 0; attempt < FOLDER_ATTEMPTS; attempt++) {
        close_fd(&file->folder);
        result = create_file(archives, file);
        if (result == 0 || errno != ENOENT) {
            break;
        }
    }
    close_fd(&archives);
    file->created = result == 0;
    if (result == 0) {
        return 0;
    }
    return file->folder >= 0 && errno == EEXIST
               ? fail_path(failure, "ARCHIVE_EXISTS", errno, "creating an archive", key->text)
               : fail_errno(failure, errno, "creating an archive", key->text);
}

int archive_file_write(struct archive_file *file, const uint8_t *bytes, size_t length, struct failure *failure) {
    if (write_all(file->fd, bytes, length) != 0) {
        return fail_errno(failure, errno, "writing an archive", file->key->text);
    }
    file->written += length;
    return 0;
}

/* Some file systems cannot flush a file, and complete it when it is closed. */
static int flush(int fd) {
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
}

static int check_size(const struct archive_file *file, struct failure *failure) {
    const char *key = file->key->text;
    struct stat status;
    if (fstatat(file->folder, file->key->parts[2], &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_errno(failure, errno, "checking the size of an archive", key);
    }
    if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size != file->written) {
        return fail_path(failure, "IO_ERROR", 0, "an archive has another size than what was written", key);
    }
    return 0;
}

int archive_file_finish(struct archive_file *file, struct failure *failure) {
    const char *key = file->key->text;
    if (flush(file->fd) != 0) {
        return fail_errno(failure, errno, "flushing an archive", key);
    }
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0) {
        return fail_errno(failure, errno, "closing an archive", key);
    }
    return check_size(file, failure);
}

void archive_file_close(struct archive_file *file, bool keep) {
    close_fd(&file->fd);
    if (file->created && !keep) {
        unlinkat(file->folder, file->key->parts[2], 0);
    }
    close_fd(&file->folder);
}

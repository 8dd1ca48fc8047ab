#include "archive/archive_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

static int fail_list(const struct archive_list *list, int error, struct failure *failure) {
    return fail_errno(failure, error, "listing archives", list->key);
}

/* Adds an open folder, whose entries have names from `begin` on; -1 with errno. */
static int push(struct archive_list *list, int fd, size_t begin) {
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close_fd(&fd);
        return -1;
    }
    list->folders[list->depth] = folder;
    list->begins[list->depth++] = begin;
    return 0;
}

static void pop(struct archive_list *list) {
    closedir(list->folders[--list->depth]);
}

int archive_list_begin(struct archive_list *list, int archives, const char *prefix, struct failure *failure) {
    list->prefix = prefix;
    return push(list, archives, 0) == 0 ? 0 : fail_list(list, errno, failure);
}

/* Returns whether keys that begin with list->key may begin with the prefix. */
static bool may_match(const struct archive_list *list) {
    size_t have = strlen(list->key), want = strlen(list->prefix);
    return strncmp(list->key, list->prefix, have < want ? have : want) == 0;
}

/* Enters the folder list->key unless it is none, or was removed; -1 with errno. */
static int enter(struct archive_list *list, const char *name) {
    int fd = open_folder(dirfd(list->folders[list->depth - 1]), name);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
    }
    size_t length = strlen(list->key);
    list->key[length++] = '/';
    list->key[length] = 0;
    if (!may_match(list)) {
        close_fd(&fd);
        return 0;
    }
    return push(list, fd, length);
}

/* Writes the line of the file list->key, unless it is none, or was removed; -1 with errno. */
static int put_line(struct archive_list *list, const char *name) {
    struct stat status;
    if (fstatat(dirfd(list->folders[list->depth - 1]), name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (!S_ISREG(status.st_mode)) {
        return 0;
    }
    int64_t modified = (int64_t)status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1000000;
    /* The characters of a key need no escapes. */
    int length = snprintf(list->line, sizeof list->line, "{\"key\":\"%s\",\"bytes\":%lld,\"modifiedMs\":%lld}\n",
        list->key, (long long)status.st_size, (long long)(modified > 0 ? modified : 0));
    list->filled = (size_t)length;
    list->sent = 0;
    return 0;
}

/* Handles one entry of the deepest folder, or closes that at its end; -1 with errno. */
static int step(struct archive_list *list) {
    size_t begin = list->begins[list->depth - 1];
    errno = 0;
    const struct dirent *entry = readdir(list->folders[list->depth - 1]);
    list->key[begin] = 0;
    if (entry == NULL) {
        int error = errno;
        pop(list);
        errno = error;
        return error == 0 ? 0 : -1;
    }
    if (!archive_part_valid(entry->d_name) || begin + strlen(entry->d_name) > ARCHIVE_KEY_MAX) {
        return 0;
    }
    strcpy(list->key + begin, entry->d_name);
    if (!may_match(list)) {
        return 0;
    }
    if (list->depth < ARCHIVE_KEY_PARTS) {
        return enter(list, list->key + begin);
    }
    return strlen(list->key) < strlen(list->prefix) ? 0 : put_line(list, list->key + begin);
}

int64_t archive_list_read(struct archive_list *list, uint8_t *bytes, size_t capacity, struct failure *failure) {
    size_t filled = 0;
    while (filled < capacity) {
        size_t left = list->filled - list->sent, part = left < capacity - filled ? left : capacity - filled;
        memcpy(bytes + filled, list->line + list->sent, part);
        list->sent += part;
        filled += part;
        if (list->sent < list->filled) {
            break;
        }
        if (list->depth == 0) {
            break;
        }
        list->filled = list->sent = 0;
        if (step(list) != 0) {
            return fail_list(list, errno, failure);
        }
    }
    return (int64_t)filled;
}

void archive_list_close(struct archive_list *list) {
    while (list->depth > 0) {
        pop(list);
    }
}

/*
 * Folders get their modes and times when nothing more is put into them. Until then they are 0700, so that a 0555 folder can be filled. One whose
 * final mode has no search permission for its owner would bar the way to those below it: these few come at the very end, the deepest first.
 */
#include "place_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Paths of folders without search permission for their owner, which have to be kept in memory. */
#define BARRED_BYTES_MOST (16u * 1024u * 1024u)

struct record {
    struct place_attributes attributes;
    uint32_t length;
};

struct barred {
    struct barred *next;
    mode_t mode;
    char path[];
};

int place_folder_later(struct place *place, const char *path, const struct place_attributes *attributes, struct failure *failure) {
    struct {
        struct record record;
        char path[PATH_LONGEST + 1];
    } entry;
    memset(&entry.record, 0, sizeof entry.record);
    entry.record.attributes = *attributes;
    entry.record.length = (uint32_t)strlen(path);
    memcpy(entry.path, path, entry.record.length);
    return spool_append(&place->folders, &entry, offsetof(__typeof__(entry), path) + entry.record.length, failure);
}

/* The folder's own permissions may keep it from being opened for reading; by name it can still be changed. */
static int apply(const struct place *place, const char *path, const struct place_attributes *attributes, mode_t mode) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, attributes->mtime};
    int fd = beneath_open(place->root, path, O_RDONLY);
    bool chown_it = place->keep_owner && attributes->uid >= 0 && attributes->gid >= 0;
    if (fd >= 0) {
        int result = chown_it ? fchown(fd, (uid_t)attributes->uid, (gid_t)attributes->gid) : 0;
        if (result == 0) result = fchmod(fd, mode);
        if (result == 0) result = futimens(fd, times);
        int error = errno;
        close(fd);
        errno = error;
        return result;
    }
    if (errno != EACCES) return -1;
    char folder[PATH_LONGEST + 1];
    size_t length = 0;
    const char *base = beneath_base(path, &length);
    memcpy(folder, path, length);
    folder[length] = '\0';
    int parent = beneath_open(place->root, folder, O_PATH);
    if (parent < 0) return -1;
    int result = utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW);
    if (result == 0) result = fchmodat(parent, base, mode, AT_SYMLINK_NOFOLLOW);
    int error = errno;
    close(parent);
    errno = error;
    return result;
}

static int bar_later(struct barred **list, size_t *bytes, const char *path, mode_t mode, struct failure *failure) {
    size_t size = sizeof(struct barred) + strlen(path) + 1;
    *bytes += size;
    struct barred *barred = *bytes <= BARRED_BYTES_MOST ? malloc(size) : NULL;
    if (barred == NULL) return fail_path(failure, "IO_ERROR", 0, "too many folders without search permission", path);
    barred->next = *list;
    barred->mode = mode;
    strcpy(barred->path, path);
    *list = barred;
    return 0;
}

static int compare_paths(const void *left, const void *right) {
    const struct barred *const *a = left;
    const struct barred *const *b = right;
    return -strcmp((*a)->path, (*b)->path);
}

/* A path sorts before those that it is the start of, so backwards the deepest come first. */
static int bar(const struct place *place, struct barred *list, struct failure *failure) {
    size_t count = 0;
    for (const struct barred *at = list; at != NULL; at = at->next) count++;
    if (count == 0) return 0;
    const struct barred **sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL) return fail(failure, "IO_ERROR", "no memory for a list of folders");
    count = 0;
    for (const struct barred *at = list; at != NULL; at = at->next) sorted[count++] = at;
    qsort(sorted, count, sizeof *sorted, compare_paths);
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        int fd = beneath_open(place->root, sorted[i]->path, O_RDONLY);
        struct stat status;
        if (fd < 0 && errno == EACCES) continue;
        bool for_now = fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == ((sorted[i]->mode & 077) | 0700);
        /* Not readable, or another mode than the one it was given for the time being: a later entry had the last word. */
        if (fd >= 0 && !for_now) {
            close(fd);
            continue;
        }
        if (fd < 0 || fchmod(fd, sorted[i]->mode) != 0) result = fail_errno(failure, errno, "setting a folder's mode", sorted[i]->path);
        if (fd >= 0) close(fd);
    }
    free(sorted);
    return result;
}

int place_finish(struct place *place, struct failure *failure) {
    struct barred *list = NULL;
    size_t bytes = 0;
    char path[PATH_LONGEST + 1];
    uint64_t end = spool_length(&place->folders);
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < end;) {
        struct record record;
        result = spool_read(&place->folders, at, &record, sizeof record, failure);
        if (result == 0) result = spool_read(&place->folders, at + sizeof record, path, record.length, failure);
        if (result != 0) break;
        path[record.length] = '\0';
        at += sizeof record + record.length;
        mode_t mode = record.attributes.mode | place->inherited;
        if ((mode & 0100) == 0) {
            result = bar_later(&list, &bytes, path, mode, failure);
            mode |= 0700;
        }
        if (result == 0 && apply(place, path, &record.attributes, mode) != 0) result = fail_errno(failure, errno, "setting a folder's mode and time", path);
    }
    if (result == 0) result = bar(place, list, failure);
    while (list != NULL) {
        struct barred *next = list->next;
        free(list);
        list = next;
    }
    /* Some file systems keep an open file without a name in its folder, under a name of theirs. */
    spool_close(&place->folders);
    return result;
}

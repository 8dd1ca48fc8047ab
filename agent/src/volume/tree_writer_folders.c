/*
 * Sets the modes and times of folders once nothing more is written into them. Until then they are
 * 0700, so that a 0555 folder can be filled. A folder whose final mode denies its owner search
 * permission would block access to the folders below it. These few are set at the very end, the
 * deepest first.
 */
#include "volume/tree_writer_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

/* The limit of memory for paths of folders without search permission for their owner. */
#define UNSEARCHABLE_BYTES_MAX (16u * 1024u * 1024u)

struct record {
    struct tree_attributes attributes;
    uint32_t length;
};

struct unsearchable {
    mode_t mode;
    char path[];
};

/*
 * The folders without search permission for their owner, each once, sorted by path once all are
 * added.
 */
struct unsearchable_list {
    struct unsearchable **items;
    size_t count;
    size_t capacity;
    size_t bytes;
};

int tree_folder_defer(
    struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, struct failure *failure) {
    struct {
        struct record record;
        char path[PATH_LENGTH_MAX + 1];
    } entry;
    memset(&entry.record, 0, sizeof entry.record);
    entry.record.attributes = *attributes;
    entry.record.length = (uint32_t)strlen(path);
    memcpy(entry.path, path, entry.record.length);
    return spool_append(&writer->folders, &entry, offsetof(__typeof__(entry), path) + entry.record.length, failure);
}

/*
 * Applies attributes. The folder's own permissions may prevent opening it for reading; it can still
 * be changed by name.
 */
static int apply(
    const struct tree_writer *writer, const char *path, const struct tree_attributes *attributes, mode_t mode) {
    struct timespec times[2] = {{.tv_sec = IMPLICIT_ACCESS_SECONDS}, attributes->mtime};
    if (!attributes->implicit) {
        times[0].tv_nsec = UTIME_NOW;
    }
    int fd = beneath_open(writer->root, path, O_RDONLY);
    if (fd >= 0) {
        int result =
            writer->keep_owner ? fchown(fd, tree_owner_id(attributes->uid), tree_owner_id(attributes->gid)) : 0;
        if (result == 0) {
            result = fchmod(fd, mode);
        }
        if (result == 0) {
            result = futimens(fd, times);
        }
        close_fd(&fd);
        return result;
    }
    if (errno != EACCES) {
        return -1;
    }
    const char *base = NULL;
    int parent = beneath_open_parent(writer->root, path, O_PATH, &base);
    if (parent < 0) {
        return -1;
    }
    int result = utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW);
    if (result == 0) {
        result = fchmodat(parent, base, mode, AT_SYMLINK_NOFOLLOW);
    }
    close_fd(&parent);
    return result;
}

static int add_unsearchable(struct unsearchable_list *list, const char *path, struct failure *failure) {
    size_t size = sizeof(struct unsearchable) + strlen(path) + 1;
    list->bytes += size + sizeof(struct unsearchable *);
    if (list->bytes > UNSEARCHABLE_BYTES_MAX) {
        return fail_path(failure, "IO_ERROR", 0, "too many folders without search permission", path);
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        struct unsearchable **grown = realloc(list->items, capacity * sizeof *grown);
        if (grown == NULL) {
            return fail(failure, "IO_ERROR", "no memory for a list of folders");
        }
        list->items = grown;
        list->capacity = capacity;
    }
    struct unsearchable *unsearchable = malloc(size);
    if (unsearchable == NULL) {
        return fail(failure, "IO_ERROR", "no memory for a list of folders");
    }
    unsearchable->mode = 0;
    strcpy(unsearchable->path, path);
    list->items[list->count++] = unsearchable;
    return 0;
}

static int compare_paths(const void *left, const void *right) {
    const struct unsearchable *const *a = left;
    const struct unsearchable *const *b = right;
    return strcmp((*a)->path, (*b)->path);
}

static int compare_key(const void *path, const void *item) {
    const struct unsearchable *const *unsearchable = item;
    return strcmp(path, (*unsearchable)->path);
}

static void sort_unsearchable(struct unsearchable_list *list) {
    size_t kept = 0;
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof *list->items, compare_paths);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1]->path, list->items[i]->path) == 0) {
            free(list->items[i]);
        } else {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

static void free_unsearchable(struct unsearchable_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
}

typedef int (*visit_fn)(const struct tree_writer *writer, struct unsearchable_list *list, const char *path,
    const struct tree_attributes *attributes, struct failure *failure);

/* Calls `visit` for each deferred folder, in the order of the entries. */
static int each_record(
    const struct tree_writer *writer, struct unsearchable_list *list, visit_fn visit, struct failure *failure) {
    char path[PATH_LENGTH_MAX + 1];
    uint64_t end = spool_length(&writer->folders);
    for (uint64_t at = 0; at < end;) {
        struct record record;
        if (spool_read(&writer->folders, at, &record, sizeof record, failure) != 0) {
            return -1;
        }
        if (spool_read(&writer->folders, at + sizeof record, path, record.length, failure) != 0) {
            return -1;
        }
        path[record.length] = '\0';
        at += sizeof record + record.length;
        if (visit(writer, list, path, &record.attributes, failure) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Applies a record. A folder without search permission keeps it until apply_unsearchable. */
static int apply_record(const struct tree_writer *writer, struct unsearchable_list *list, const char *path,
    const struct tree_attributes *attributes, struct failure *failure) {
    mode_t mode = attributes->mode | writer->inherited;
    if ((mode & 0100) == 0) {
        if (add_unsearchable(list, path, failure) != 0) {
            return -1;
        }
        mode |= 0700;
    }
    return apply(writer, path, attributes, mode) == 0
               ? 0
               : fail_errno(failure, errno, "setting a folder's mode and time", path);
}

/* The last entry of a folder determines its mode. */
static int update_mode(const struct tree_writer *writer, struct unsearchable_list *list, const char *path,
    const struct tree_attributes *attributes, struct failure *failure) {
    (void)failure;
    struct unsearchable **found = bsearch(path, list->items, list->count, sizeof *list->items, compare_key);
    if (found != NULL) {
        (*found)->mode = attributes->mode | writer->inherited;
    }
    return 0;
}

/*
 * Sets the final modes in descending order of paths: a path sorts before the paths below it, so the
 * deepest come first.
 */
static int apply_unsearchable(
    const struct tree_writer *writer, const struct unsearchable_list *list, struct failure *failure) {
    for (size_t i = list->count; i > 0; i--) {
        const struct unsearchable *unsearchable = list->items[i - 1];
        if ((unsearchable->mode & 0100) != 0) {
            continue;
        }
        int fd = beneath_open(writer->root, unsearchable->path, O_RDONLY);
        int result = fd < 0 ? -1 : fchmod(fd, unsearchable->mode);
        close_fd(&fd);
        if (result != 0) {
            return fail_errno(failure, errno, "setting a folder's mode", unsearchable->path);
        }
    }
    return 0;
}

int tree_finish(struct tree_writer *writer, struct failure *failure) {
    struct unsearchable_list list = {0};
    int result = each_record(writer, &list, apply_record, failure);
    sort_unsearchable(&list);
    if (result == 0 && list.count > 0) {
        result = each_record(writer, &list, update_mode, failure);
    }
    if (result == 0) {
        result = apply_unsearchable(writer, &list, failure);
    }
    free_unsearchable(&list);
    /* Some file systems list an open unnamed file in its folder under a name of their own. */
    spool_close(&writer->folders);
    return result;
}

/*
 * Lists the names of one folder, sorted, in bounded memory: as many of the smallest as fit. The
 * next call continues after them. So a folder of any size can be visited without a temporary file,
 * at the cost of reading its list again for each part.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "volume/walk.h"

/* The kernel's struct linux_dirent64. */
struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

#define READ_SIZE (32u * 1024u)

struct listing {
    size_t most;
    const char *after; /* names up to this one were listed before; NULL: none */
    const char *path;  /* for messages */
    char *bytes;
    size_t filled;
    size_t capacity;
    size_t count;
    const char **sorted;
    char last[WALK_NAME_MAX +
              /*
               * The largest name kept; larger names are left to the next call. "": all are kept so
               * far.
               */
              1];
};

static int compare(const void *left, const void *right) {
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

static int no_memory(const struct listing *listing, struct failure *failure) {
    return fail_path(failure, "IO_ERROR", ENOMEM, "listing a folder", listing->path);
}

static int sort(struct listing *listing, struct failure *failure) {
    size_t at = 0;
    if (listing->count == 0) {
        return 0;
    }
    listing->sorted = malloc(listing->count * sizeof *listing->sorted);
    if (listing->sorted == NULL) {
        return no_memory(listing, failure);
    }
    for (size_t i = 0; i < listing->count; i++) {
        listing->sorted[i] = listing->bytes + at + 1;
        at += strlen(listing->sorted[i]) + 2;
    }
    qsort(listing->sorted, listing->count, sizeof *listing->sorted, compare);
    return 0;
}

/* Keeps the smaller half of the names. */
static int halve(struct listing *listing, struct failure *failure) {
    if (sort(listing, failure) != 0) {
        return -1;
    }
    size_t count = listing->count / 2;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += strlen(listing->sorted[i]) + 2;
    }
    char *kept = malloc(size);
    if (kept == NULL) {
        return no_memory(listing, failure);
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t part = strlen(listing->sorted[i]) + 2;
        memcpy(kept + at, listing->sorted[i] - 1, part);
        at += part;
    }
    strcpy(listing->last, listing->sorted[count - 1]);
    free(listing->sorted);
    free(listing->bytes);
    listing->sorted = NULL;
    listing->bytes = kept;
    listing->filled = listing->capacity = size;
    listing->count = count;
    return 0;
}

static bool is_selected(const struct listing *listing, const char *name) {
    if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'))) {
        return false;
    }
    if (listing->after != NULL && strcmp(name, listing->after) <= 0) {
        return false;
    }
    return listing->last[0] == '\0' || strcmp(name, listing->last) < 0;
}

static int add_name(struct listing *listing, const struct kernel_entry *entry, struct failure *failure) {
    size_t size = strlen(entry->name) + 2;
    if (size > WALK_NAME_MAX + 2) {
        return fail_path(failure, "IO_ERROR", ENAMETOOLONG, "listing a folder", listing->path);
    }
    if (!is_selected(listing, entry->name)) {
        return 0;
    }
    while (listing->filled + size + (listing->count + 1) * sizeof(char *) > listing->most) {
        if (halve(listing, failure) != 0) {
            return -1;
        }
        if (!is_selected(listing, entry->name)) {
            return 0;
        }
    }
    if (listing->filled + size > listing->capacity) {
        size_t capacity = listing->capacity < 1024 ? 1024 : listing->capacity * 2;
        if (capacity > listing->most) {
            capacity = listing->most;
        }
        if (capacity < listing->filled + size) {
            capacity = listing->filled + size;
        }
        char *grown = realloc(listing->bytes, capacity);
        if (grown == NULL) {
            return no_memory(listing, failure);
        }
        listing->bytes = grown;
        listing->capacity = capacity;
    }
    listing->bytes[listing->filled] = (char)entry->type;
    memcpy(listing->bytes + listing->filled + 1, entry->name, size - 1);
    listing->filled += size;
    listing->count++;
    return 0;
}

static int read_names(int folder, struct listing *listing, struct failure *failure) {
    _Alignas(struct kernel_entry) char buffer[READ_SIZE];
    for (;;) {
        long size = syscall(SYS_getdents64, folder, buffer, sizeof buffer);
        if (size < 0) {
            return fail_errno(failure, errno, "listing a folder", listing->path);
        }
        if (size == 0) {
            return 0;
        }
        for (long at = 0; at < size;) {
            const struct kernel_entry *entry = (const void *)(buffer + at);
            if (add_name(listing, entry, failure) != 0) {
                return -1;
            }
            at += entry->length;
        }
    }
}

int walk_list(
    int folder, size_t most, const char *after, struct walk_names *names, const char *path, struct failure *failure) {
    struct listing listing = {.most = most < WALK_LIST_MIN ? WALK_LIST_MIN : most, .after = after, .path = path};
    *names = (struct walk_names){0};
    if (after != NULL && lseek(folder, 0, SEEK_SET) != 0) {
        return fail_errno(failure, errno, "listing a folder", path);
    }
    if (read_names(folder, &listing, failure) != 0 || sort(&listing, failure) != 0) {
        free(listing.sorted);
        free(listing.bytes);
        return -1;
    }
    *names = (struct walk_names){
        .bytes = listing.bytes,
        .names = listing.sorted,
        .count = listing.count,
        .size = listing.capacity + listing.count * sizeof(char *),
        .more = listing.last[0] != '\0',
    };
    return 0;
}

void walk_names_free(struct walk_names *names) {
    free(names->bytes);
    free(names->names);
    *names = (struct walk_names){0};
}

/* The sorted names of one folder. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "walk.h"

/* The kernel's struct linux_dirent64. */
struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

#define READ_SIZE (32u * 1024u)

struct growing {
    char *bytes;
    size_t filled;
    size_t capacity;
    size_t count;
};

static int compare(const void *left, const void *right) {
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

static int too_large(const char *path, struct failure *failure) {
    return fail_path(failure, "IO_ERROR", 0, "there are too many names in a folder and its parents to sort them in memory", path);
}

static int add_name(struct growing *list, const struct kernel_entry *entry, size_t most, const char *path, struct failure *failure) {
    const char *name = entry->name;
    size_t size = strlen(name) + 2;
    if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'))) return 0;
    if (list->filled + size > list->capacity) {
        size_t capacity = list->capacity == 0 ? 1024 : list->capacity * 2;
        char *grown = capacity <= most ? realloc(list->bytes, capacity) : NULL;
        if (grown == NULL) return too_large(path, failure);
        list->bytes = grown;
        list->capacity = capacity;
    }
    list->bytes[list->filled] = (char)entry->type;
    memcpy(list->bytes + list->filled + 1, name, size - 1);
    list->filled += size;
    list->count++;
    return 0;
}

static int read_names(int folder, struct growing *list, size_t most, const char *path, struct failure *failure) {
    _Alignas(struct kernel_entry) char buffer[READ_SIZE];
    for (;;) {
        long size = syscall(SYS_getdents64, folder, buffer, sizeof buffer);
        if (size < 0) return fail_errno(failure, errno, "listing a folder", path);
        if (size == 0) return 0;
        for (long at = 0; at < size;) {
            const struct kernel_entry *entry = (const void *)(buffer + at);
            if (add_name(list, entry, most, path, failure) != 0) return -1;
            at += entry->length;
        }
    }
}

int walk_list(int folder, size_t most, struct walk_names *names, const char *path, struct failure *failure) {
    struct growing list = {0};
    *names = (struct walk_names){0};
    if (read_names(folder, &list, most, path, failure) != 0) {
        free(list.bytes);
        return -1;
    }
    size_t size = list.capacity + list.count * sizeof(char *);
    const char **sorted = list.count == 0 ? NULL : size <= most ? malloc(list.count * sizeof *sorted) : NULL;
    if (list.count > 0 && sorted == NULL) {
        free(list.bytes);
        return too_large(path, failure);
    }
    size_t at = 0;
    for (size_t i = 0; i < list.count; i++) {
        sorted[i] = list.bytes + at + 1;
        at += strlen(sorted[i]) + 2;
    }
    if (list.count > 1) qsort(sorted, list.count, sizeof *sorted, compare);
    *names = (struct walk_names){list.bytes, sorted, list.count, size};
    return 0;
}

void walk_names_free(struct walk_names *names) {
    free(names->bytes);
    free(names->names);
    *names = (struct walk_names){0};
}

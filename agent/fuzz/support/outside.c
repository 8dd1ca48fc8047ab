#include "outside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char CONTENT[] = "outside";

struct bystander {
    const char *path;
    mode_t mode; /* with its kind */
};

/* Names that archives of the corpus and the mutator also use. */
static const struct bystander BYSTANDERS[] = {
    {"file", S_IFREG | 0640},
    {"a", S_IFREG | 0600},
    {"beside", S_IFDIR | 0750},
    {"beside/file", S_IFREG | 0640},
    {"link", S_IFLNK | 0777},
};
enum { COUNT = sizeof BYSTANDERS / sizeof *BYSTANDERS };

static struct timespec times[COUNT];

static void make(int outer, const struct bystander *one) {
    if (S_ISDIR(one->mode) ? mkdirat(outer, one->path, 0700) != 0
                           : S_ISLNK(one->mode) && symlinkat("beside/file", outer, one->path) != 0) {
        abort();
    }
    if (S_ISREG(one->mode)) {
        int fd = openat(outer, one->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, CONTENT, sizeof CONTENT) != (ssize_t)sizeof CONTENT) {
            abort();
        }
        close(fd);
    }
    if (!S_ISLNK(one->mode) && fchmodat(outer, one->path, one->mode & 07777, 0) != 0) {
        abort();
    }
}

int outside_open(void) {
    const char *base = getenv("TMPDIR");
    char path[256];
    snprintf(path, sizeof path, "%s/kw-fuzz-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(path) == NULL) {
        abort();
    }
    int outer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (outer < 0) {
        abort();
    }
    for (int i = 0; i < COUNT; i++) {
        make(outer, &BYSTANDERS[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        struct stat status;
        if (fstatat(outer, BYSTANDERS[i].path, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            abort();
        }
        times[i] = status.st_mtim;
    }
    return outer;
}

static void check(int outer, int index) {
    const struct bystander *one = &BYSTANDERS[index];
    struct stat status;
    char bytes[sizeof CONTENT + 1];
    if (fstatat(outer, one->path, &status, AT_SYMLINK_NOFOLLOW) != 0 || status.st_mode != one->mode) {
        abort();
    }
    if (status.st_mtim.tv_sec != times[index].tv_sec || status.st_mtim.tv_nsec != times[index].tv_nsec) {
        abort();
    }
    if (!S_ISREG(one->mode)) {
        return;
    }
    /* A second name would give access. */
    if (status.st_nlink != 1) {
        abort();
    }
    int fd = openat(outer, one->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || read(fd, bytes, sizeof bytes) != (ssize_t)sizeof CONTENT ||
        memcmp(bytes, CONTENT, sizeof CONTENT) != 0) {
        abort();
    }
    close(fd);
}

/* Returns the number of names in a folder. */
static int count_names(int outer, const char *path) {
    int count = 0, fd = openat(outer, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (listing == NULL) {
        abort();
    }
    while ((entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
        }
    }
    closedir(listing);
    return count;
}

void outside_check(int outer, const char *allowed) {
    struct stat status;
    int top = fstatat(outer, allowed, &status, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : 0;
    for (int i = 0; i < COUNT; i++) {
        check(outer, i);
        top += strchr(BYSTANDERS[i].path, '/') == NULL;
    }
    if (count_names(outer, ".") != top || count_names(outer, "beside") != 1) {
        abort();
    }
}

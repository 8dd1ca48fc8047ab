/*
 * Removes all content of a folder. The depth is unlimited: folders below a few levels are moved to
 * the top and removed from there in the next round.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume/beneath.h"
#include "volume/pace.h"
#include "volume/volume.h"

#define LEVELS 24
/*
 * The limit of consecutive rounds that remove nothing from a non-empty folder, since another
 * process keeps filling it.
 */
#define IDLE_ROUNDS_MAX 100

struct level {
    DIR *folder;
    uint64_t removed; /* in this round */
    int idle_rounds;
    char name[256]; /* in the level above */
};

struct emptying {
    struct level levels[LEVELS];
    size_t depth; /* the current level; 0 is the folder itself */
    uint64_t moved;
    struct pace pace;
    struct failure *failure;
};

static int fail_at(struct emptying *work, int error, const char *doing, const char *name) {
    char path[PATH_LENGTH_MAX + 1] = "";
    size_t length = 0;
    for (size_t i = 1; i <= work->depth + 1; i++) {
        const char *part = i <= work->depth ? work->levels[i].name : name;
        int size = snprintf(path + length, sizeof path - length, "%s%s", i > 1 ? "/" : "", part);
        if (size < 0 || (size_t)size >= sizeof path - length) {
            break;
        }
        length += (size_t)size;
    }
    return fail_errno(work->failure, error, doing, path);
}

static int push(struct emptying *work, int fd, const char *name) {
    struct level *level = &work->levels[work->depth];
    struct stat status;
    /*
     * Root bypasses modes, but not without capabilities: so the mode decides, and not the user id.
     */
    if (work->depth > 0 && fstat(fd, &status) == 0 && (status.st_mode & 0700) != 0700) {
        (void)fchmod(fd, 0700);
    }
    *level = (struct level){.folder = fdopendir(fd)};
    snprintf(level->name, sizeof level->name, "%s", name);
    if (level->folder != NULL) {
        return 0;
    }
    int error = errno;
    close(fd);
    if (work->depth > 0) {
        work->depth--;
    }
    return fail_at(work, error, "listing a folder", name);
}

/* Moves a folder that is too deep next to the first level. */
static int move_up(struct emptying *work, int parent, const char *name) {
    int top = dirfd(work->levels[0].folder);
    for (int attempt = 0; attempt < 1000; attempt++) {
        char fresh[64];
        snprintf(fresh, sizeof fresh, ".kw-removed-%llu", (unsigned long long)work->moved++);
        if (renameat(parent, name, top, fresh) == 0) {
            return 0;
        }
        if (errno == EACCES && fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW) == 0 &&
            renameat(parent, name, top, fresh) == 0) {
            return 0;
        }
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) {
            break;
        }
    }
    return fail_at(work, errno, "moving a folder that is to be removed", name);
}

/* Enters a folder that is not known to be empty. */
static int descend(struct emptying *work, int parent, const char *name) {
    if (work->depth + 1 == LEVELS) {
        work->levels[work->depth].removed++;
        return move_up(work, parent, name);
    }
    int fd = folder_open_forced(parent, name);
    if (fd < 0) {
        return errno == ENOENT ? 0 : fail_at(work, errno, "opening a folder that is to be removed", name);
    }
    work->depth++;
    return push(work, fd, name);
}

/* Removes an entry, or enters it. */
static int remove_entry(struct emptying *work, const struct dirent *entry) {
    struct level *level = &work->levels[work->depth];
    int parent = dirfd(level->folder);
    const char *name = entry->d_name;
    if (entry->d_type != DT_DIR) {
        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
            level->removed++;
            return pace_step(&work->pace, 1, 0, work->failure);
        }
        if (errno != EISDIR && !(errno == EPERM && entry->d_type == DT_UNKNOWN)) {
            return fail_at(work, errno, "removing a file", name);
        }
    }
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        level->removed++;
        return pace_step(&work->pace, 1, 0, work->failure);
    }
    if (errno != ENOTEMPTY && errno != EEXIST) {
        return fail_at(work, errno, "removing a folder", name);
    }
    return descend(work, parent, name);
}

/*
 * Starts another round at the end of a listing, or returns to the level above. 1 if all is removed.
 */
static int end_listing(struct emptying *work) {
    struct level *level = &work->levels[work->depth];
    if (work->depth > 0) {
        const char *name = level->name;
        int parent = dirfd(work->levels[work->depth - 1].folder);
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
            closedir(level->folder);
            work->depth--;
            work->levels[work->depth].removed++;
            return pace_step(&work->pace, 1, 0, work->failure);
        }
        if (errno != ENOTEMPTY && errno != EEXIST) {
            int error = errno;
            work->depth--;
            int result = fail_at(work, error, "removing a folder", name);
            work->depth++;
            return result;
        }
    } else if (level->removed == 0) {
        return 1;
    }
    level->idle_rounds = level->removed == 0 ? level->idle_rounds + 1 : 0;
    if (level->idle_rounds > IDLE_ROUNDS_MAX) {
        return fail_at(work, EBUSY, "removing a folder that is being filled", "");
    }
    level->removed = 0;
    rewinddir(level->folder);
    return 0;
}

static int step(struct emptying *work) {
    struct level *level = &work->levels[work->depth];
    errno = 0;
    const struct dirent *entry = readdir(level->folder);
    if (entry == NULL && errno != 0) {
        return fail_at(work, errno, "listing a folder", "");
    }
    if (entry == NULL) {
        return end_listing(work);
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
        return 0;
    }
    return remove_entry(work, entry);
}

int empty_folder(int folder, progress_fn progress, void *context, struct failure *failure) {
    struct emptying *work = calloc(1, sizeof *work);
    if (work == NULL) {
        return fail(failure, "IO_ERROR", "no memory for removing files");
    }
    work->failure = failure;
    pace_begin(&work->pace, progress, context);
    struct stat status;
    int fd = beneath_open(folder, "", O_RDONLY);
    int result = fd < 0 || fstat(fd, &status) != 0 ? fail_errno(failure, errno, "opening a folder", NULL) : 0;
    if (result != 0 && fd >= 0) {
        close(fd);
    }
    /* The folder itself keeps its mode. */
    bool restricted = result == 0 && (status.st_mode & 0300) != 0300 && fchmod(fd, status.st_mode | 0700) == 0;
    if (result == 0) {
        result = push(work, fd, "");
    }
    bool pushed = result == 0;
    while (result == 0) {
        result = step(work);
    }
    if (restricted && pushed) {
        (void)fchmod(dirfd(work->levels[0].folder), status.st_mode & 07777);
    }
    if (pushed) {
        for (size_t i = 0; i <= work->depth; i++) {
            closedir(work->levels[i].folder);
        }
    }
    free(work);
    return result == 1 ? 0 : -1;
}

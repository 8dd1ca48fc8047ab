/*
 * Moves a staged tree into its target. An entry that the target lacks is moved by one rename; an
 * existing folder is merged. The first pass only checks. Then the caller makes the commit durable.
 * After that, a second run can complete what a crash interrupted: moved entries are no longer in
 * staging, and the journal holds the final attributes of folders.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "volume/journal.h"
#include "volume/pace.h"
#include "volume/permitted.h"
#include "volume/tree_writer.h"
#include "volume/volume.h"
#include "volume/walk.h"

/* Room for folders of the target that grow by a block or two; more is reserved for many names. */
#define RESERVE_MIN (64u * 1024u)

struct commit {
    int staging;
    int target;
    struct beneath_parent folder; /* the counterpart of the walk's folder in the target */
    struct journal journal;
    struct walk walk;
    int (*visit)(struct commit *commit, struct failure *failure); /* called for each staged entry */
    bool writable; /* entries can be created in `folder` */
    size_t moving; /* bytes of the names to move */
    struct pace pace;
    struct journal_entry entry;
};

enum found { TARGET_NONE, TARGET_FOLDER, TARGET_OTHER };

static int open_target_folder(struct commit *commit, struct failure *failure) {
    const char *base = NULL;
    int folder = beneath_parent_open(&commit->folder, commit->target, commit->walk.path, &base);
    commit->writable = commit->writable && !commit->folder.opened;
    if (folder >= 0) {
        return 0;
    }
    if (errno == ENOTDIR || errno == ELOOP) {
        return fail_path(failure, "PATH_CONFLICT", errno, "a folder was replaced by another file", commit->folder.path);
    }
    return fail_errno(failure, errno, "opening a folder of the target", commit->folder.path);
}

/* Looks up the walk's entry in the target; -1 on failure. */
static int find_in_target(const struct commit *commit, struct stat *status, struct failure *failure) {
    if (fstatat(commit->folder.folder, commit->walk.name, status, AT_SYMLINK_NOFOLLOW) == 0) {
        return S_ISDIR(status->st_mode) ? TARGET_FOLDER : TARGET_OTHER;
    }
    return errno == ENOENT ? TARGET_NONE : fail_errno(failure, errno, "reading the target's status", commit->walk.path);
}

static int conflict(const struct commit *commit, bool staged_folder, struct failure *failure) {
    const char *text = staged_folder ? "a folder would replace a file or link" : "a file would replace a folder";
    return fail_path(failure, "PATH_CONFLICT", 0, text, commit->walk.path);
}

static int staged_is_folder(const struct commit *commit, struct failure *failure) {
    struct stat status;
    if (commit->walk.type != DT_UNKNOWN) {
        return commit->walk.type == DT_DIR;
    }
    if (fstatat(commit->walk.folder, commit->walk.name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_errno(failure, errno, "reading a staged file's status", commit->walk.path);
    }
    return S_ISDIR(status.st_mode);
}

/*
 * Continues inside a staged folder. If its mode denies its owner access, the mode is changed; the
 * journal has the final mode.
 */
static int enter_folder(struct commit *commit, struct failure *failure) {
    int fd = folder_open_forced(commit->walk.folder, commit->walk.name);
    if (fd < 0) {
        return fail_errno(failure, errno, "opening a staged folder", commit->walk.path);
    }
    struct stat status;
    if (fstat(fd, &status) == 0 && (status.st_mode & 0500) != 0500) {
        (void)fchmod(fd, (status.st_mode & 07777) | 0700);
    }
    return walk_enter(&commit->walk, fd, failure);
}

/*
 * Records the final attributes of a folder that is merged or cannot be moved with its present mode.
 */
static int journal_folder(
    struct commit *commit, enum found found, const struct stat *existing, struct failure *failure) {
    struct stat staged;
    if (fstatat(commit->walk.folder, commit->walk.name, &staged, AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_errno(failure, errno, "reading a staged folder's status", commit->walk.path);
    }
    /* Moving a folder to another parent requires write permission on it. */
    if (found == TARGET_NONE && (staged.st_mode & 0200) != 0) {
        return 0;
    }
    bool implicit = staged.st_atim.tv_sec == IMPLICIT_ACCESS_SECONDS && staged.st_atim.tv_nsec == 0;
    struct journal_entry *entry = &commit->entry;
    entry->mode = found == TARGET_FOLDER && implicit ? existing->st_mode : staged.st_mode;
    entry->mtime = staged.st_mtim;
    entry->has_time = !(found == TARGET_FOLDER && implicit);
    strcpy(entry->path, commit->walk.path);
    bool changes = found == TARGET_FOLDER && (entry->has_time || ((entry->mode ^ existing->st_mode) & 01777) != 0);
    if (changes && permitted_change(commit->folder.folder, commit->walk.name, existing, entry->path, failure) != 0) {
        return -1;
    }
    return journal_add(&commit->journal, entry, failure);
}

/* Checks that the entry can be moved into the walk's folder in the target. */
static int check_move(struct commit *commit, enum found found, const struct stat *existing, struct failure *failure) {
    if (!commit->writable && permitted_fill(commit->folder.folder, commit->folder.path, failure) != 0) {
        return -1;
    }
    commit->writable = true;
    commit->moving += strlen(commit->walk.name) + 16;
    return found == TARGET_NONE ? 0 : permitted_replace(commit->folder.folder, existing, commit->walk.path, failure);
}

static int check_entry(struct commit *commit, struct failure *failure) {
    struct stat existing;
    int folder = staged_is_folder(commit, failure);
    if (folder < 0 || open_target_folder(commit, failure) != 0) {
        return -1;
    }
    int found = find_in_target(commit, &existing, failure);
    if (found < 0) {
        return -1;
    }
    if (found != TARGET_NONE && (folder != 0) != (found == TARGET_FOLDER)) {
        return conflict(commit, folder != 0, failure);
    }
    if (found != TARGET_FOLDER && check_move(commit, (enum found)found, &existing, failure) != 0) {
        return -1;
    }
    if (folder != 0 && !commit->journal.found && journal_folder(commit, (enum found)found, &existing, failure) != 0) {
        return -1;
    }
    return folder != 0 && found == TARGET_FOLDER ? enter_folder(commit, failure) : 0;
}

/*
 * Renames the entry. The file system may not provide recently freed space until it has written its
 * own state, so ENOSPC is retried.
 */
static int move_with_retries(struct commit *commit) {
    for (int attempt = 0;; attempt++) {
        int result = renameat(commit->walk.folder, commit->walk.name, commit->folder.folder, commit->walk.name);
        if (result == 0 || (errno != ENOSPC && errno != EDQUOT) || attempt == 3) {
            return result;
        }
        (void)syncfs(commit->target);
    }
}

static int move_entry(struct commit *commit, struct failure *failure) {
    struct stat existing;
    int folder = staged_is_folder(commit, failure);
    if (folder < 0 || open_target_folder(commit, failure) != 0) {
        return -1;
    }
    int found = folder != 0 ? find_in_target(commit, &existing, failure) : TARGET_NONE;
    if (found < 0) {
        return -1;
    }
    if (found == TARGET_FOLDER) {
        return enter_folder(commit, failure);
    }
    if (move_with_retries(commit) == 0) {
        return 0;
    }
    if (errno == EISDIR || errno == ENOTDIR) {
        return conflict(commit, folder != 0, failure);
    }
    return fail_errno(failure, errno, "moving a file into place", commit->walk.path);
}

static int visit_entry(void *context, struct failure *failure) {
    struct commit *commit = context;
    if (strncmp(commit->walk.path, JOURNAL_NAME, strlen(JOURNAL_NAME)) == 0) {
        return 0;
    }
    return commit->visit(commit, failure) == 0 ? pace_step(&commit->pace, 1, 0, failure) : -1;
}

static int visit_staged(
    struct commit *commit, int (*visit)(struct commit *commit, struct failure *failure), struct failure *failure) {
    int fd = beneath_open(commit->staging, "", O_RDONLY);
    if (fd < 0) {
        return fail_errno(failure, errno, "opening the staging folder", NULL);
    }
    commit->visit = visit;
    int result = walk_each(&commit->walk, commit->staging, "", fd, visit_entry, commit, failure);
    close_fd(&commit->folder.folder);
    return result;
}

/* The target's own folder keeps its mode, but may need another one during the moves. */
static int journal_target(struct commit *commit, struct failure *failure) {
    struct stat status;
    if (fstat(commit->target, &status) != 0) {
        return fail_errno(failure, errno, "reading the target's status", NULL);
    }
    if ((status.st_mode & 0300) == 0300) {
        return 0;
    }
    commit->entry = (struct journal_entry){.mode = status.st_mode};
    return journal_add(&commit->journal, &commit->entry, failure);
}

static int make_folder_writable(int root, const char *path, struct failure *failure) {
    const char *base = NULL;
    struct stat status;
    int parent = beneath_open_parent(root, path, O_PATH, &base);
    int result = 0;
    if (path[0] == '\0') {
        base = ".";
    }
    if (parent < 0 || fstatat(parent, base, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) {
            result = fail_errno(failure, errno, "making a folder writable", path);
        }
    } else if (S_ISDIR(status.st_mode) && (status.st_mode & 0700) != 0700) {
        /* A folder of another user: the attempt to write to it shows whether that is permitted. */
        if (fchmodat(parent, base, (status.st_mode & 07777) | 0700, AT_SYMLINK_NOFOLLOW) != 0 && errno != EPERM) {
            result = fail_errno(failure, errno, "making a folder writable", path);
        }
    }
    close_fd(&parent);
    return result;
}

/*
 * Gives folders without write permission that permission during the moves, on both sides, parents
 * first.
 */
static int make_writable(struct commit *commit, struct failure *failure) {
    uint64_t position = 0;
    for (;;) {
        int got = journal_next(&commit->journal, &position, &commit->entry, failure);
        if (got <= 0) {
            return got;
        }
        if (commit->entry.path[0] != '\0' && make_folder_writable(commit->staging, commit->entry.path, failure) != 0) {
            return -1;
        }
        if (make_folder_writable(commit->target, commit->entry.path, failure) != 0) {
            return -1;
        }
    }
}

/* Applies the final attributes of folders, the deepest first. */
static int apply_journal(struct commit *commit, struct failure *failure) {
    const struct journal_entry *entry = &commit->entry;
    uint64_t position = journal_end(&commit->journal);
    for (;;) {
        int got = journal_previous(&commit->journal, &position, &commit->entry, failure);
        if (got <= 0) {
            return got;
        }
        struct stat status;
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, entry->mtime};
        int fd = beneath_open(commit->target, entry->path, O_RDONLY);
        int result = fd < 0 ? -1 : fstat(fd, &status);
        if (result == 0 && (status.st_mode & 01777) != entry->mode) {
            result = fchmod(fd, entry->mode | (status.st_mode & S_ISGID));
        }
        if (result == 0 && entry->has_time) {
            result = futimens(fd, times);
        }
        close_fd(&fd);
        if (result != 0) {
            return fail_errno(failure, errno, "setting a folder's mode and time", entry->path);
        }
        if (pace_step(&commit->pace, 1, 0, failure) != 0) {
            return -1;
        }
    }
}

/*
 * Reserves room that folders of the target may need for the moves, since a marked commit cannot be
 * undone. The room is freed right before the moves.
 */
static int reserve_room(const struct commit *commit, struct failure *failure) {
    int file = unnamed_file(commit->staging);
    int error = file < 0 ? errno : posix_fallocate(file, 0, (off_t)(RESERVE_MIN + 2 * commit->moving));
    if (file >= 0 && error != ENOSPC && error != EDQUOT) {
        return file;
    }
    close_fd(&file);
    return error != ENOSPC && error != EDQUOT ? -1 : fail_errno(failure, error, "reserving space for a commit", NULL);
}

static int run(struct commit *commit, bool resumed, int (*ready)(void *context, struct failure *failure), void *context,
    struct failure *failure) {
    if (journal_open(&commit->journal, commit->staging, failure) != 0) {
        return -1;
    }
    /*
     * If a journal exists, the moves may have begun. The target was made writable then, and may
     * have to be made writable again.
     */
    if (commit->journal.found && make_writable(commit, failure) != 0) {
        return -1;
    }
    if (!commit->journal.found && journal_target(commit, failure) != 0) {
        return -1;
    }
    if (visit_staged(commit, check_entry, failure) != 0) {
        return -1;
    }
    if (!commit->journal.found && journal_save(&commit->journal, failure) != 0) {
        return -1;
    }
    int reserved = resumed ? -1 : reserve_room(commit, failure);
    int result = failure->code != NULL || (ready != NULL && ready(context, failure) != 0) ? -1 : 0;
    close_fd(&reserved);
    if (result != 0) {
        return -1;
    }
    if (make_writable(commit, failure) != 0) {
        return -1;
    }
    if (visit_staged(commit, move_entry, failure) != 0) {
        return -1;
    }
    return apply_journal(commit, failure);
}

int commit_tree(int staging, int target, bool resumed, int (*ready)(void *context, struct failure *failure),
    progress_fn progress, void *context, struct failure *failure) {
    struct commit *commit = calloc(1, sizeof *commit);
    if (commit == NULL) {
        return fail(failure, "IO_ERROR", "no memory for moving files into place");
    }
    commit->staging = staging;
    commit->target = target;
    commit->folder.folder = -1;
    pace_begin(&commit->pace, progress, context);
    int result = run(commit, resumed, ready, context, failure);
    journal_close(&commit->journal);
    free(commit);
    return result;
}

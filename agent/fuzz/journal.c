/*
 * A commit's journal in a volume's folder: it is read forwards and backwards, and the commit that
 * it describes is completed. Nothing outside the target may change, whatever it contains.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/outside.h"
#include "support/state_folder.h"
#include "volume/journal.h"
#include "volume/tree_writer.h"
#include "volume/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int outer = -1, inner, staging, target;

static int make_folder(int parent, const char *name) {
    if (mkdirat(parent, name, 0700) != 0) {
        abort();
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        abort();
    }
    return fd;
}

static void prepare(void) {
    outer = outside_open();
    inner = make_folder(outer, "volume");
    staging = make_folder(inner, "staging");
    target = make_folder(inner, "data");
}

static void check_entry(const struct journal_entry *entry) {
    static char normal[PATH_LENGTH_MAX + 1];
    struct failure failure = {0};
    if (path_normal(entry->path, normal, sizeof normal, &failure) != 0 || strcmp(normal, entry->path) != 0) {
        abort();
    }
    if ((entry->mode & ~01777u) != 0 || entry->mtime.tv_nsec < 0 || entry->mtime.tv_nsec > 999999999) {
        abort();
    }
}

static void read_all(void) {
    static struct journal_entry entry;
    static struct failure failure;
    struct journal journal;
    uint64_t position = 0;
    failure = (struct failure){0};
    if (journal_open(&journal, staging, &failure) != 0) {
        abort();
    }
    while (journal_next(&journal, &position, &entry, &failure) > 0) {
        check_entry(&entry);
    }
    position = journal_end(&journal);
    failure = (struct failure){0};
    while (journal_previous(&journal, &position, &entry, &failure) > 0) {
        check_entry(&entry);
    }
    journal_close(&journal);
}

static void fill(void) {
    close(make_folder(staging, "folder"));
    close(make_folder(target, "folder"));
    if (symlinkat("../../beside", target, "link") != 0 || symlinkat("../../beside", staging, "link") != 0) {
        abort();
    }
    state_folder_write(staging, "folder/file", (const uint8_t *)"new", 3);
    state_folder_write(target, "folder/file", (const uint8_t *)"old", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct failure failure;
    if (outer < 0) {
        prepare();
    }
    fill();
    state_folder_write(staging, JOURNAL_NAME, bytes, length);
    read_all();
    failure = (struct failure){0};
    if (commit_tree(staging, target, true, NULL, NULL, NULL, &failure) != 0 && failure.code == NULL) {
        abort();
    }
    outside_check(outer, "volume");
    failure = (struct failure){0};
    if (fchmod(target, 0700) != 0 || empty_folder(staging, NULL, NULL, &failure) != 0 ||
        empty_folder(target, NULL, NULL, &failure) != 0) {
        abort();
    }
    return 0;
}

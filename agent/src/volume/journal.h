/*
 * The folders whose modes and times commit_tree sets at its end. The journal is in the staging
 * folder, so that a second run after a crash can read it.
 */
#ifndef KW_JOURNAL_H
#define KW_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/failure.h"
#include "base/spool.h"
#include "volume/beneath.h"

struct journal_entry {
    mode_t mode; /* 01777; the set-gid bit does not change */
    bool has_time;
    struct timespec mtime;
    char path[PATH_LENGTH_MAX + 1];
};

struct journal {
    int staging; /* owned by the caller */
    bool found; /* it existed already: an earlier commit was interrupted */
    struct spool records;
};

/* Reads the journal of an earlier commit in `staging`, if any. */
int journal_open(struct journal *journal, int staging, struct failure *failure);
int journal_add(struct journal *journal, const struct journal_entry *entry, struct failure *failure);
/* Makes the journal durable under its name; writes nothing if it is empty. */
int journal_save(struct journal *journal, struct failure *failure);
/*
 * Iterate over the records in both directions. `*position` starts at 0, or at journal_end. Return
 * 1, 0 at the end, or -1.
 */
int journal_next(
    const struct journal *journal, uint64_t *position, struct journal_entry *entry, struct failure *failure);
int journal_previous(
    const struct journal *journal, uint64_t *position, struct journal_entry *entry, struct failure *failure);
uint64_t journal_end(const struct journal *journal);
void journal_close(struct journal *journal);

#endif

/*
 * Limits progress reports of a long phase to one per 1000 entries or 100 ms, whichever comes first.
 */
#ifndef KW_PACE_H
#define KW_PACE_H

#include "volume/volume.h"

struct pace {
    progress_fn progress; /* may be NULL */
    void *context;
    uint64_t entries;
    uint64_t bytes;
    uint64_t reported; /* entries at the last call */
    int64_t reported_ms;
};

void pace_begin(struct pace *pace, progress_fn progress, void *context);
/* Adds to the counts. Returns -1 with CANCELLED if the callback ends the phase. */
int pace_step(struct pace *pace, uint64_t entries, uint64_t bytes, struct failure *failure);

#endif

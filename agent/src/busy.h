/* A session in a long phase without frames of its own: it still answers pings, hears CANCEL, and says that it goes on. */
#ifndef KW_BUSY_H
#define KW_BUSY_H

#include "session.h"

struct busy {
    struct session *session;
    int64_t looked_ms, told_ms;
    bool cancelled;
};

void busy_begin(struct busy *busy, struct session *session);
/* A progress_fn, with a struct busy as its context. */
int busy_progress(void *busy, uint64_t entries, uint64_t bytes);
/* After the phase: -1 with the right failure where it was cancelled or the connection ended it. */
int busy_end(struct busy *busy, int result, const struct failure *failure);

#endif

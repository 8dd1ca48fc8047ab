/*
 * A session in a long phase without frames of its own: it still answers pings, hears CANCEL, and says that it goes on. With a transfer that can go on
 * over another connection, the loss of one does not end the phase.
 */
#ifndef KW_BUSY_H
#define KW_BUSY_H

#include "session.h"

struct transfer;

struct busy {
    struct session *session;
    struct transfer *transfer; /* NULL: the connection's end is the end */
    int64_t looked_ms, told_ms;
    bool cancelled;
};

void busy_begin(struct busy *busy, struct session *session, struct transfer *transfer);
/* A progress_fn, with a struct busy as its context. */
int busy_progress(void *busy, uint64_t entries, uint64_t bytes);
/*
 * The same for a phase that nothing ends, in which what the host still sends is left where it is: pings are answered, and PROGRESS reports that it continues. The
 * host may have lost its connection.
 */
int busy_tend(void *busy, uint64_t entries, uint64_t bytes);
/* After the phase: -1 with the right failure where it was cancelled or the connection ended it. */
int busy_end(struct busy *busy, int result, const struct failure *failure);

#endif

/*
 * A long phase in which a session sends no frames of its own. It answers pings, takes CANCEL and
 * reports progress. If `on_loss` allows the operation to continue without a connection, a lost
 * connection does not end the phase.
 */
#ifndef KW_PHASE_H
#define KW_PHASE_H

#include "serve/session.h"

/* How often a phase should be checked. */
enum { PHASE_CHECK_MS = 50 };

struct phase {
    struct session *session;
    /* returns other than 0 if the operation has to end; NULL: it ends with its connection */
    int (*on_loss)(void *context);
    void *context;
    int64_t checked_ms, reported_ms;
    bool cancelled;
};

/* Sets `on_loss` to NULL; the caller may set it and its context. */
void phase_begin(struct phase *phase, struct session *session);
/* Answers pings and takes CANCEL, without a report. Returns whether the phase has to end. */
bool phase_check(struct phase *phase);
/* A progress_fn, with a struct phase as its context. */
int phase_progress(void *phase, uint64_t entries, uint64_t bytes);
/*
 * A progress_fn for a phase that cannot be cancelled. Answers pings, sends PROGRESS, and leaves
 * other input unread. The connection may be lost.
 */
int phase_keep_alive(void *phase, uint64_t entries, uint64_t bytes);
/* Ends the phase; -1 with the matching failure if it was cancelled or the connection ended it. */
int phase_end(struct phase *phase, int result, const struct failure *failure);

#endif

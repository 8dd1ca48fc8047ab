/*
 * A long phase in which a session sends no frames of its own. It answers pings, takes CANCEL and reports progress.
 * Where `on_loss` finds that the operation can continue without its connection, a lost connection does not end the
 * phase.
 */
#ifndef KW_PHASE_H
#define KW_PHASE_H

#include "serve/session.h"

struct phase {
    struct session *session;
    int (*on_loss)(void *context); /* not 0: the operation is over; NULL: it ends with its connection */
    void *context;
    int64_t checked_ms, reported_ms;
    bool cancelled;
};

/* `on_loss` is NULL; the caller may set it and its context. */
void phase_begin(struct phase *phase, struct session *session);
/* A progress_fn, with a struct phase as its context. */
int phase_progress(void *phase, uint64_t entries, uint64_t bytes);
/*
 * The same for a phase that cannot be cancelled. It answers pings and sends PROGRESS, and leaves unread what the host
 * sends. The connection may be lost.
 */
int phase_keep_alive(void *phase, uint64_t entries, uint64_t bytes);
/* After the phase: -1 with the right failure where it was cancelled or the connection ended it. */
int phase_end(struct phase *phase, int result, const struct failure *failure);

#endif

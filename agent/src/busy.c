#include "busy.h"

#include "io.h"
#include "transfer.h"

enum { LOOK_MS = 50, TELL_MS = 1000 };

void busy_begin(struct busy *busy, struct session *session, struct transfer *transfer) {
    *busy = (struct busy){.session = session, .transfer = transfer, .looked_ms = steady_ms(), .told_ms = steady_ms()};
}

static void look(struct busy *busy) {
    struct message message;
    if (busy->session->lost || session_wait(busy->session, NULL, 0, 0) != 0)
        return;
    while (session_take(busy->session, &message) > 0) {
        if (message.type == FRAME_CANCEL)
            busy->cancelled = true;
        else if (message.type != FRAME_WINDOW)
            session_violation(busy->session, "a frame that does not belong to this phase");
    }
}

/* Whether the phase has lost its sense. */
static bool is_over(struct busy *busy) {
    const struct session *session = busy->session;
    if (session->violated || session->dropped || busy->cancelled)
        return true;
    return session->lost && (busy->transfer == NULL || transfer_look(busy->transfer) != 0);
}

int busy_progress(void *context, uint64_t entries, uint64_t bytes) {
    struct busy *busy = context;
    int64_t now = steady_ms();
    if (now - busy->looked_ms < LOOK_MS)
        return 0;
    busy->looked_ms = now;
    look(busy);
    if (is_over(busy))
        return 1;
    if (now - busy->told_ms >= TELL_MS && !busy->session->lost) {
        busy->told_ms = now;
        session_send_progress(busy->session, entries, bytes);
    }
    return is_over(busy);
}

int busy_tend(void *context, uint64_t entries, uint64_t bytes) {
    struct busy *busy = context;
    (void)entries;
    (void)bytes;
    if (!busy->session->lost && !busy->session->violated)
        session_tend(busy->session, -1, 0, &busy->told_ms);
    return 0;
}

int busy_end(struct busy *busy, int result, const struct failure *failure) {
    struct session *session = busy->session;
    if (result == 0)
        return session->violated || (busy->transfer == NULL && (session->lost || session->dropped)) ? -1 : 0;
    if (busy->cancelled)
        return fail(&session->failure, "CANCELLED", "the host cancelled the operation");
    if (!session->violated && session->failure.code == NULL)
        session->failure = *failure;
    return -1;
}

#include "transfer/phase.h"

#include "base/io.h"

enum { REPORT_MS = 1000 };

void phase_begin(struct phase *phase, struct session *session) {
    *phase = (struct phase){.session = session, .checked_ms = steady_ms(), .reported_ms = steady_ms()};
}

static void receive_messages(struct phase *phase) {
    struct message message;
    if (phase->session->lost || session_wait(phase->session, NULL, 0, 0) != 0) {
        return;
    }
    while (session_take(phase->session, &message) > 0) {
        if (message.type == FRAME_CANCEL) {
            phase->cancelled = true;
        } else if (message.type != FRAME_WINDOW) {
            session_violation(phase->session, "a frame that does not belong to this phase");
        }
    }
}

/* Returns whether the phase has to end. */
static bool is_over(struct phase *phase) {
    const struct session *session = phase->session;
    if (session->violated || session->dropped || phase->cancelled) {
        return true;
    }
    return session->lost && (phase->on_loss == NULL || phase->on_loss(phase->context) != 0);
}

bool phase_check(struct phase *phase) {
    receive_messages(phase);
    return is_over(phase);
}

int phase_progress(void *context, uint64_t entries, uint64_t bytes) {
    struct phase *phase = context;
    int64_t now = steady_ms();
    if (now - phase->checked_ms < PHASE_CHECK_MS) {
        return 0;
    }
    phase->checked_ms = now;
    if (phase_check(phase)) {
        return 1;
    }
    if (now - phase->reported_ms >= REPORT_MS && !phase->session->lost) {
        phase->reported_ms = now;
        session_send_progress(phase->session, entries, bytes);
    }
    return is_over(phase);
}

int phase_keep_alive(void *context, uint64_t entries, uint64_t bytes) {
    struct phase *phase = context;
    (void)entries;
    (void)bytes;
    if (!phase->session->lost && !phase->session->violated) {
        session_keep_alive(phase->session, -1, 0, &phase->reported_ms);
    }
    return 0;
}

int phase_end(struct phase *phase, int result, const struct failure *failure) {
    struct session *session = phase->session;
    if (result == 0) {
        return session->violated || (phase->on_loss == NULL && (session->lost || session->dropped)) ? -1 : 0;
    }
    if (phase->cancelled) {
        return fail(&session->failure, "CANCELLED", "the host cancelled the operation");
    }
    if (!session->violated && session->failure.code == NULL) {
        session->failure = *failure;
    }
    return -1;
}

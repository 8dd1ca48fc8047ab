#include "transfer/transfer.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "serve/serve_client.h"
#include "transfer/phase.h"

static int read_open(struct session *session, const struct json *open, struct transfer *transfer) {
    struct failure *failure = &session->failure;
    transfer->session = session;
    transfer->id = open_id(open, "id", failure);
    return transfer->id == NULL || open_integer(open, "attempt", 0, INT64_MAX, 1, &transfer->attempt, failure) != 0 ||
                   open_integer(open, "leaseMs", 0, LEASE_MS_MAX, 0, &transfer->lease_ms, failure) != 0 ||
                   open_boolean(open, "resume", false, &transfer->continues, failure) != 0
               ? -1
               : 0;
}

int transfer_acquire(struct session *session, const struct json *open, struct transfer *transfer) {
    if (read_open(session, open, transfer) != 0) {
        return -1;
    }
    transfer->lease_ms = 0;
    return serve_acquire(session, REQUEST_OPERATION, transfer->id, transfer->attempt);
}

static int fail_gone(struct session *session, enum gone_reason gone) {
    static const char *const WHY[] = {
        [GONE_UNKNOWN] = "the operation does not exist: the agent was restarted, or it was never begun",
        [GONE_LEASE] = "no connection resumed it within its lease",
        [GONE_ROOM] = "its space was needed while it waited for a connection",
    };
    return fail(&session->failure, "OPERATION_GONE", "%s", WHY[gone <= GONE_ROOM ? gone : GONE_UNKNOWN]);
}

int transfer_acquire_continuable(struct session *session, const struct json *open, struct transfer *transfer) {
    enum gone_reason gone;
    if (read_open(session, open, transfer) != 0 ||
        open_integer(open, "from", 0, INT64_MAX, 0, &transfer->from, &session->failure) != 0) {
        return -1;
    }
    if (transfer->lease_ms == 0) {
        return serve_acquire(session, REQUEST_OPERATION, transfer->id, transfer->attempt) == 0 ? 1 : -1;
    }
    switch (serve_acquire_operation(session, transfer->id, transfer->attempt, transfer->continues, &gone)) {
    case REPLY_GRANTED:
        return 1;
    case REPLY_GONE:
        fail_gone(session, gone);
        return 0;
    case REPLY_HELD:
        serve_hand_over(session, transfer->id, transfer->attempt, transfer->from);
        return -1;
    default:
        return -1;
    }
}

int transfer_path(struct session *session, const struct json *open, const char *key, char path[PATH_BYTES]) {
    const char *text = open_text(open, key, "", &session->failure);
    return text == NULL ? -1 : path_normal(text, path, PATH_BYTES, &session->failure);
}

/* Returns whether another connection may replace a lost one. */
static bool may_resume(const struct transfer *transfer) {
    const struct session *session = transfer->session;
    return transfer->lease_ms > 0 && !session->violated && !session->dropped && !session->bye && !session->orphaned;
}

static int use_connection(struct transfer *transfer) {
    struct session *session = transfer->session;
    transfer->from = session->adopted.from;
    session_continue(session);
    serve_park(session, false, transfer->holds_disk);
    return transfer->opened(transfer->context);
}

/* Closes the connection, so that `connect` ends, and waits for another one. */
static int await_connection(struct transfer *transfer) {
    struct session *session = transfer->session;
    int64_t end = steady_ms() + transfer->lease_ms;
    close_fd(&session->fd);
    madvise(session->input, INPUT_CAPACITY, MADV_DONTNEED);
    session->input_start = session->input_end = 0;
    serve_park(session, true, transfer->holds_disk);
    while (session->adopted.fd < 0) {
        int64_t left = end - steady_ms();
        struct pollfd polled = {.fd = session->control, .events = POLLIN};
        if (left <= 0) {
            serve_release(session, true);
            return -1;
        }
        poll(&polled, 1, (int)left);
        serve_poll(session);
        if (!may_resume(transfer)) {
            return -1;
        }
    }
    return 0;
}

int transfer_resume(struct transfer *transfer) {
    while (may_resume(transfer)) {
        if (transfer->session->adopted.fd < 0 && await_connection(transfer) != 0) {
            return -1;
        }
        if (use_connection(transfer) == 0) {
            return 0;
        }
        if (!transfer->session->lost) {
            return -1;
        }
    }
    return -1;
}

/* A missing connection does not end the operation. */
static int resume_if_connected(void *context) {
    struct transfer *transfer = context;
    struct session *session = transfer->session;
    if (!may_resume(transfer)) {
        return -1;
    }
    if (session->adopted.fd < 0) {
        serve_poll(session);
    }
    if (session->adopted.fd < 0 || use_connection(transfer) == 0) {
        return may_resume(transfer) ? 0 : -1;
    }
    return session->lost && may_resume(transfer) ? 0 : -1;
}

int transfer_answer(struct transfer *transfer, int result, int (*answer)(void *context)) {
    struct session *session = transfer->session;
    for (bool failed = result != 0;;) {
        if (session->violated || (failed && (session->failure.code == NULL || session->dropped))) {
            return OPERATION_FAILED;
        }
        if (session->lost && transfer_resume(transfer) != 0) {
            return OPERATION_FAILED;
        }
        int sent = failed ? send_error(session, &session->failure) : answer(transfer->context);
        if (sent == 0 && session_await_done(session) == 0) {
            return OPERATION_DONE;
        }
        if (!session->lost && (failed || session->failure.code == NULL)) {
            return OPERATION_FAILED;
        }
        failed = session->failure.code != NULL;
    }
}

/* A phase that continues over another connection. */
static void begin_phase(struct transfer *transfer, struct phase *phase) {
    phase_begin(phase, transfer->session);
    phase->on_loss = resume_if_connected;
    phase->context = transfer;
}

int transfer_run_aside(struct transfer *transfer, aside_fn *work, void *context) {
    struct failure failure;
    struct phase phase;
    struct aside aside;
    bool over = false;
    begin_phase(transfer, &phase);
    aside_begin(&aside, work, context);
    while (!aside_wait(&aside, PHASE_CHECK_MS)) {
        over = phase_check(&phase) || over;
    }
    int result = aside_end(&aside, &failure);
    return phase_end(&phase, over ? -1 : result, &failure);
}

int transfer_commit(struct transfer *transfer, struct volume_folder *volume, const char *path) {
    struct failure failure = {0};
    struct phase phase;
    begin_phase(transfer, &phase);
    int result = volume_folder_commit(transfer->session->state, volume, path, phase_progress, &phase, &failure);
    return phase_end(&phase, result, &failure);
}

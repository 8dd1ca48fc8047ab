#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/io.h"
#include "process/oom.h"
#include "process/supervisor.h"
#include "serve/children.h"

enum { BUFFER_BYTES = 256 * 1024, GRACE_AT_END_MS = 5000, READS_AT_END = 4 };
enum {
    POLL_SIGNALS,
    POLL_LIFELINE,
    POLL_SHUTDOWN,
    POLL_LISTENER,
    POLL_SOURCES,
    POLL_INPUT = POLL_SOURCES + 2,
    POLL_ATTACHMENTS
};

/*
 * Reads the pipe itself, so that no end of a command after it is missed. A pipe that only hangs up
 * is that of a killed `serve`, whose lifeline ends at the same time, before or after it.
 */
static bool shutting_down(const struct supervisor *supervisor) {
    struct pollfd polled = {.fd = supervisor->state->shutdown, .events = POLLIN};
    return poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN) != 0;
}

void supervisor_leader_ended(struct supervisor *supervisor, const siginfo_t *info) {
    supervisor->leader_ended = true;
    supervisor->drain_ms = supervisor->received_ms = supervisor->stored_ms = steady_ms();
    supervisor_allow_rest(supervisor);
    supervisor->result.finished_at = wall_ms();
    supervisor->result.shutdown = shutting_down(supervisor);
    supervisor->result.signal = info->si_code == CLD_EXITED ? 0 : info->si_status;
    supervisor->result.exit_status = info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;
    close_fd(&supervisor->input);
}

static void fill_result(struct supervisor *supervisor) {
    struct process_result *result = &supervisor->result;
    result->started_at = supervisor->start.started_at;
    result->stdout_bytes = supervisor->output[0].end;
    result->stderr_bytes = supervisor->output[1].end;
    result->oom_kills = oom_kills_since(supervisor->start.oom_kills);
}

/*
 * Stores the status first: unless the pipes are at their end, the status is stored before the wait
 * for their rest.
 */
static void store_exit(struct supervisor *supervisor, uint8_t *buffer) {
    for (int i = 0; i < 2; i++) {
        for (int times = 0; times < READS_AT_END && supervisor_reading(supervisor, i); times++) {
            supervisor_read(supervisor, i, buffer, BUFFER_BYTES);
        }
    }
    if (supervisor->source[0] < 0 && supervisor->source[1] < 0 && !supervisor->disk_full &&
        supervisor_stop_done(supervisor)) {
        return; /* the result follows at once */
    }
    fill_result(supervisor);
    supervisor->exit_stored = record_write_exit(supervisor->folder, &supervisor->result) == 0;
}

static void handle_signals(struct supervisor *supervisor) {
    struct signalfd_siginfo info;
    while (read(supervisor->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        continue;
    }
    supervisor_reap(supervisor);
}

/* Returns whether the output is complete, or the wait for the rest has ended. */
static bool is_drained(const struct supervisor *supervisor, int64_t now) {
    if (supervisor->blocked) {
        return false; /* nothing is discarded silently: it is stored once there is space */
    }
    if (supervisor->source[0] < 0 && supervisor->source[1] < 0) {
        return true;
    }
    return now - supervisor->received_ms >= QUIET_MS || now - supervisor->drain_ms >= DRAIN_MS;
}

static int store_result(struct supervisor *supervisor) {
    fill_result(supervisor);
    return output_sync(&supervisor->output[0]) == 0 && output_sync(&supervisor->output[1]) == 0
               ? record_write_result(supervisor->folder, &supervisor->result)
               : -1;
}

/* Returns when the output of a stopped command is cut because the disk accepts none; -1: never. */
static int64_t cut_due(const struct supervisor *supervisor) {
    if (!supervisor->leader_ended || !supervisor->disk_full || supervisor->stop != STOP_DONE) {
        return -1;
    }
    return (supervisor->stored_ms > supervisor->stop_ms ? supervisor->stored_ms : supervisor->stop_ms) + REFUSED_MS;
}

/* Stores the result once the leader's output is complete and a stop has finished. */
static void try_finish(struct supervisor *supervisor) {
    int64_t now = steady_ms();
    if (supervisor->finished || !supervisor->leader_ended || !supervisor_stop_done(supervisor)) {
        return;
    }
    if (cut_due(supervisor) >= 0 && now >= cut_due(supervisor)) {
        supervisor_cut_output(supervisor);
    } else if (!is_drained(supervisor, now) || (supervisor->result_refused && now < supervisor->retry_ms)) {
        return;
    }
    supervisor->finished = store_result(supervisor) == 0;
    supervisor->result_refused = !supervisor->finished;
    supervisor->changed = true;
    if (!supervisor->finished) {
        supervisor->retry_ms = now + RETRY_MS;
        return;
    }
    close_fd(&supervisor->output[0].fd);
    close_fd(&supervisor->output[1].fd);
}

static void reduce_timeout(int64_t *next, int64_t wait) {
    if (wait < 0) {
        wait = 0;
    }
    if (*next < 0 || wait < *next) {
        *next = wait;
    }
}

/* Returns the milliseconds until the next timed step, or -1. */
static int next_timeout(struct supervisor *supervisor) {
    int64_t now = steady_ms(), next = supervisor_stop_step(supervisor);
    if (supervisor->finished) {
        return (int)next;
    }
    if (supervisor->disk_full || supervisor->result_refused) {
        reduce_timeout(&next, supervisor->retry_ms - now);
        if (cut_due(supervisor) >= 0) {
            reduce_timeout(&next, cut_due(supervisor) - now);
        }
    } else if (supervisor->leader_ended && !supervisor->blocked && supervisor_stop_done(supervisor)) {
        reduce_timeout(&next, supervisor->received_ms + QUIET_MS - now);
        reduce_timeout(&next, supervisor->drain_ms + DRAIN_MS - now);
    }
    return (int)next;
}

static size_t fill_polled(const struct supervisor *supervisor, struct pollfd *polled) {
    polled[POLL_SIGNALS] = (struct pollfd){.fd = supervisor->signals, .events = POLLIN};
    polled[POLL_LIFELINE] = (struct pollfd){.fd = supervisor->state->lifeline, .events = POLLIN};
    polled[POLL_SHUTDOWN] =
        (struct pollfd){.fd = supervisor->shutdown ? -1 : supervisor->state->shutdown, .events = POLLIN};
    polled[POLL_LISTENER] = (struct pollfd){
        .fd = supervisor->attachment_count < ATTACHMENTS_MAX ? supervisor->listener : -1, .events = POLLIN};
    for (int i = 0; i < 2; i++) {
        polled[POLL_SOURCES + i] =
            (struct pollfd){.fd = supervisor_reading(supervisor, i) ? supervisor->source[i] : -1, .events = POLLIN};
    }
    polled[POLL_INPUT] =
        (struct pollfd){.fd = supervisor_has_input(supervisor) ? supervisor->input : -1, .events = POLLOUT};
    for (int i = 0; i < supervisor->attachment_count; i++) {
        polled[POLL_ATTACHMENTS + i] = (struct pollfd){.fd = supervisor->attachments[i].fd,
            .events = (short)(POLLIN | (supervisor->attachments[i].stale ? POLLOUT : 0))};
    }
    return (size_t)(POLL_ATTACHMENTS + supervisor->attachment_count);
}

static void run_once(struct supervisor *supervisor, uint8_t *buffer) {
    struct pollfd polled[POLL_ATTACHMENTS + ATTACHMENTS_MAX];
    size_t count = fill_polled(supervisor, polled);
    int ready = poll(polled, (nfds_t)count, next_timeout(supervisor));
    if (ready > 0 && polled[POLL_LIFELINE].revents != 0) {
        /* `serve` has ended: this process is lost, and must not continue unsupervised. */
        supervisor_signal(supervisor, SIGKILL);
        kill_children(5000);
        _exit(0);
    }
    if (ready > 0 && (polled[POLL_SHUTDOWN].revents & POLLIN) != 0) {
        supervisor->shutdown = true;
        supervisor_stop(supervisor, GRACE_AT_END_MS);
    }
    if (ready > 0) {
        for (int i = supervisor->attachment_count - 1; i >= 0; i--) {
            if (polled[POLL_ATTACHMENTS + i].revents != 0 && !supervisor_receive(supervisor, i, buffer, BUFFER_BYTES)) {
                supervisor_drop(supervisor, i);
            }
        }
        if (polled[POLL_LISTENER].revents != 0) {
            supervisor_accept(supervisor);
        }
        for (int i = 0; i < 2; i++) {
            if (polled[POLL_SOURCES + i].revents != 0) {
                supervisor_read(supervisor, i, buffer, BUFFER_BYTES);
            }
        }
        if (polled[POLL_INPUT].revents != 0) {
            supervisor_write_input(supervisor);
        }
        if (polled[POLL_SIGNALS].revents != 0) {
            handle_signals(supervisor);
        }
    }
    if (supervisor->leader_ended && !supervisor->finished && !supervisor->exit_stored) {
        store_exit(supervisor, buffer);
    }
    supervisor_update_output(supervisor);
    try_finish(supervisor);
    supervisor_report(supervisor);
}

/* Descendants may still write into the pipes, or be stopped later. */
static bool is_needed(struct supervisor *supervisor) {
    if (!supervisor->finished || supervisor->source[0] >= 0 || supervisor->source[1] >= 0) {
        return true;
    }
    for (int i = 0; i < supervisor->attachment_count; i++) {
        if (supervisor->attachments[i].stale) {
            return true;
        }
    }
    return !supervisor_childless(supervisor);
}

void supervisor_loop(struct supervisor *supervisor) {
    uint8_t *buffer = malloc(BUFFER_BYTES);
    while (buffer != NULL && is_needed(supervisor)) {
        run_once(supervisor, buffer);
    }
}

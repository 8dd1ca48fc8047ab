#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "process/supervisor.h"

static uint64_t unacknowledged(const struct supervisor *supervisor) {
    uint64_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        bytes += supervisor->output[i].end + supervisor->pending_length[i] - supervisor->output[i].durable;
    }
    return bytes;
}

static uint64_t room(const struct supervisor *supervisor) {
    uint64_t used = unacknowledged(supervisor);
    return used < supervisor->allowance ? supervisor->allowance - used : 0;
}

void supervisor_allow_rest(struct supervisor *supervisor) {
    uint64_t rest = unacknowledged(supervisor);
    for (int i = 0; i < 2; i++) {
        int held = 0;
        if (supervisor->source[i] < 0) {
            continue;
        }
        /* A terminal does not report all that it holds. */
        if (supervisor->tty) {
            rest += TERMINAL_BYTES;
        } else if (ioctl(supervisor->source[i], FIONREAD, &held) == 0 && held > 0) {
            rest += (uint64_t)held;
        }
    }
    if (rest > supervisor->allowance) {
        supervisor->allowance = rest;
    }
}

bool supervisor_reading(const struct supervisor *supervisor, int index) {
    return supervisor->source[index] >= 0 && (supervisor->finished || (!supervisor->disk_full && room(supervisor) > 0));
}

void supervisor_free_output(struct supervisor *supervisor) {
    for (int i = 0; i < 2; i++) {
        output_free(&supervisor->output[i]);
    }
    supervisor->changed = true;
}

/* Appends what the disk accepts. If it is full, frees all acknowledged output and retries once. */
static size_t append(struct supervisor *supervisor, int index, const uint8_t *bytes, size_t length) {
    struct output *output = &supervisor->output[index];
    size_t done = output_append(output, bytes, length);
    if (done < length) {
        supervisor_free_output(supervisor);
        done += output_append(output, bytes + done, length - done);
    }
    if (done > 0) {
        supervisor->stored_ms = steady_ms();
    }
    return done;
}

static void store(struct supervisor *supervisor, int index, const uint8_t *bytes, size_t length, size_t capacity) {
    size_t done = append(supervisor, index, bytes, length);
    supervisor->changed = true;
    if (done == length) {
        return;
    }
    /* Keeps the rest until the disk accepts it. */
    if (supervisor->pending[index] == NULL) {
        supervisor->pending[index] = malloc(capacity);
    }
    if (supervisor->pending[index] == NULL) {
        abort(); /* a lost process, rather than a gap in its output */
    }
    memmove(supervisor->pending[index], bytes + done, length - done);
    supervisor->pending_length[index] = length - done;
    supervisor->disk_full = true;
    supervisor->retry_ms = steady_ms() + RETRY_MS;
}

void supervisor_read(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity) {
    if (!supervisor_reading(supervisor, index)) {
        return;
    }
    uint64_t wanted = supervisor->finished ? capacity : room(supervisor);
    ssize_t got = read(supervisor->source[index], buffer, wanted < capacity ? (size_t)wanted : capacity);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        /* a terminal returns EIO once no process has it open */
        close_fd(&supervisor->source[index]);
        return;
    }
    if (supervisor->finished) {
        return; /* discards later output, so that its writer is not killed by SIGPIPE */
    }
    supervisor->received_ms = steady_ms();
    store(supervisor, index, buffer, (size_t)got, capacity);
}

static void free_pending(struct supervisor *supervisor, int index) {
    supervisor->pending_length[index] = 0;
    free(supervisor->pending[index]);
    supervisor->pending[index] = NULL;
}

static void retry_pending(struct supervisor *supervisor) {
    supervisor->disk_full = false;
    for (int i = 0; i < 2; i++) {
        size_t length = supervisor->pending_length[i];
        supervisor->pending_length[i] = 0;
        if (length > 0) {
            store(supervisor, i, supervisor->pending[i], length, length);
        }
        if (supervisor->pending_length[i] == 0) {
            free_pending(supervisor, i);
        }
    }
    supervisor->changed = true;
}

void supervisor_cut_output(struct supervisor *supervisor) {
    supervisor->disk_full = supervisor->blocked = false;
    supervisor->result.output_cut = true;
    for (int i = 0; i < 2; i++) {
        free_pending(supervisor, i);
    }
}

/* Returns whether a source that is not read holds bytes; closes one that has ended. */
static bool has_unread_bytes(struct supervisor *supervisor, int index) {
    struct pollfd polled = {.fd = supervisor->source[index], .events = POLLIN};
    if (polled.fd < 0 || poll(&polled, 1, 0) <= 0) {
        return false;
    }
    if ((polled.revents & POLLIN) != 0) {
        return true;
    }
    close_fd(&supervisor->source[index]);
    return false;
}

void supervisor_update_output(struct supervisor *supervisor) {
    if (supervisor->finished) {
        return;
    }
    if (supervisor->disk_full && steady_ms() >= supervisor->retry_ms) {
        retry_pending(supervisor);
    }
    if (!supervisor->leader_ended) {
        return;
    }
    bool blocked = supervisor->disk_full;
    for (int i = 0; i < 2 && !blocked; i++) {
        blocked = !supervisor_reading(supervisor, i) && has_unread_bytes(supervisor, i);
    }
    if (supervisor->blocked && !blocked) {
        supervisor->received_ms = supervisor->drain_ms = steady_ms();
    }
    supervisor->blocked = blocked;
}

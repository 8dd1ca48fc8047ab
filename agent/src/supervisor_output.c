#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "supervisor.h"

static uint64_t unacknowledged(const struct supervisor *supervisor) {
    uint64_t bytes = 0;
    for (int i = 0; i < 2; i++)
        bytes += supervisor->output[i].end + supervisor->pending_length[i] - supervisor->output[i].durable;
    return bytes;
}

/* How much more may be stored now. What was in the pipes at the leader's end always may. */
static uint64_t room(const struct supervisor *supervisor) {
    uint64_t limit = supervisor->spec->unacked_limit + (supervisor->leader_ended ? supervisor->drain_extra : 0);
    uint64_t used = unacknowledged(supervisor);
    return used < limit ? limit - used : 0;
}

bool supervisor_reading(const struct supervisor *supervisor, int index) {
    return supervisor->source[index] >= 0 && (supervisor->finished || !supervisor->paused[index]);
}

static void store(struct supervisor *supervisor, int index, const uint8_t *bytes, size_t length, size_t capacity) {
    size_t done = output_append(&supervisor->output[index], bytes, length);
    supervisor->changed = true;
    if (done == length)
        return;
    /* The rest is kept here until the disk takes it. */
    if (supervisor->pending[index] == NULL)
        supervisor->pending[index] = malloc(capacity);
    if (supervisor->pending[index] == NULL)
        abort(); /* lost, rather than a gap in the output */
    memmove(supervisor->pending[index], bytes + done, length - done);
    supervisor->pending_length[index] = length - done;
    supervisor->disk_full = true;
    supervisor->retry_ms = steady_ms() + RETRY_MS;
}

void supervisor_read(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity) {
    uint64_t wanted = supervisor->finished ? capacity : room(supervisor);
    if (wanted == 0 || !supervisor_reading(supervisor, index))
        return;
    ssize_t got = read(supervisor->source[index], buffer, wanted < capacity ? (size_t)wanted : capacity);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close_fd(&supervisor->source[index]); /* a terminal says EIO when nobody has it open any more */
        return;
    }
    if (supervisor->finished)
        return; /* what is written after the end is dropped, so that its writer isn't killed */
    supervisor->heard_ms = steady_ms();
    store(supervisor, index, buffer, (size_t)got, capacity);
}

static void retry_pending(struct supervisor *supervisor) {
    supervisor->disk_full = false;
    for (int i = 0; i < 2; i++) {
        size_t length = supervisor->pending_length[i];
        supervisor->pending_length[i] = 0;
        if (length > 0)
            store(supervisor, i, supervisor->pending[i], length, length);
        if (supervisor->pending_length[i] == 0) {
            free(supervisor->pending[i]);
            supervisor->pending[i] = NULL;
        }
    }
    if (!supervisor->disk_full)
        supervisor->heard_ms = steady_ms();
    supervisor->changed = true;
}

void supervisor_review_pauses(struct supervisor *supervisor) {
    if (supervisor->finished)
        return;
    if (supervisor->disk_full && steady_ms() >= supervisor->retry_ms)
        retry_pending(supervisor);
    bool paused = supervisor->disk_full || room(supervisor) == 0;
    supervisor->paused[0] = supervisor->paused[1] = paused;
}

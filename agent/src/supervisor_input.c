#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "pty.h"
#include "supervisor.h"

/* Nobody reads stdin any more: what comes still counts as taken, so that no host waits for ever. */
static void close_input(struct supervisor *supervisor) {
    close_fd(&supervisor->input);
    supervisor->input_written = supervisor->input_taken;
    supervisor->changed = true;
}

static void end_if_due(struct supervisor *supervisor) {
    if (!supervisor->input_end_known || supervisor->input_ended || supervisor->input_taken != supervisor->input_total)
        return;
    if (supervisor->input >= 0 && supervisor->input_written < supervisor->input_taken)
        return;
    if (supervisor->tty && supervisor->input >= 0) {
        int end = pty_end_character(supervisor->input);
        uint8_t byte = (uint8_t)end;
        if (end > 0 && write(supervisor->input, &byte, 1) < 0 && errno == EAGAIN)
            return;
    }
    supervisor->input_ended = true;
    close_input(supervisor);
}

void supervisor_take_input(struct supervisor *supervisor, uint64_t offset, const uint8_t *bytes, size_t length) {
    if (offset != supervisor->input_taken || supervisor->input_end_known)
        return;
    if (supervisor->input < 0) {
        supervisor->input_taken += length;
        supervisor->input_written = supervisor->input_taken;
        supervisor->changed = true;
        return;
    }
    if (supervisor->input_taken - supervisor->input_written + length > STDIN_WINDOW)
        return; /* beyond the window: the session does not let this through */
    for (size_t done = 0; done < length;) {
        size_t at = supervisor->input_taken % STDIN_WINDOW, piece = STDIN_WINDOW - at;
        if (piece > length - done)
            piece = length - done;
        memcpy(supervisor->input_bytes + at, bytes + done, piece);
        supervisor->input_taken += piece;
        done += piece;
    }
    supervisor_write_input(supervisor);
}

void supervisor_end_input(struct supervisor *supervisor, uint64_t total) {
    supervisor->input_end_known = true;
    supervisor->input_total = total;
    end_if_due(supervisor);
}

void supervisor_write_input(struct supervisor *supervisor) {
    supervisor->changed = true;
    while (supervisor->input >= 0 && supervisor->input_written < supervisor->input_taken) {
        size_t at = supervisor->input_written % STDIN_WINDOW, piece = STDIN_WINDOW - at;
        if (piece > supervisor->input_taken - supervisor->input_written)
            piece = (size_t)(supervisor->input_taken - supervisor->input_written);
        ssize_t put = write(supervisor->input, supervisor->input_bytes + at, piece);
        if (put < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (put <= 0)
            close_input(supervisor);
        else
            supervisor->input_written += (uint64_t)put;
    }
    end_if_due(supervisor);
}

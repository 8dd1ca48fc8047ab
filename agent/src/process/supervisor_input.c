#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "process/pty.h"
#include "process/supervisor.h"

/* stdin has no reader: further input counts as taken, so that no host waits forever. */
static void close_input(struct supervisor *supervisor) {
    close_fd(&supervisor->input);
    supervisor->input_written = supervisor->input_taken;
    supervisor->changed = true;
}

/*
 * Writes the end of input to a terminal. After a partial line, the first end character only
 * delivers the line; the next one is the end. Returns false if the terminal accepts no more now.
 */
static bool end_terminal(struct supervisor *supervisor) {
    int end = pty_end_character(supervisor->input);
    uint8_t byte = (uint8_t)end, last = supervisor->input_written == 0
                                            ? '\n'
                                            : supervisor->input_bytes[(supervisor->input_written - 1) % STDIN_WINDOW];
    int wanted = end <= 0 ? 0 : last == '\n' || last == '\r' || last == byte ? 1 : 2;
    while (supervisor->input_end_characters < wanted) {
        ssize_t put = write(supervisor->input, &byte, 1);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0 && errno == EAGAIN) {
            return false;
        }
        supervisor->input_end_characters++;
    }
    return true;
}

static void end_if_due(struct supervisor *supervisor) {
    if (!supervisor->input_end_known || supervisor->input_ended || supervisor->input_taken != supervisor->input_total) {
        return;
    }
    if (supervisor->input >= 0 && supervisor->input_written < supervisor->input_taken) {
        return;
    }
    if (supervisor->tty && supervisor->input >= 0 && !end_terminal(supervisor)) {
        return;
    }
    supervisor->input_ended = true;
    close_input(supervisor);
}

bool supervisor_has_input(const struct supervisor *supervisor) {
    if (supervisor->input < 0) {
        return false;
    }
    bool end =
        supervisor->input_end_known && !supervisor->input_ended && supervisor->input_taken == supervisor->input_total;
    return supervisor->input_written < supervisor->input_taken || end;
}

void supervisor_take_input(struct supervisor *supervisor, uint64_t offset, const uint8_t *bytes, size_t length) {
    if (offset != supervisor->input_taken || supervisor->input_end_known) {
        return;
    }
    if (supervisor->input < 0) {
        supervisor->input_taken += length;
        supervisor->input_written = supervisor->input_taken;
        supervisor->changed = true;
        return;
    }
    if (supervisor->input_taken - supervisor->input_written + length > STDIN_WINDOW) {
        return; /* beyond the window: the session does not forward this */
    }
    for (size_t done = 0; done < length;) {
        size_t at = supervisor->input_taken % STDIN_WINDOW, piece = STDIN_WINDOW - at;
        if (piece > length - done) {
            piece = length - done;
        }
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
        if (piece > supervisor->input_taken - supervisor->input_written) {
            piece = (size_t)(supervisor->input_taken - supervisor->input_written);
        }
        ssize_t put = write(supervisor->input, supervisor->input_bytes + at, piece);
        if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (put <= 0) {
            close_input(supervisor);
        } else {
            supervisor->input_written += (uint64_t)put;
        }
    }
    end_if_due(supervisor);
}

#include "process/process_notes.h"

#include <string.h>

#include "serve/operation.h"

enum { GRACE_DEFAULT_MS = 10000, GRACE_MAX_MS = 24 * 3600 * 1000, SIGNAL_MAX = 64 };

int process_note_from(const struct json *json, uint8_t type, struct note *note, struct failure *failure) {
    memset(note, 0, sizeof *note);
    if (type == FRAME_SIGNAL) {
        note->kind = NOTE_SIGNAL;
        if (open_integer(json, "signal", 1, SIGNAL_MAX, 0, &note->number[0], failure) != 0) {
            return -1;
        }
        return note->number[0] > 0 ? 0 : fail(failure, "INVALID_SPEC", "'signal' is missing");
    }
    if (type == FRAME_STOP) {
        note->kind = NOTE_STOP;
        return open_integer(json, "graceMs", 0, GRACE_MAX_MS, GRACE_DEFAULT_MS, &note->number[0], failure);
    }
    note->kind = NOTE_RESIZE;
    return open_integer(json, "columns", 0, 65535, 80, &note->number[0], failure) == 0 &&
                   open_integer(json, "rows", 0, 65535, 24, &note->number[1], failure) == 0
               ? 0
               : -1;
}

int process_note_read(struct session *session, struct message *message, struct note *note) {
    struct json json;
    if (json_read(&json, message->text, message->text_length) != 0) {
        return session_violation(session, "a frame with invalid JSON");
    }
    int result = process_note_from(&json, message->type, note, &session->failure);
    json_free(&json);
    return result;
}

/* Signals a process, or resizes its terminal, for a host that is not attached to it. */
#include "process/process_link.h"
#include "process/process_notes.h"
#include "serve/operation.h"

static int send_note(struct session *session, const struct json *open, uint8_t type) {
    struct process_link link;
    struct note note;
    if (process_note_from(open, type, &note, &session->failure) != 0) {
        return -1;
    }
    int result = process_link_open(session, open, 0, false, &link);
    if (result == 0 && !link.ended && !link.lost) {
        process_link_send(&link, &note, NULL, 0);
    }
    if (result == 0) {
        result = link.lost ? process_link_fail_lost(session, &link) : send_empty(session, FRAME_RESULT);
    }
    process_link_close(&link);
    return result;
}

int operation_signal(struct session *session, const struct json *open) {
    return send_note(session, open, FRAME_SIGNAL);
}

int operation_resize(struct session *session, const struct json *open) {
    return send_note(session, open, FRAME_RESIZE);
}

/* Stops a process for a host that is not attached to it. */
#include "base/version.h"
#include "process/process_link.h"
#include "process/process_notes.h"
#include "serve/operation.h"

/*
 * Waits until the process has ended, and answers pings. CANCEL ends the waiting and not the stop.
 */
static int await_end(struct session *session, struct process_link *link) {
    while (!link->ended && !link->lost) {
        struct message message;
        int taken = session_take(session, &message);
        if (taken < 0) {
            return -1;
        }
        if (taken > 0 && message.type == FRAME_CANCEL) {
            return fail(&session->failure, "CANCELLED", "the host no longer waits for the end; the stop continues");
        }
        if (taken > 0) {
            continue;
        }
        struct pollfd polled = {.fd = link->fd, .events = POLLIN};
        if (session_wait(session, &polled, 1, -1) != 0 || process_link_receive(session, link) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Also stops descendants of an ended process, if its supervisor still runs. */
static void sweep(struct process_link *link, const struct note *note) {
    process_link_reconnect(link);
    process_link_send(link, note, NULL, 0);
}

int operation_stop(struct session *session, const struct json *open) {
    struct process_link link;
    struct note note;
    if (process_note_from(open, FRAME_STOP, &note, &session->failure) != 0) {
        return -1;
    }
    int result = process_link_open(session, open, 0, false, &link);
    if (result == 0 && link.ended) {
        sweep(&link, &note);
    } else if (result == 0 && !link.lost) {
        process_link_send(&link, &note, NULL, 0);
    }
    if (result == 0 && session->protocol >= PROTOCOL_OWNERSHIP) {
        /* the stop was accepted, however long it takes */
        result = send_empty(session, FRAME_OPENED);
    }
    if (result == 0) {
        result = await_end(session, &link) == 0 ? process_link_send_result(session, &link) : -1;
    }
    process_link_close(&link);
    return result;
}

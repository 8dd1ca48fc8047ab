#include "process/attach.h"

#include <errno.h>
#include <stdio.h>

#include "base/version.h"
#include "process/process_notes.h"
#include "serve/operation.h"

void attach_take_state(struct attach *attach) {
    const struct process_link *link = &attach->link;
    for (int i = 0; i < 2; i++) {
        struct output *output = &attach->output[i];
        if (link->ended || link->lost) {
            output_inspect(output);
        }
        if (link->ended) {
            output->end = i == 0 ? link->result.stdout_bytes : link->result.stderr_bytes;
        }
        if (!link->ended && !link->lost) {
            output->first = (uint64_t)link->state.number[STATE_FIRST + i];
            output->end = (uint64_t)link->state.number[STATE_END + i];
        }
    }
}

/*
 * Returns whether input was sent before the host received that another attachment owns stdin, or
 * had owned it.
 */
static bool is_stale_input(const struct session *session, struct attach *attach, uint64_t offset) {
    if (session->protocol < PROTOCOL_OWNERSHIP || !attach->feeds) {
        return false;
    }
    if (!attach->owns || session->ponged < attach->barrier ||
        (attach->restarts && offset != attach->receiving.received)) {
        return true;
    }
    attach->restarts = false;
    return false;
}

static int take_data(struct session *session, struct attach *attach, const struct data_frame *data) {
    if (is_stale_input(session, attach, data->offset)) {
        return 0;
    }
    uint64_t offset = attach->receiving.received;
    const uint8_t *bytes = receiving_data(session, &attach->receiving, &attach->expander, data);
    if (bytes == NULL) {
        return -1;
    }
    for (uint32_t done = 0; done < data->raw_length;) {
        uint32_t piece = data->raw_length - done < NOTE_BYTES_MAX ? data->raw_length - done : NOTE_BYTES_MAX;
        struct note note = {.kind = NOTE_STDIN, .number = {(int64_t)(offset + done), attach->turn}};
        if (!process_link_send(&attach->link, &note, bytes + done, piece)) {
            break; /* the process has ended and takes no input */
        }
        done += piece;
    }
    return 0;
}

static int take_end(struct session *session, struct attach *attach, const struct end_frame *end) {
    if (!attach->feeds) {
        return session_violation(session, "END of a stdin that this attachment does not feed");
    }
    if (is_stale_input(session, attach, end->total)) {
        return 0;
    }
    if (receiving_end(session, &attach->receiving, end) != 0) {
        return -1;
    }
    struct note note = {.kind = NOTE_STDIN_END, .number = {(int64_t)end->total, attach->turn}};
    process_link_send(&attach->link, &note, NULL, 0);
    return 0;
}

static int take_window(struct session *session, struct attach *attach, const struct window_frame *window) {
    if (!attach->delivers) {
        return 0;
    }
    if (sending_window(session, &attach->sending[window->stream - 1], window) != 0) {
        return -1;
    }
    struct note note = {.kind = NOTE_DURABLE, .number = {window->stream, (int64_t)window->acknowledged}};
    if (window->durable) {
        process_link_send(&attach->link, &note, NULL, 0);
    }
    return 0;
}

static int take_message(struct session *session, struct attach *attach, struct message *message) {
    struct note note;
    switch (message->type) {
    case FRAME_DATA:
        return take_data(session, attach, &message->data);
    case FRAME_END:
        return take_end(session, attach, &message->end);
    case FRAME_WINDOW:
        return take_window(session, attach, &message->window);
    case FRAME_SIGNAL:
    case FRAME_RESIZE:
    case FRAME_STOP:
        if (process_note_read(session, message, &note) != 0) {
            return -1;
        }
        process_link_send(&attach->link, &note, NULL, 0);
        return 0;
    case FRAME_CANCEL:
        return fail(&session->failure, "CANCELLED", "the host cancelled the attachment");
    default:
        return session_violation(session, "a frame that does not belong to an attachment");
    }
}

int attach_take_messages(struct session *session, struct attach *attach) {
    struct message message;
    int taken;
    while ((taken = session_take(session, &message)) > 0) {
        if (take_message(session, attach, &message) != 0) {
            return -1;
        }
    }
    return taken;
}

static int send_ownership(struct session *session, const struct attach *attach) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_open(&out, "stdin", '{');
    json_put_bool(&out, "owner", attach->owns);
    if (attach->owns) {
        json_put_number(&out, "from", (int64_t)attach->receiving.received);
        json_put_bool(&out, "ended", attach->input_ended);
    }
    json_close(&out, '}');
    json_close(&out, '}');
    return session_send_json(session, FRAME_PROGRESS, &out);
}

/* A new turn begins at the supervisor's offset, whatever this attachment has sent before. */
static int update_ownership(struct session *session, struct attach *attach) {
    const struct note *state = &attach->link.state;
    bool owns = (state->flags & NOTE_OWNER) != 0;
    bool same = owns == attach->owns && (!owns || state->number[STATE_TURN] == attach->turn);
    attach->turn = state->number[STATE_TURN];
    if (!attach->feeds || session->protocol < PROTOCOL_OWNERSHIP || same) {
        return 0;
    }
    attach->owns = owns;
    if (!owns) {
        return send_ownership(session, attach);
    }
    receiving_begin(&attach->receiving, (uint64_t)state->number[STATE_TAKEN]);
    attach->input_ended = (state->flags & NOTE_INPUT_ENDED) != 0;
    attach->restarts = true;
    if (send_ownership(session, attach) != 0 || session_ping(session) != 0) {
        return -1;
    }
    attach->barrier = session->pinged;
    return 0;
}

int attach_report(struct session *session, struct attach *attach) {
    const struct note *state = &attach->link.state;
    struct receiving *receiving = &attach->receiving;
    bool disk_full = attach->link.fd >= 0 && (state->flags & NOTE_DISK_FULL) != 0;
    if (disk_full != attach->disk_full) {
        struct json_out out = {0};
        attach->disk_full = disk_full;
        json_open(&out, NULL, '{');
        json_put_bool(&out, "diskFull", disk_full);
        json_close(&out, '}');
        if (session_send_json(session, FRAME_PROGRESS, &out) != 0) {
            return -1;
        }
    }
    if (attach->link.fd < 0) {
        return 0;
    }
    if (update_ownership(session, attach) != 0) {
        return -1;
    }
    uint64_t taken = (uint64_t)state->number[STATE_TAKEN], limit = (uint64_t)state->number[STATE_LIMIT];
    /*
     * An attachment that becomes the owner late must not continue a stream that another one fed
     * meanwhile.
     */
    if ((state->flags & NOTE_OWNER) == 0 || session->ponged < attach->barrier || receiving->ended ||
        taken > receiving->received) {
        return 0;
    }
    bool idle = taken == receiving->received && (taken > receiving->acknowledged || limit > receiving->limit);
    if (receiving->granted && !idle && limit < receiving->limit + STDIN_WINDOW / 4 &&
        taken < receiving->acknowledged + STDIN_WINDOW / 4) {
        return 0;
    }
    return receiving_grant(session, receiving, taken, limit);
}

/* Another host has stored output that this one has not read yet. */
static int fail_freed(struct failure *failure, const struct attach *attach, int index) {
    fail(failure, "OUTPUT_FREED", "the output at offset %llu was freed, since a host had stored it",
        (unsigned long long)attach->sending[index].sent);
    snprintf(failure->path, sizeof failure->path, "%s", index == 0 ? "stdout" : "stderr");
    failure->bytes = (int64_t)attach->sending[index].sent;
    struct output now;
    output_begin(&now, attach->link.folder, index + 1);
    output_inspect(&now); /* more recent than the supervisor's last state */
    failure->limit = (int64_t)(now.first > attach->output[index].first ? now.first : attach->output[index].first);
    return -1;
}

int attach_deliver(struct session *session, struct attach *attach) {
    int moved = 0;
    for (int i = 0; i < 2; i++) {
        struct sending *sending = &attach->sending[i];
        uint64_t available = attach->output[i].end - sending->sent;
        size_t room = sending_room(sending), length = available < room ? (size_t)available : room;
        if (length == 0) {
            continue;
        }
        ssize_t got = output_read(&attach->reader[i], sending->sent, attach->buffer, length);
        if (got < 0 && errno == ENOENT) {
            return fail_freed(&session->failure, attach, i);
        }
        if (got <= 0) {
            return fail_errno(&session->failure, got == 0 ? EIO : errno, "read the output", NULL);
        }
        if (sending_data(session, sending, &attach->compressor, attach->buffer, (size_t)got) != 0) {
            return -1;
        }
        moved = 1;
    }
    return moved;
}

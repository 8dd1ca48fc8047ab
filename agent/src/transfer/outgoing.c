#include "transfer/outgoing.h"

#include <errno.h>

#include "serve/serve_client.h"

/* The replay buffer uses the pod's memory: the host may request less than this, and not more. */
enum { WINDOW_MAX = 16 * 1024 * 1024, WINDOW_DEFAULT = 8 * 1024 * 1024 };

/*
 * Returns how many bytes may be read from the source now. Sent bytes must not be overwritten
 * before the host has acknowledged them.
 */
static size_t room_to_read(const struct outgoing *outgoing) {
    uint64_t kept = outgoing->transfer.lease_ms > 0 ? outgoing->sending.produced - outgoing->sending.acknowledged : 0;
    uint64_t free = outgoing->replay.capacity - kept;
    size_t room = sending_room(&outgoing->sending);
    return room < free ? room : (size_t)free;
}

static bool may_send(const struct outgoing *outgoing) {
    if (outgoing->sending.sent < outgoing->sending.produced) {
        return sending_room(&outgoing->sending) > 0;
    }
    return outgoing->read || room_to_read(outgoing) > 0;
}

/* Takes the messages of the host; waits for them if there is no credit. */
static int receive_messages(struct session *session, struct outgoing *outgoing) {
    for (;;) {
        struct message message;
        int taken = session_take(session, &message);
        if (taken < 0) {
            return -1;
        }
        if (taken > 0) {
            if (message.type == FRAME_CANCEL) {
                return fail(&session->failure, "CANCELLED", "the host cancelled the download");
            }
            if (message.type != FRAME_WINDOW || message.window.stream != 1) {
                return session_violation(session, "a frame that does not belong to a download");
            }
            if (sending_window(session, &outgoing->sending, &message.window) != 0) {
                return -1;
            }
        } else if (may_send(outgoing)) {
            return 0;
        } else if (session_wait(session, NULL, 0, -1) != 0) {
            return -1;
        }
    }
}

/* Sends one frame: bytes to be sent again, or the next of the source. 1 at its end, -1. */
static int send_frame(struct session *session, struct outgoing *outgoing) {
    struct sending *sending = &outgoing->sending;
    size_t length = sending_room(sending);
    uint8_t *bytes = replay_at(&outgoing->replay, sending->sent, &length);
    if (sending->sent < sending->produced) {
        if (length > sending->produced - sending->sent) {
            length = (size_t)(sending->produced - sending->sent);
        }
    } else {
        size_t room = room_to_read(outgoing);
        int64_t got = outgoing->read ? 0
                                     : outgoing->source(
                                           outgoing->context, bytes, length < room ? length : room, &session->failure);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            outgoing->read = true;
            return 1;
        }
        length = (size_t)got;
    }
    return sending_data(session, sending, &outgoing->compressor, bytes, length);
}

static int send_bytes(struct session *session, struct outgoing *outgoing) {
    for (;;) {
        if (receive_messages(session, outgoing) != 0) {
            return -1;
        }
        int sent = send_frame(session, outgoing);
        if (sent != 0) {
            return sent > 0 ? sending_end(session, &outgoing->sending) : -1;
        }
        if (session_wait(session, NULL, 0, 0) != 0) {
            return -1;
        }
    }
}

static int send_opened(void *context) {
    struct outgoing *outgoing = context;
    struct json_out out = {0};
    if (sending_rewind(outgoing->session, &outgoing->sending, outgoing->transfer.from) != 0) {
        return -1;
    }
    json_open(&out, NULL, '{');
    json_put_number(&out, "from", (int64_t)outgoing->sending.sent);
    outgoing->put_opened(outgoing->context, &out);
    json_close(&out, '}');
    return session_send_json(outgoing->session, FRAME_OPENED, &out);
}

static int send_result(struct outgoing *outgoing) {
    char text[65];
    struct json_out out = {0};
    sha256_text(&outgoing->sending.hash, text);
    json_open(&out, NULL, '{');
    json_put_number(&out, "bytes", (int64_t)outgoing->sending.sent);
    json_put_text(&out, "sha256", text);
    outgoing->put_result(outgoing->context, &out);
    json_close(&out, '}');
    return session_send_json(outgoing->session, FRAME_RESULT, &out);
}

/*
 * Sends the bytes, their proof and RESULT. After a lost connection, the next one receives the rest.
 */
static int send_all(void *context) {
    struct outgoing *outgoing = context;
    return send_bytes(outgoing->session, outgoing) == 0 ? send_result(outgoing) : -1;
}

int outgoing_acquire(struct outgoing *outgoing, const struct json *open) {
    outgoing->transfer.opened = send_opened;
    outgoing->transfer.context = outgoing;
    return transfer_acquire_continuable(outgoing->session, open, &outgoing->transfer);
}

int outgoing_begin(struct outgoing *outgoing, const struct json *open) {
    struct failure *failure = &outgoing->session->failure;
    int64_t window; /* the first credit */
    if (open_integer(open, "window", 0, INT64_MAX, 0, &window, failure) != 0) {
        return -1;
    }
    /* A multiple of the frame size, so that full frames fit without a break. */
    size_t kept = outgoing->transfer.lease_ms == 0 ? DATA_RAW_MAX
                  : window == 0                    ? WINDOW_DEFAULT
                  : window > WINDOW_MAX            ? WINDOW_MAX
                                                   : (size_t)window;
    if (replay_open(&outgoing->replay, (kept + DATA_RAW_MAX) / DATA_RAW_MAX * DATA_RAW_MAX) != 0) {
        return fail_errno(failure, ENOMEM, "begin a download", NULL);
    }
    sending_begin(&outgoing->sending, 1, 0);
    outgoing->sending.limit = (uint64_t)window;
    return 0;
}

int outgoing_answer(struct outgoing *outgoing, int result) {
    if (result == 0) {
        send_opened(outgoing); /* transfer_answer handles a connection that is lost here */
    }
    int end = transfer_answer(&outgoing->transfer, result, send_all);
    serve_release(outgoing->session, false);
    return end;
}

void outgoing_free(struct outgoing *outgoing) {
    compressor_free(&outgoing->compressor);
    replay_close(&outgoing->replay);
}

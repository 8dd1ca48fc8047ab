#include "transfer/incoming.h"

/* The credit of an upload, and how many bytes are handled between two WINDOWs. */
enum { UPLOAD_WINDOW = 8 * 1024 * 1024, UPLOAD_STEP = 1024 * 1024 };

static int grant(struct incoming *incoming) {
    struct receiving *receiving = &incoming->receiving;
    return receiving_grant(incoming->session, receiving, receiving->received, receiving->received + UPLOAD_WINDOW);
}

static int take_data(struct incoming *incoming, const struct data_frame *data) {
    struct session *session = incoming->session;
    struct receiving *receiving = &incoming->receiving;
    const uint8_t *bytes = receiving_data(session, receiving, &incoming->expander, data);
    if (bytes == NULL || incoming->feed(incoming->context, bytes, data->raw_length, &session->failure) != 0) {
        return -1;
    }
    return receiving->received - receiving->acknowledged < UPLOAD_STEP ? 0 : grant(incoming);
}

static int take_message(struct incoming *incoming) {
    struct session *session = incoming->session;
    struct message message;
    if (session_next(session, &message, -1) != 0) {
        return -1;
    }
    if (message.type == FRAME_DATA) {
        return take_data(incoming, &message.data);
    }
    if (message.type == FRAME_END) {
        return receiving_end(session, &incoming->receiving, &message.end);
    }
    if (message.type == FRAME_CANCEL) {
        return fail(&session->failure, "CANCELLED", "the host cancelled the upload");
    }
    return session_violation(session, "a frame that does not belong to an upload");
}

static int send_opened(void *context) {
    struct incoming *incoming = context;
    struct receiving *receiving = &incoming->receiving;
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "from", (int64_t)receiving->received);
    json_put_bool(&out, "ended", receiving->ended);
    json_close(&out, '}');
    if (session_send_json(incoming->session, FRAME_OPENED, &out) != 0) {
        return -1;
    }
    return receiving->ended ? 0 : grant(incoming);
}

int incoming_acquire(struct incoming *incoming, const struct json *open) {
    incoming->transfer.opened = send_opened;
    incoming->transfer.context = incoming;
    return transfer_acquire_continuable(incoming->session, open, &incoming->transfer);
}

int incoming_take(struct incoming *incoming) {
    struct session *session = incoming->session;
    receiving_begin(&incoming->receiving, 0);
    if (send_opened(incoming) != 0 && (!session->lost || transfer_resume(&incoming->transfer) != 0)) {
        return -1;
    }
    while (!incoming->receiving.ended) {
        if (take_message(incoming) == 0) {
            continue;
        }
        if (session->failure.code != NULL || !session->lost || transfer_resume(&incoming->transfer) != 0) {
            return -1;
        }
    }
    return session->failure.code == NULL ? 0 : -1;
}

void incoming_free(struct incoming *incoming) {
    expander_free(&incoming->expander);
}

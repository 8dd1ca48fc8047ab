#include <string.h>

#include "serve/serve_client.h"
#include "serve/streams.h"
#include "transfer/phase.h"
#include "transfer/stored_result.h"
#include "transfer/transfer.h"

/* The credit of an upload, and how many bytes are handled between two WINDOWs. */
enum { UPLOAD_WINDOW = 8 * 1024 * 1024, UPLOAD_STEP = 1024 * 1024 };

struct receive {
    struct session *session;
    struct transfer transfer;
    struct volume_folder volume;
    struct receiving receiving;
    struct expander expander;
    struct unpack *unpack;
    struct tree_stats stats;
    char path[PATH_BYTES];
};

static int read_options(struct session *session, const struct json *open, struct unpack_options *options) {
    const char *set = open_text(open, "set", "clear", &session->failure);
    if (set == NULL || open_boolean(open, "keepOwner", false, &options->keep_owner, &session->failure) != 0 ||
        open_integer(open, "expandedLimitBytes", 0, INT64_MAX, -1, &options->expanded_limit, &session->failure) != 0) {
        return -1;
    }
    if (strcmp(set, "clear") != 0 && strcmp(set, "error") != 0) {
        return fail(&session->failure, "INVALID_SPEC", "'set' is neither clear nor error");
    }
    options->set_id_error = strcmp(set, "error") == 0;
    return 0;
}

static int take_data(struct session *session, struct receive *receive, const struct data_frame *data) {
    struct receiving *receiving = &receive->receiving;
    const uint8_t *bytes = receiving_data(session, receiving, &receive->expander, data);
    if (bytes == NULL || unpack_feed(receive->unpack, bytes, data->raw_length, &session->failure) != 0) {
        return -1;
    }
    if (receiving->received - receiving->acknowledged < UPLOAD_STEP) {
        return 0;
    }
    return receiving_grant(session, receiving, receiving->received, receiving->received + UPLOAD_WINDOW);
}

static int take_message(struct session *session, struct receive *receive) {
    struct message message;
    if (session_next(session, &message, -1) != 0) {
        return -1;
    }
    if (message.type == FRAME_DATA) {
        return take_data(session, receive, &message.data);
    }
    if (message.type == FRAME_END) {
        return receiving_end(session, &receive->receiving, &message.end);
    }
    if (message.type == FRAME_CANCEL) {
        return fail(&session->failure, "CANCELLED", "the host cancelled the upload");
    }
    return session_violation(session, "a frame that does not belong to an upload");
}

/* Unpacks the whole archive into staging, over any number of connections. */
static int take_archive(struct session *session, struct receive *receive) {
    while (!receive->receiving.ended) {
        if (take_message(session, receive) == 0) {
            continue;
        }
        if (session->failure.code != NULL || !session->lost || transfer_resume(&receive->transfer) != 0) {
            return -1;
        }
    }
    if (session->failure.code != NULL) {
        return -1;
    }
    return unpack_finish(receive->unpack, receive->receiving.proven, &receive->stats, &session->failure);
}

static int send_opened(void *context) {
    struct receive *receive = context;
    struct receiving *receiving = &receive->receiving;
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "from", (int64_t)receiving->received);
    json_put_bool(&out, "ended", receiving->ended);
    json_close(&out, '}');
    if (session_send_json(receive->session, FRAME_OPENED, &out) != 0) {
        return -1;
    }
    return receiving->ended
               ? 0
               : receiving_grant(receive->session, receiving, receiving->received, receiving->received + UPLOAD_WINDOW);
}

static void put_result(struct json_out *out, const void *context) {
    const struct receive *receive = context;
    char text[65];
    sha256_text(&receive->receiving.hash, text);
    json_put_number(out, "bytes", (int64_t)receive->receiving.received);
    json_put_text(out, "sha256", text);
    json_put_number(out, "entries", (int64_t)receive->stats.entries);
    json_put_number(out, "expandedBytes", (int64_t)receive->stats.expanded_bytes);
}

static int send_result(void *context) {
    struct receive *receive = context;
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    put_result(&out, receive);
    json_close(&out, '}');
    return session_send_json(receive->session, FRAME_RESULT, &out);
}

static bool make_room(void *context) {
    struct receive *receive = context;
    return serve_make_room(receive->session);
}

static int run(struct session *session, const struct json *open, struct receive *receive) {
    struct unpack_options options = {.target = receive->path, .make_room = make_room, .context = receive};
    const char *volume = open_id(open, "volume", &session->failure);
    struct phase phase;
    phase_begin(&phase, session);
    if (volume == NULL || transfer_path(session, open, "path", receive->path) != 0 ||
        read_options(session, open, &options) != 0) {
        return -1;
    }
    if (volume_folder_open(session->state, volume, true, &receive->volume, &session->failure) != 0 ||
        volume_folder_stage(
            session->state, &receive->volume, receive->transfer.id, phase_keep_alive, &phase, &session->failure) != 0) {
        return -1;
    }
    receive->unpack = unpack_open(receive->volume.staged, &options, &session->failure);
    if (receive->unpack == NULL) {
        return -1;
    }
    receiving_begin(&receive->receiving, 0);
    if (receive->transfer.lease_ms > 0) {
        receive->volume.put_result = put_result;
    }
    receive->volume.result_context = receive;
    if (send_opened(receive) != 0 && (!session->lost || transfer_resume(&receive->transfer) != 0)) {
        return -1;
    }
    if (take_archive(session, receive) != 0) {
        return -1;
    }
    return transfer_commit(&receive->transfer, &receive->volume, receive->path);
}

/* Answers with the outcome of an upload that was committed, if the host has not received it yet. */
static int answer_stored(struct session *session, const char *id) {
    int sent = stored_result_send(session, id);
    if (sent <= 0) {
        return -1;
    }
    if (session_await_done(session) != 0) {
        return -1;
    }
    stored_result_remove(session->state, id);
    return OPERATION_DONE;
}

int operation_receive(struct session *session, const struct json *open) {
    struct receive receive = {.session = session, .volume = VOLUME_FOLDER_NONE};
    receive.transfer = (struct transfer){.holds_disk = true, .opened = send_opened, .context = &receive};
    int claimed = transfer_claim_continuable(session, open, &receive.transfer);
    if (claimed <= 0) {
        return claimed == 0 ? answer_stored(session, receive.transfer.id) : OPERATION_FAILED;
    }
    int result = run(session, open, &receive);
    if (receive.unpack != NULL) {
        unpack_close(receive.unpack);
    }
    expander_free(&receive.expander);
    struct phase phase;
    phase_begin(&phase, session);
    volume_folder_close(&receive.volume, phase_keep_alive, &phase);
    receive.transfer.holds_disk = false;
    int end = transfer_answer(&receive.transfer, result, send_result);
    if (end == OPERATION_DONE) {
        stored_result_remove(session->state, receive.transfer.id);
    }
    serve_release(session, false);
    return end;
}

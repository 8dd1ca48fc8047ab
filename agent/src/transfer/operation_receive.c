#include <string.h>

#include "serve/serve_client.h"
#include "transfer/incoming.h"
#include "transfer/phase.h"
#include "transfer/stored_result.h"

struct receive {
    struct incoming incoming;
    struct volume_folder volume;
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

static int feed(void *context, const uint8_t *bytes, size_t length, struct failure *failure) {
    struct receive *receive = context;
    return unpack_feed(receive->unpack, bytes, length, failure);
}

static void put_result(struct json_out *out, const void *context) {
    const struct receive *receive = context;
    char text[65];
    sha256_text(&receive->incoming.receiving.hash, text);
    json_put_number(out, "bytes", (int64_t)receive->incoming.receiving.received);
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
    return session_send_json(receive->incoming.session, FRAME_RESULT, &out);
}

static bool make_room(void *context) {
    struct receive *receive = context;
    return serve_make_room(receive->incoming.session);
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
        volume_folder_stage(session->state, &receive->volume, receive->incoming.transfer.id, phase_keep_alive, &phase,
            &session->failure) != 0) {
        return -1;
    }
    receive->unpack = unpack_open(receive->volume.staged, &options, &session->failure);
    if (receive->unpack == NULL) {
        return -1;
    }
    if (receive->incoming.transfer.lease_ms > 0) {
        receive->volume.put_result = put_result;
    }
    receive->volume.result_context = receive;
    if (incoming_take(&receive->incoming) != 0 ||
        unpack_finish(receive->unpack, receive->incoming.receiving.proven, &receive->stats, &session->failure) != 0) {
        return -1;
    }
    return transfer_commit(&receive->incoming.transfer, &receive->volume, receive->path);
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
    struct receive receive = {.volume = VOLUME_FOLDER_NONE};
    receive.incoming = (struct incoming){.session = session, .feed = feed, .context = &receive};
    receive.incoming.transfer.holds_disk = true;
    int acquired = incoming_acquire(&receive.incoming, open);
    if (acquired <= 0) {
        return acquired == 0 ? answer_stored(session, receive.incoming.transfer.id) : OPERATION_FAILED;
    }
    int result = run(session, open, &receive);
    if (receive.unpack != NULL) {
        unpack_close(receive.unpack);
    }
    incoming_free(&receive.incoming);
    struct phase phase;
    phase_begin(&phase, session);
    volume_folder_close(&receive.volume, phase_keep_alive, &phase);
    receive.incoming.transfer.holds_disk = false;
    int end = transfer_answer(&receive.incoming.transfer, result, send_result);
    if (end == OPERATION_DONE) {
        stored_result_remove(session->state, receive.incoming.transfer.id);
    }
    serve_release(session, false);
    return end;
}

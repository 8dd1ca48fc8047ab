#include <string.h>

#include "claim.h"
#include "hex.h"
#include "streams.h"
#include "transfer.h"

/* The credit of an upload, and how much of it is dealt with before the host hears of it. */
enum { UPLOAD_WINDOW = 8 * 1024 * 1024, UPLOAD_STEP = 1024 * 1024 };

struct receive {
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
        open_integer(open, "expandedLimitBytes", 0, INT64_MAX, -1, &options->expanded_limit, &session->failure) != 0)
        return -1;
    if (strcmp(set, "clear") != 0 && strcmp(set, "error") != 0)
        return fail(&session->failure, "INVALID_SPEC", "'set' is neither clear nor error");
    options->set_id_error = strcmp(set, "error") == 0;
    return 0;
}

static int take_data(struct session *session, struct receive *receive, const struct data_frame *data) {
    struct receiving *receiving = &receive->receiving;
    const uint8_t *bytes = receiving_data(session, receiving, &receive->expander, data);
    if (bytes == NULL || unpack_feed(receive->unpack, bytes, data->raw_length, &session->failure) != 0)
        return -1;
    if (receiving->received - receiving->acknowledged < UPLOAD_STEP)
        return 0;
    return receiving_grant(session, receiving, receiving->received, receiving->received + UPLOAD_WINDOW);
}

/* Takes the whole archive into staging. */
static int take_archive(struct session *session, struct receive *receive) {
    while (!receive->receiving.ended) {
        struct message message;
        if (session_next(session, &message, -1) != 0)
            return -1;
        int result;
        if (message.type == FRAME_DATA)
            result = take_data(session, receive, &message.data);
        else if (message.type == FRAME_END)
            result = receiving_end(session, &receive->receiving, &message.end);
        else if (message.type == FRAME_CANCEL)
            result = fail(&session->failure, "CANCELLED", "the host cancelled the upload");
        else
            result = session_violation(session, "a frame that does not belong to an upload");
        if (result != 0)
            return -1;
    }
    return unpack_finish(receive->unpack, &receive->stats, &session->failure);
}

static int send_opened(struct session *session, struct receive *receive) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "from", 0);
    json_close(&out, '}');
    if (session_send_json(session, FRAME_OPENED, &out) != 0)
        return -1;
    return receiving_grant(session, &receive->receiving, 0, UPLOAD_WINDOW);
}

static int send_result(struct session *session, const struct receive *receive) {
    uint8_t digest[32];
    char text[65];
    struct sha256 hash = receive->receiving.hash;
    struct json_out out = {0};
    sha256_end(&hash, digest);
    hex_put(text, digest, sizeof digest);
    json_open(&out, NULL, '{');
    json_put_number(&out, "bytes", (int64_t)receive->receiving.received);
    json_put_text(&out, "sha256", text);
    json_put_number(&out, "entries", (int64_t)receive->stats.entries);
    json_put_number(&out, "expandedBytes", (int64_t)receive->stats.expanded_bytes);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

static int run(struct session *session, const struct json *open, const char *id, struct receive *receive) {
    struct unpack_options options;
    const char *volume = open_id(open, "volume", &session->failure);
    if (volume == NULL || transfer_path(session, open, "path", receive->path) != 0 || read_options(session, open, &options) != 0)
        return -1;
    if (volume_folder_open(session->state, volume, true, &receive->volume, &session->failure) != 0 ||
        volume_folder_stage(&receive->volume, id, &session->failure) != 0)
        return -1;
    receive->unpack = unpack_open(receive->volume.staged, &options, &session->failure);
    if (receive->unpack == NULL)
        return -1;
    receiving_begin(&receive->receiving, 0);
    if (send_opened(session, receive) != 0 || take_archive(session, receive) != 0)
        return -1;
    return transfer_commit(session, &receive->volume, receive->path);
}

int operation_receive(struct session *session, const struct json *open) {
    struct receive receive = {.volume = {.folder = -1, .data = -1, .staging = -1, .staged = -1}};
    const char *id;
    if (transfer_claim(session, open, &id) != 0)
        return -1;
    int result = run(session, open, id, &receive);
    if (receive.unpack != NULL)
        unpack_close(receive.unpack);
    expander_free(&receive.expander);
    volume_folder_close(&receive.volume);
    claim_release(session);
    return result == 0 ? send_result(session, &receive) : -1;
}

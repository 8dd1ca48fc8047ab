#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "hex.h"
#include "streams.h"
#include "transfer.h"

struct send {
    struct volume_folder volume;
    struct sending sending;
    struct compressor compressor;
    struct pack *pack;
    uint8_t *buffer;
};

/* Takes what the host says; waits for it where there is no credit. */
static int hear(struct session *session, struct send *send) {
    for (;;) {
        struct message message;
        int taken = session_take(session, &message);
        if (taken < 0)
            return -1;
        if (taken > 0) {
            if (message.type == FRAME_CANCEL)
                return fail(&session->failure, "CANCELLED", "the host cancelled the download");
            if (message.type != FRAME_WINDOW || message.window.stream != 1)
                return session_violation(session, "a frame that does not belong to a download");
            if (sending_window(session, &send->sending, &message.window) != 0)
                return -1;
        } else if (sending_room(&send->sending) > 0) {
            return 0;
        } else if (session_wait(session, NULL, 0, -1) != 0) {
            return -1;
        }
    }
}

static int send_archive(struct session *session, struct send *send) {
    for (;;) {
        if (hear(session, send) != 0)
            return -1;
        int64_t length = pack_read(send->pack, send->buffer, sending_room(&send->sending), &session->failure);
        if (length < 0)
            return -1;
        if (length == 0)
            return sending_end(session, &send->sending);
        if (sending_data(session, &send->sending, &send->compressor, send->buffer, (size_t)length) != 0)
            return -1;
        if (session_wait(session, NULL, 0, 0) != 0)
            return -1;
    }
}

static int send_opened(struct session *session, enum pack_kind kind) {
    static const char *const KINDS[] = {[PACK_DIRECTORY] = "directory", [PACK_FILE] = "file", [PACK_SYMLINK] = "symlink"};
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "from", 0);
    json_put_text(&out, "kind", KINDS[kind]);
    json_close(&out, '}');
    return session_send_json(session, FRAME_OPENED, &out);
}

static int send_result(struct session *session, const struct send *send) {
    uint8_t digest[32];
    char text[65];
    struct tree_stats stats;
    struct sha256 hash = send->sending.hash;
    struct json_out out = {0};
    pack_stats(send->pack, &stats);
    sha256_end(&hash, digest);
    hex_put(text, digest, sizeof digest);
    json_open(&out, NULL, '{');
    json_put_number(&out, "bytes", (int64_t)send->sending.sent);
    json_put_text(&out, "sha256", text);
    json_put_number(&out, "entries", (int64_t)stats.entries);
    json_put_number(&out, "skipped", (int64_t)stats.skipped);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

static int run(struct session *session, const struct json *open, struct send *send) {
    struct pack_options options = {0};
    enum pack_kind kind;
    char path[PATH_BYTES];
    const char *volume = open_id(open, "volume", &session->failure);
    if (volume == NULL || transfer_path(session, open, "path", path) != 0 ||
        open_boolean(open, "keepOwner", false, &options.keep_owner, &session->failure) != 0 ||
        volume_folder_open(session->state, volume, false, &send->volume, &session->failure) != 0)
        return -1;
    options.scratch = session->state->operations;
    send->buffer = malloc(DATA_RAW_MAX);
    if (send->buffer == NULL)
        return fail_errno(&session->failure, ENOMEM, "read the volume", NULL);
    send->pack = pack_open(send->volume.data, path, &options, &kind, &session->failure);
    if (send->pack == NULL)
        return -1;
    sending_begin(&send->sending, 1, 0);
    if (send_opened(session, kind) != 0)
        return -1;
    return send_archive(session, send);
}

int operation_send(struct session *session, const struct json *open) {
    struct send send = {.volume = {.folder = -1, .data = -1, .staging = -1, .staged = -1}};
    const char *id;
    if (transfer_claim(session, open, &id) != 0)
        return -1;
    int result = run(session, open, &send);
    claim_release(session);
    if (result == 0)
        result = send_result(session, &send);
    if (send.pack != NULL)
        pack_close(send.pack);
    compressor_free(&send.compressor);
    volume_folder_close(&send.volume);
    free(send.buffer);
    return result;
}

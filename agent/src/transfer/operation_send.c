#include <errno.h>

#include "serve/serve_client.h"
#include "serve/streams.h"
#include "transfer/replay.h"
#include "transfer/transfer.h"

/* The replay buffer uses the pod's memory: the host may request less than this, and not more. */
enum { WINDOW_MAX = 16 * 1024 * 1024, WINDOW_DEFAULT = 8 * 1024 * 1024 };

struct send {
    struct session *session;
    struct transfer transfer;
    struct volume_folder volume;
    struct sending sending;
    struct compressor compressor;
    struct pack *pack;
    enum pack_kind kind;
    struct replay replay;
    bool packed; /* the end of the archive was reached */
};

/*
 * Returns how many bytes may be read from the archive now. Sent bytes must not be overwritten
 * before the host has acknowledged them.
 */
static size_t room_to_read(const struct send *send) {
    uint64_t kept = send->transfer.lease_ms > 0 ? send->sending.produced - send->sending.acknowledged : 0;
    uint64_t free = send->replay.capacity - kept;
    size_t room = sending_room(&send->sending);
    return room < free ? room : (size_t)free;
}

static bool may_send(const struct send *send) {
    if (send->sending.sent < send->sending.produced) {
        return sending_room(&send->sending) > 0;
    }
    return send->packed || room_to_read(send) > 0;
}

/* Takes the messages of the host; waits for them if there is no credit. */
static int receive_messages(struct session *session, struct send *send) {
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
            if (sending_window(session, &send->sending, &message.window) != 0) {
                return -1;
            }
        } else if (may_send(send)) {
            return 0;
        } else if (session_wait(session, NULL, 0, -1) != 0) {
            return -1;
        }
    }
}

/* Sends one frame: bytes to be sent again, or the next of the archive. 1 at its end, -1. */
static int send_frame(struct session *session, struct send *send) {
    struct sending *sending = &send->sending;
    size_t length = sending_room(sending);
    uint8_t *bytes = replay_at(&send->replay, sending->sent, &length);
    if (sending->sent < sending->produced) {
        if (length > sending->produced - sending->sent) {
            length = (size_t)(sending->produced - sending->sent);
        }
    } else {
        size_t room = room_to_read(send);
        int64_t got = send->packed ? 0 : pack_read(send->pack, bytes, length < room ? length : room, &session->failure);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            send->packed = true;
            return 1;
        }
        length = (size_t)got;
    }
    return sending_data(session, sending, &send->compressor, bytes, length);
}

static int send_archive(struct session *session, struct send *send) {
    for (;;) {
        if (receive_messages(session, send) != 0) {
            return -1;
        }
        int sent = send_frame(session, send);
        if (sent != 0) {
            return sent > 0 ? sending_end(session, &send->sending) : -1;
        }
        if (session_wait(session, NULL, 0, 0) != 0) {
            return -1;
        }
    }
}

static int send_opened(void *context) {
    struct send *send = context;
    static const char *const KINDS[] = {
        [PACK_DIRECTORY] = "directory", [PACK_FILE] = "file", [PACK_SYMLINK] = "symlink"};
    struct json_out out = {0};
    if (sending_rewind(send->session, &send->sending, send->transfer.from) != 0) {
        return -1;
    }
    json_open(&out, NULL, '{');
    json_put_number(&out, "from", (int64_t)send->sending.sent);
    json_put_text(&out, "kind", KINDS[send->kind]);
    json_close(&out, '}');
    return session_send_json(send->session, FRAME_OPENED, &out);
}

static int send_result(struct send *send) {
    char text[65];
    struct tree_stats stats;
    struct json_out out = {0};
    pack_stats(send->pack, &stats);
    sha256_text(&send->sending.hash, text);
    json_open(&out, NULL, '{');
    json_put_number(&out, "bytes", (int64_t)send->sending.sent);
    json_put_text(&out, "sha256", text);
    json_put_number(&out, "entries", (int64_t)stats.entries);
    json_put_number(&out, "skipped", (int64_t)stats.skipped);
    json_close(&out, '}');
    return session_send_json(send->session, FRAME_RESULT, &out);
}

/*
 * Sends the archive, its proof and RESULT. After a lost connection, the next one receives the rest.
 */
static int send_all(void *context) {
    struct send *send = context;
    return send_archive(send->session, send) == 0 ? send_result(send) : -1;
}

static int begin(struct session *session, const struct json *open, struct send *send) {
    struct pack_options options = {0};
    int64_t window; /* the first credit */
    char path[PATH_BYTES];
    const char *volume = open_id(open, "volume", &session->failure);
    if (volume == NULL || transfer_path(session, open, "path", path) != 0 ||
        open_boolean(open, "keepOwner", false, &options.keep_owner, &session->failure) != 0 ||
        open_integer(open, "window", 0, INT64_MAX, 0, &window, &session->failure) != 0 ||
        volume_folder_open(session->state, volume, false, &send->volume, &session->failure) != 0) {
        return -1;
    }
    options.scratch = session->state->operations;
    /* A multiple of the frame size, so that full frames fit without a break. */
    size_t kept = send->transfer.lease_ms == 0 ? DATA_RAW_MAX
                  : window == 0                ? WINDOW_DEFAULT
                  : window > WINDOW_MAX        ? WINDOW_MAX
                                               : (size_t)window;
    if (replay_open(&send->replay, (kept + DATA_RAW_MAX) / DATA_RAW_MAX * DATA_RAW_MAX) != 0) {
        return fail_errno(&session->failure, ENOMEM, "read the volume", NULL);
    }
    send->pack = pack_open(send->volume.data, path, &options, &send->kind, &session->failure);
    if (send->pack == NULL) {
        return -1;
    }
    sending_begin(&send->sending, 1, 0);
    send->sending.limit = (uint64_t)window;
    return 0;
}

int operation_send(struct session *session, const struct json *open) {
    struct send send = {.session = session, .volume = VOLUME_FOLDER_NONE};
    send.transfer = (struct transfer){.opened = send_opened, .context = &send};
    if (transfer_claim_continuable(session, open, &send.transfer) <= 0) {
        return OPERATION_FAILED;
    }
    int result = begin(session, open, &send);
    if (result == 0) {
        send_opened(&send); /* transfer_answer handles a connection that is lost here */
    }
    int end = transfer_answer(&send.transfer, result, send_all);
    serve_release(session, false);
    if (send.pack != NULL) {
        pack_close(send.pack);
    }
    compressor_free(&send.compressor);
    volume_folder_close(&send.volume, NULL, NULL);
    replay_close(&send.replay);
    return end;
}

#include <errno.h>
#include <string.h>

#include "transfer/outgoing.h"
#include "transfer/phase.h"

struct send {
    struct volume_folder volume;
    struct pack *pack;
    enum pack_kind kind;
};

static int64_t read_pack(void *context, uint8_t *bytes, size_t capacity, struct failure *failure) {
    struct send *send = context;
    return pack_read(send->pack, bytes, capacity, failure);
}

static void put_opened(const void *context, struct json_out *out) {
    static const char *const KINDS[] = {
        [PACK_DIRECTORY] = "directory", [PACK_FILE] = "file", [PACK_SYMLINK] = "symlink"};
    const struct send *send = context;
    json_put_text(out, "kind", KINDS[send->kind]);
}

static void put_result(const void *context, struct json_out *out) {
    const struct send *send = context;
    struct tree_stats stats;
    pack_stats(send->pack, &stats);
    json_put_number(out, "entries", (int64_t)stats.entries);
    json_put_number(out, "skipped", (int64_t)stats.skipped);
}

static int begin(struct session *session, const struct json *open, struct send *send) {
    struct pack_options options = {.scratch = session->state->operations};
    char path[PATH_BYTES];
    const char *volume = open_id(open, "volume", &session->failure);
    if (volume == NULL || transfer_path(session, open, "path", path) != 0 ||
        open_boolean(open, "keepOwner", false, &options.keep_owner, &session->failure) != 0 ||
        volume_folder_open(session->state, volume, false, &send->volume, &session->failure) != 0) {
        return -1;
    }
    send->pack = pack_open(send->volume.data, path, &options, &send->kind, &session->failure);
    return send->pack == NULL ? -1 : 0;
}

static void end(struct send *send) {
    if (send->pack != NULL) {
        pack_close(send->pack);
    }
    volume_folder_close(&send->volume, NULL, NULL);
}

static int send_archive(struct session *session, const struct json *open) {
    struct send send = {.volume = VOLUME_FOLDER_NONE};
    struct outgoing outgoing = {
        .session = session, .source = read_pack, .put_opened = put_opened, .put_result = put_result, .context = &send};
    if (outgoing_acquire(&outgoing, open) <= 0) {
        return OPERATION_FAILED;
    }
    int result = outgoing_begin(&outgoing, open) == 0 ? begin(session, open, &send) : -1;
    result = outgoing_answer(&outgoing, result);
    end(&send);
    outgoing_free(&outgoing);
    return result;
}

struct hashed {
    struct sha256 hash;
    uint64_t bytes;
};

/* Packs everything into one buffer, again and again. 0, or -1 with `failure` or ended by the phase. */
static int hash_pack(struct send *send, struct phase *phase, struct hashed *hashed, struct failure *failure) {
    struct replay buffer;
    int64_t got;
    if (replay_open(&buffer, DATA_RAW_MAX) != 0) {
        return fail_errno(failure, ENOMEM, "read the volume", NULL);
    }
    while ((got = pack_read(send->pack, buffer.bytes, buffer.capacity, failure)) > 0) {
        struct tree_stats stats;
        sha256_add(&hashed->hash, buffer.bytes, (size_t)got);
        hashed->bytes += (uint64_t)got;
        pack_stats(send->pack, &stats);
        if (phase_progress(phase, stats.entries, hashed->bytes) != 0) {
            got = -1;
            break;
        }
    }
    replay_close(&buffer);
    return got == 0 ? 0 : -1;
}

static int send_digest(struct session *session, const struct send *send, const struct hashed *hashed) {
    char text[65];
    struct json_out out = {0};
    sha256_text(&hashed->hash, text);
    json_open(&out, NULL, '{');
    json_put_number(&out, "bytes", (int64_t)hashed->bytes);
    json_put_text(&out, "sha256", text);
    put_result(send, &out);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

/* Answers with the RESULT of the download, without its bytes. Changes nothing, so needs no id. */
static int digest_archive(struct session *session, const struct json *open) {
    struct send send = {.volume = VOLUME_FOLDER_NONE};
    struct hashed hashed = {0};
    struct failure failure = {0};
    struct phase phase;
    sha256_begin(&hashed.hash);
    int result = begin(session, open, &send);
    if (result == 0) {
        phase_begin(&phase, session);
        result = phase_end(&phase, hash_pack(&send, &phase, &hashed, &failure), &failure);
    }
    if (result == 0) {
        result = send_digest(session, &send, &hashed);
    }
    end(&send);
    return result == 0 ? OPERATION_ANSWERED : OPERATION_FAILED;
}

int operation_send(struct session *session, const struct json *open) {
    const char *only = open_text(open, "only", "", &session->failure);
    if (only == NULL) {
        return OPERATION_FAILED;
    }
    if (strcmp(only, "digest") == 0) {
        return digest_archive(session, open);
    }
    if (*only != 0) {
        return fail(&session->failure, "INVALID_SPEC", "'only' is not digest");
    }
    return send_archive(session, open);
}

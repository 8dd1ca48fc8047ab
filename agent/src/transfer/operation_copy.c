#include "serve/serve_client.h"
#include "transfer/phase.h"
#include "transfer/transfer.h"

static int copy_staged(struct session *session, const struct volume_folder *from, const char *path,
    const struct copy_target *to, struct tree_stats *stats) {
    struct failure failure = {0};
    struct phase phase;
    phase_begin(&phase, session);
    int result = copy_tree(from->data, path, to, phase_progress, &phase, stats, &failure);
    return phase_end(&phase, result, &failure);
}

static int run(struct transfer *transfer, const struct json *open, struct volume_folder *from, struct volume_folder *to,
    struct tree_stats *stats) {
    struct session *session = transfer->session;
    char path[PATH_BYTES], to_path[PATH_BYTES];
    const char *from_id = open_id(open, "from", &session->failure),
               *to_id = from_id == NULL ? NULL : open_id(open, "to", &session->failure);
    if (to_id == NULL || transfer_path(session, open, "path", path) != 0 ||
        transfer_path(session, open, "toPath", to_path) != 0) {
        return -1;
    }
    if (volume_folder_open(session->state, from_id, false, from, &session->failure) != 0 ||
        volume_folder_open(session->state, to_id, true, to, &session->failure) != 0) {
        return -1;
    }
    struct phase phase;
    phase_begin(&phase, session);
    if (volume_folder_stage(session->state, to, transfer->id, phase_keep_alive, &phase, &session->failure) != 0) {
        return -1;
    }
    if (copy_staged(session, from, path, &(struct copy_target){to->staged, to_path}, stats) != 0) {
        return -1;
    }
    return transfer_commit(transfer, to, to_path);
}

int operation_copy(struct session *session, const struct json *open) {
    struct volume_folder from = VOLUME_FOLDER_NONE, to = from;
    struct phase phase;
    struct tree_stats stats = {0};
    struct transfer transfer = {0};
    if (transfer_acquire(session, open, &transfer) != 0) {
        return -1;
    }
    int result = run(&transfer, open, &from, &to, &stats);
    phase_begin(&phase, session);
    volume_folder_close(&from, NULL, NULL);
    volume_folder_close(&to, phase_keep_alive, &phase);
    serve_release(session, false);
    if (result != 0) {
        return -1;
    }
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "entries", (int64_t)stats.entries);
    json_put_number(&out, "expandedBytes", (int64_t)stats.expanded_bytes);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

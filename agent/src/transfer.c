#include "transfer.h"

#include "claim.h"

int transfer_claim(struct session *session, const struct json *open, const char **id) {
    int64_t attempt;
    *id = open_id(open, "id", &session->failure);
    if (*id == NULL || open_integer(open, "attempt", 0, INT64_MAX, 1, &attempt, &session->failure) != 0)
        return -1;
    return claim_take(session, CLAIM_OPERATION, *id, attempt);
}

int transfer_path(struct session *session, const struct json *open, const char *key, char path[PATH_BYTES]) {
    const char *text = open_text(open, key, "", &session->failure);
    return text == NULL ? -1 : path_normal(text, path, PATH_BYTES, &session->failure);
}

int transfer_commit(struct session *session, struct volume_folder *volume, const char *path) {
    struct failure failure = {0};
    struct busy busy;
    busy_begin(&busy, session);
    int result = volume_folder_commit(session->state, volume, path, busy_progress, &busy, &failure);
    return busy_end(&busy, result, &failure);
}

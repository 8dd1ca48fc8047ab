#include <errno.h>
#include <unistd.h>

#include "process/record.h"
#include "process/supervisor.h"
#include "serve/operation.h"
#include "serve/serve_client.h"

/* Returns 1 with the record if the id was started before, 0 if it is free, -1. */
static int was_started(struct session *session, const char *id, struct process_start *start) {
    int folder = record_folder(session->state, id, false);
    if (folder < 0) {
        return errno == ENOENT ? 0 : fail_errno(&session->failure, errno, "open the process's folder", NULL);
    }
    int found = record_read_start(session->state, folder, start);
    int error = errno;
    close(folder);
    return found < 0 ? fail_errno(&session->failure, error, "read the process's record", NULL) : found;
}

static int start_once(struct session *session, const struct json *open, const char *id, struct process_start *before) {
    struct spec spec;
    int found = was_started(session, id, before);
    if (found == 0) {
        found = spec_read(&spec, open, &session->failure);
        if (found == 0) {
            found = supervisor_spawn(session, &spec, &session->failure) == 0 ? 0 : -1;
        }
        spec_free(&spec);
    }
    return found;
}

int operation_start(struct session *session, const struct json *open) {
    const char *id = open_id(open, "process", &session->failure);
    if (id == NULL || serve_acquire(session, REQUEST_PROCESS, id, 0) != 0) {
        return -1;
    }
    struct process_start before = {0};
    int found = start_once(session, open, id, &before);
    serve_release(session, false);
    if (found < 0) {
        return -1;
    }
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_bool(&out, "started", found == 0);
    json_put_text(&out, "process", id);
    record_put_spec_digest(&out, &before);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

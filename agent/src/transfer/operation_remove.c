#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "process/record.h"
#include "serve/serve_client.h"
#include "transfer/phase.h"
#include "transfer/stored_result.h"
#include "transfer/transfer.h"

static int remove_volume(struct session *session, const struct json *open) {
    const char *id = open_id(open, "volume", &session->failure);
    struct volume_folder volume;
    struct failure failure = {0};
    struct phase phase;
    if (id == NULL) {
        return -1;
    }
    if (volume_folder_open_damaged(session->state, id, false, &volume, &failure) != 0) {
        if (strcmp(failure.code, "VOLUME_NOT_FOUND") == 0) {
            return send_empty(session, FRAME_RESULT);
        }
        session->failure = failure;
        return -1;
    }
    phase_begin(&phase, session);
    int result = volume_folder_empty(session->state, &volume, phase_progress, &phase, &failure);
    volume_folder_close(&volume, NULL, NULL);
    return phase_end(&phase, result, &failure) == 0 ? send_empty(session, FRAME_RESULT) : -1;
}

static int remove_record(struct session *session, const char *id) {
    struct process_start start;
    struct process_result result;
    int folder = record_folder(session->state, id, false);
    if (folder < 0) {
        return errno == ENOENT ? 0 : fail_errno(&session->failure, errno, "open the process's folder", NULL);
    }
    bool running = record_read_start(session->state, folder, &start) == 1 && record_supervised(folder) &&
                   record_read_result(folder, &result) == 0;
    close(folder);
    if (running) {
        return fail(&session->failure, "INVALID_SPEC", "the process '%s' still runs", id);
    }
    if (record_remove(session->state, id) != 0) {
        return fail_errno(&session->failure, errno, "remove the process's record", NULL);
    }
    return 0;
}

static int remove_process(struct session *session, const struct json *open) {
    const char *id = open_id(open, "process", &session->failure);
    if (id == NULL || serve_acquire(session, REQUEST_PROCESS, id, 0) != 0) {
        return -1;
    }
    int result = remove_record(session, id);
    serve_release(session, false);
    return result == 0 ? send_empty(session, FRAME_RESULT) : -1;
}

/* Ends the operation, whatever its attempt number is, and removes its stored result. */
static int remove_operation(struct session *session, const struct json *open) {
    const char *id = open_id(open, "operation", &session->failure);
    if (id == NULL || serve_acquire(session, REQUEST_OPERATION, id, INT64_MAX) != 0) {
        return -1;
    }
    stored_result_remove(session->state, id);
    serve_release(session, false);
    return send_empty(session, FRAME_RESULT);
}

int operation_remove(struct session *session, const struct json *open) {
    static const struct {
        const char *key;
        operation_fn *run;
    } KINDS[] = {{"volume", remove_volume}, {"process", remove_process}, {"operation", remove_operation}};
    operation_fn *run = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (json_member(open, json_root(open), KINDS[i].key) != NULL) {
            run = KINDS[i].run;
            count++;
        }
    }
    if (count != 1) {
        return fail(&session->failure, "INVALID_SPEC", "one of 'volume', 'process' and 'operation' is needed");
    }
    return run(session, open);
}

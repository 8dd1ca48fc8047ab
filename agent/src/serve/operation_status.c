#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/version.h"
#include "process/oom.h"
#include "process/record.h"
#include "serve/operation.h"
#include "serve/serve_client.h"

static void put_number_or_null(struct json_out *out, const char *key, bool known, int64_t number) {
    if (known) {
        json_put_number(out, key, number);
    } else {
        json_put_null(out, key);
    }
}

struct report {
    const struct state *state;
    struct json_out out;
};

static void put_process(void *context, const char *id) {
    struct report *report = context;
    const struct state *state = report->state;
    struct json_out *out = &report->out;
    struct process_start start;
    struct process_result result = {0};
    int folder = record_folder(state, id, false);
    if (folder < 0) {
        return;
    }
    /* read first: the result is stored before the supervisor ends */
    bool supervised = record_supervised(folder);
    int started = record_read_start(state, folder, &start), ended = record_read_result(folder, &result);
    char pid[16];
    if (started == 1) {
        bool running = ended != 1 && supervised;
        json_open(out, NULL, '{');
        json_put_text(out, "id", id);
        json_put_text(out, "state", ended == 1 ? "ended" : running ? "running" : "lost");
        put_number_or_null(out, "exitStatus", ended == 1, result.exit_status);
        put_number_or_null(out, "signal", ended == 1 && result.signal != 0, result.signal);
        bool known = running && read_file(folder, "pid", pid, sizeof pid) > 0;
        put_number_or_null(out, "pid", known, known ? strtol(pid, NULL, 10) : 0);
        json_close(out, '}');
    }
    close(folder);
}

static void put_volume(void *context, const char *id) {
    struct report *report = context;
    int folder = open_folder(report->state->volumes, id);
    if (folder >= 0) {
        json_put_text(&report->out, NULL, id);
    }
    close_fd(&folder);
}

static void put_list(struct report *report, const char *key, int folder, void (*put)(void *context, const char *id)) {
    json_open(&report->out, key, '[');
    each_id(folder, put, report);
    json_close(&report->out, ']');
}

int operation_status(struct session *session, const struct json *open) {
    const struct state *state = session->state;
    struct report report = {.state = state};
    struct json_out *out = &report.out;
    int64_t operations, parked;
    (void)open;
    serve_count(session, &operations, &parked);
    json_open(out, NULL, '{');
    json_put_text(out, "incarnation", state->incarnation);
    json_put_text(out, "version", AGENT_VERSION);
    put_list(&report, "processes", state->processes, put_process);
    put_list(&report, "volumes", state->volumes, put_volume);
    json_put_number(out, "operations", operations);
    json_put_number(out, "parked", parked);
    json_put_number(out, "freeBytes", state_free_bytes(state));
    json_put_number(out, "totalBytes", state_total_bytes(state));
    json_put_number(out, "oomKills", oom_kills());
    json_close(out, '}');
    return session_send_json(session, FRAME_RESULT, out);
}

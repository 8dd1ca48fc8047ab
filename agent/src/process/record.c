#include "process/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/socket.h"
#include "process/output.h"

enum { RESULT_BYTES = 4096 }; /* more than any result: a block of most file systems */

int record_folder(const struct state *state, const char *id, bool make) {
    return make ? create_folder(state->processes, id, 0700) : open_folder(state->processes, id);
}

static int read_json(int folder, const char *name, struct json *json, char *text, size_t capacity) {
    ssize_t length = read_file(folder, name, text, capacity);
    if (length < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (json_read(json, text, (size_t)length) != 0) {
        errno = EIO;
        return -1;
    }
    return 1;
}

static int64_t number_of(const struct json *json, const char *key) {
    int64_t value;
    json_integer(json, json_root(json), key, INT64_MIN, INT64_MAX, 0, &value);
    return value;
}

int record_read_start(const struct state *state, int folder, struct process_start *start) {
    struct json json;
    char text[1024];
    int found = read_json(folder, "start", &json, text, sizeof text);
    if (found != 1) {
        return found;
    }
    start->started_at = number_of(&json, "startedAt");
    start->oom_kills = number_of(&json, "oomKills");
    const char *incarnation = json_text(json_member(&json, json_root(&json), "incarnation"));
    start->this_incarnation = incarnation != NULL && strcmp(incarnation, state->incarnation) == 0;
    const char *digest = json_text(json_member(&json, json_root(&json), "specDigest"));
    if (digest == NULL || !hex_is(digest, SPEC_DIGEST_DIGITS)) {
        digest = "";
    }
    memcpy(start->spec_digest, digest, strlen(digest) + 1);
    json_free(&json);
    return 1;
}

static int read_result(int folder, const char *name, struct process_result *result) {
    struct json json;
    char text[1024];
    int found = read_json(folder, name, &json, text, sizeof text);
    if (found != 1) {
        return found;
    }
    json_boolean(&json, json_root(&json), "shutdown", false, &result->shutdown);
    json_boolean(&json, json_root(&json), "outputCut", false, &result->output_cut);
    result->exit_status = (int)number_of(&json, "exitStatus");
    result->signal = (int)number_of(&json, "signal");
    result->started_at = number_of(&json, "startedAt");
    result->finished_at = number_of(&json, "finishedAt");
    result->stdout_bytes = (uint64_t)number_of(&json, "stdoutBytes");
    result->stderr_bytes = (uint64_t)number_of(&json, "stderrBytes");
    result->oom_kills = number_of(&json, "oomKills");
    json_free(&json);
    return 1;
}

/*
 * The status was stored before its supervisor was killed; of the output, what was stored by then is
 * kept.
 */
static int complete_exit(int folder, struct process_result *result) {
    int found = read_result(folder, "exit", result);
    if (found != 1) {
        return found;
    }
    if (record_supervised(folder)) {
        return 0;
    }
    /*
     * Without a supervisor nothing changes: a result stored since the first read takes precedence.
     */
    struct process_result whole;
    found = read_result(folder, "result", &whole);
    if (found != 0) {
        *result = whole;
        return found;
    }
    for (int stream = 1; stream <= 2; stream++) {
        struct output output;
        output_begin(&output, folder, stream);
        output_inspect(&output);
        *(stream == 1 ? &result->stdout_bytes : &result->stderr_bytes) = output.end;
    }
    result->output_cut = true;
    return 1;
}

int record_read_result(int folder, struct process_result *result) {
    int found = read_result(folder, "result", result);
    return found != 0 ? found : complete_exit(folder, result);
}

static int write_json(int folder, const char *name, struct json_out *out) {
    int result = out->failed ? -1 : write_reserved(folder, name, out->text, out->length);
    int error = out->failed ? ENOMEM : errno;
    json_out_free(out);
    errno = error;
    return result;
}

int record_reserve(int folder) {
    return reserve_file(folder, "exit", RESULT_BYTES) == 0 && reserve_file(folder, "result", RESULT_BYTES) == 0 ? 0
                                                                                                                : -1;
}

int record_write_start(const struct state *state, int folder, const struct process_start *start) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_text(&out, "incarnation", state->incarnation);
    json_put_number(&out, "startedAt", start->started_at);
    json_put_number(&out, "oomKills", start->oom_kills);
    record_put_spec_digest(&out, start);
    json_close(&out, '}');
    if (write_json(folder, "start", &out) != 0) {
        return -1;
    }
    return fsync(state->processes);
}

void record_put_spec_digest(struct json_out *out, const struct process_start *start) {
    if (start->spec_digest[0] != 0) {
        json_put_text(out, "specDigest", start->spec_digest);
    }
}

void record_put_result(struct json_out *out, const struct process_result *result) {
    json_put_number(out, "exitStatus", result->exit_status);
    if (result->signal != 0) {
        json_put_number(out, "signal", result->signal);
    } else {
        json_put_null(out, "signal");
    }
    json_put_number(out, "startedAt", result->started_at);
    json_put_number(out, "finishedAt", result->finished_at);
    json_put_number(out, "stdoutBytes", (int64_t)result->stdout_bytes);
    json_put_number(out, "stderrBytes", (int64_t)result->stderr_bytes);
    json_put_number(out, "oomKills", result->oom_kills);
    if (result->output_cut) {
        json_put_bool(out, "outputCut", true);
    }
    if (result->shutdown) {
        json_put_bool(out, "shutdown", true);
    }
}

static int write_result(int folder, const char *name, const struct process_result *result) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    record_put_result(&out, result);
    json_close(&out, '}');
    return write_json(folder, name, &out);
}

int record_write_exit(int folder, const struct process_result *result) {
    return write_result(folder, "exit", result);
}

int record_write_result(int folder, const struct process_result *result) {
    return write_result(folder, "result", result);
}

bool record_supervised(int folder) {
    int fd = socket_connect(folder, "socket", SOCK_SEQPACKET | SOCK_NONBLOCK);
    if (fd < 0) {
        return errno != ENOENT && errno != ECONNREFUSED;
    }
    close(fd);
    return true;
}

int record_remove(const struct state *state, const char *id) {
    int folder = record_folder(state, id, false);
    if (folder < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    /* The record is removed first: without it the other files have no meaning. */
    static const char *const NAMES[] = {
        "start", "result", "exit", ".start.new", ".result.new", ".exit.new", "pid", "socket"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        unlinkat(folder, NAMES[i], 0);
    }
    output_remove(folder);
    close(folder);
    int result = unlinkat(state->processes, id, AT_REMOVEDIR);
    if (result != 0 && errno == ENOENT) {
        result = 0;
    }
    return result == 0 ? fsync(state->processes) : -1;
}

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "process/attach.h"
#include "serve/operation.h"

static int read_from(
    struct attach *attach, const struct json *open, const char *key, int index, struct failure *failure) {
    const struct json_node *from = json_member(open, json_root(open), "from");
    const struct output *output = &attach->output[index];
    int64_t asked;
    if (from != NULL && from->kind != JSON_OBJECT) {
        return fail(failure, "INVALID_SPEC", "'from' is not an object");
    }
    if (json_integer(open, from, key, -1, INT64_MAX, 0, &asked) != 0) {
        return fail(failure, "INVALID_SPEC", "'from.%s' is neither an offset nor -1", key);
    }
    uint64_t start = asked < 0 ? output->end : (uint64_t)asked > output->first ? (uint64_t)asked : output->first;
    if (start > output->end) {
        return fail(failure, "INVALID_SPEC", "'from.%s' is beyond the output's end", key);
    }
    sending_begin(&attach->sending[index], (uint8_t)(index + 1), start);
    return 0;
}

static void put_stream(struct json_out *out, const struct attach *attach, int index) {
    json_open(out, index == 0 ? "stdout" : "stderr", '{');
    json_put_number(out, "from", (int64_t)attach->sending[index].sent);
    json_put_number(out, "first", (int64_t)attach->output[index].first);
    json_put_number(out, "end", (int64_t)attach->output[index].end);
    json_close(out, '}');
}

static int send_opened(struct session *session, struct attach *attach) {
    const struct process_link *link = &attach->link;
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    put_stream(&out, attach, 0);
    put_stream(&out, attach, 1);
    if (attach->feeds) {
        json_open(&out, "stdin", '{');
        json_put_number(&out, "from", (int64_t)attach->receiving.received);
        json_put_bool(&out, "ended", attach->input_ended);
        json_close(&out, '}');
    } else {
        json_put_null(&out, "stdin");
    }
    json_put_bool(&out, "ended", link->ended || link->lost);
    json_put_number(&out, "startedAt", link->start.started_at);
    json_close(&out, '}');
    return session_send_json(session, FRAME_OPENED, &out);
}

static int begin(struct session *session, const struct json *open, struct attach *attach) {
    struct failure *failure = &session->failure;
    int64_t attempt;
    if (open_integer(open, "attempt", 0, INT64_MAX, 1, &attempt, failure) != 0 ||
        open_boolean(open, "stdin", false, &attach->feeds, failure) != 0 ||
        open_boolean(open, "output", true, &attach->delivers, failure) != 0) {
        return -1;
    }
    if (process_link_open(session, open, attempt, attach->feeds, &attach->link) != 0) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        output_begin(&attach->output[i], attach->link.folder, i + 1);
        attach->reader[i] =
            (struct output_reader){.folder = attach->link.folder, .stream = i + 1, .fd = -1, .freed = -1};
    }
    attach_take_state(attach);
    if (attach->link.lost && !attach->delivers) {
        return process_link_fail_lost(session, &attach->link);
    }
    if (read_from(attach, open, "stdout", 0, failure) != 0 || read_from(attach, open, "stderr", 1, failure) != 0) {
        return -1;
    }
    receiving_begin(&attach->receiving, (uint64_t)attach->link.state.number[STATE_TAKEN]);
    attach->input_ended = attach->link.fd < 0 || (attach->link.state.flags & NOTE_INPUT_ENDED) != 0;
    /*
     * If another attachment owns stdin, that is reported at once. Ended stdin has no owner to
     * report.
     */
    attach->owns = !attach->input_ended || (attach->link.state.flags & NOTE_OWNER) != 0;
    attach->turn = attach->link.state.number[STATE_TURN];
    attach->buffer = malloc(DATA_RAW_MAX);
    return attach->buffer != NULL ? send_opened(session, attach) : fail_errno(failure, ENOMEM, "attach", NULL);
}

/* Finishes once all output is delivered: 1 if the operation has its result. */
static int finish(struct session *session, struct attach *attach) {
    if (!attach->link.ended && !attach->link.lost) {
        return 0;
    }
    for (int i = 0; attach->delivers && i < 2; i++) {
        if (attach->sending[i].sent < attach->output[i].end) {
            return 0;
        }
        if (!attach->link.lost && !attach->sending[i].ended && sending_end(session, &attach->sending[i]) != 0) {
            return -1;
        }
    }
    return process_link_send_result(session, &attach->link) == 0 ? 1 : -1;
}

static int run(struct session *session, struct attach *attach) {
    for (;;) {
        int taken = attach_take_messages(session, attach);
        if (taken != 0 || process_link_receive(session, &attach->link) != 0) {
            return -1;
        }
        attach_take_state(attach);
        if (attach_report(session, attach) != 0) {
            return -1;
        }
        int moved = attach->delivers ? attach_deliver(session, attach) : 0;
        if (moved < 0) {
            return -1;
        }
        int finished = finish(session, attach);
        if (finished != 0) {
            return finished > 0 ? 0 : -1;
        }
        struct pollfd polled = {.fd = attach->link.fd, .events = POLLIN};
        if (session_wait(session, &polled, attach->link.fd >= 0 ? 1 : 0, moved > 0 ? 0 : -1) != 0) {
            return -1;
        }
    }
}

int operation_attach(struct session *session, const struct json *open) {
    struct attach attach = {0};
    attach.link.folder = attach.link.fd = -1;
    attach.reader[0].fd = attach.reader[1].fd = attach.reader[0].freed = attach.reader[1].freed = -1;
    int result = begin(session, open, &attach);
    if (result == 0) {
        result = run(session, &attach);
    }
    output_reader_close(&attach.reader[0]);
    output_reader_close(&attach.reader[1]);
    process_link_close(&attach.link);
    compressor_free(&attach.compressor);
    expander_free(&attach.expander);
    free(attach.buffer);
    return result;
}

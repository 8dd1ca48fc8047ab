#include "serve/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/version.h"
#include "serve/operation.h"
#include "serve/serve_client.h"

static int send_hello(struct session *session) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_text(&out, "magic", AGENT_MAGIC);
    json_open(&out, "protocol", '[');
    json_put_number(&out, NULL, PROTOCOL_LOWEST);
    json_put_number(&out, NULL, PROTOCOL_HIGHEST);
    json_close(&out, ']');
    json_put_text(&out, "version", AGENT_VERSION);
    json_put_text(&out, "incarnation", session->state->incarnation);
    json_put_text(&out, "arch", AGENT_ARCH);
    json_put_number(&out, "uid", geteuid());
    json_put_number(&out, "gid", getegid());
    json_put_number(&out, "freeBytes", state_free_bytes(session->state));
    json_put_bool(&out, "pid1", getppid() == 1);
    json_close(&out, '}');
    return session_send_json(session, FRAME_HELLO, &out);
}

static int check_hello(struct session *session, struct message *message) {
    struct json json;
    if (json_read(&json, message->text, message->text_length) != 0) {
        return session_violation(session, "a HELLO with invalid JSON");
    }
    const struct json_node *root = json_root(&json), *range = json_member(&json, root, "protocol");
    const struct json_node *lowest = json_first(&json, range), *highest = json_next(&json, lowest);
    const char *magic = json_text(json_member(&json, root, "magic"));
    int result = 0;
    if (magic == NULL || strcmp(magic, AGENT_MAGIC) != 0) {
        result = session_violation(session, "a HELLO without the magic");
    } else if (range == NULL || range->kind != JSON_LIST || lowest == NULL || highest == NULL || !lowest->whole ||
               !highest->whole) {
        result = session_violation(session, "a HELLO without a protocol range");
    } else if (lowest->number > PROTOCOL_HIGHEST || highest->number < PROTOCOL_LOWEST) {
        result =
            fail(&session->failure, "AGENT_INCOMPATIBLE", "the agent supports protocol %d to %d, the host %lld to %lld",
                PROTOCOL_LOWEST, PROTOCOL_HIGHEST, (long long)lowest->number, (long long)highest->number);
    } else {
        session->protocol = highest->number < PROTOCOL_HIGHEST ? (int)highest->number : PROTOCOL_HIGHEST;
    }
    json_free(&json);
    return result;
}

/* Discards input after a protocol error until the host closes the connection. */
static void drop_bytes(struct session *session) {
    session->received_ms = steady_ms();
    while (!session->lost) {
        struct pollfd polled[2] = {{.fd = session->fd, .events = POLLIN}, {.fd = session->control}};
        int64_t left = session->received_ms + SILENCE_MS - steady_ms();
        if (left <= 0 || poll(polled, 2, (int)left) == 0 || polled[1].revents != 0) {
            return;
        }
        if (polled[0].revents == 0) {
            continue;
        }
        if (recv(session->fd, session->input, INPUT_CAPACITY, MSG_DONTWAIT) == 0) {
            return;
        }
        session->received_ms = steady_ms();
        if ((polled[0].revents & (POLLHUP | POLLERR)) != 0) {
            return;
        }
    }
}

int session_await_done(struct session *session) {
    struct message message;
    do {
        if (session_next(session, &message, -1) != 0) {
            return -1;
        }
    } while (message.type != FRAME_DONE);
    return 0;
}

/*
 * Registers an operation of a generation with `serve` before its first check, until it makes no
 * further changes.
 */
static int run_fenced(struct session *session, operation_fn *run, const struct json *open, int64_t generation) {
    if (generation == 0) {
        return run(session, open);
    }
    int result = serve_enter(session, generation) == 0 ? run(session, open) : OPERATION_FAILED;
    serve_leave(session);
    if (!session->stale || session->lost || session->violated || session->handed_over) {
        return result;
    }
    /* The connection remains: the host receives the outcome, and the next operation is refused. */
    session->dropped = session->stale = false;
    if (session->answered) {
        return result == OPERATION_DONE ? OPERATION_DONE : OPERATION_ANSWERED;
    }
    memset(&session->failure, 0, sizeof session->failure);
    return fail(&session->failure, "STALE_GENERATION", "the container has passed to a host of generation %lld",
        (long long)session->fence);
}

static int run_operation(struct session *session, struct message *message) {
    struct json open;
    char *text = session->text; /* valid for the whole operation */
    session->text = NULL;
    int result;
    if (json_read(&open, message->text, message->text_length) != 0) {
        free(text);
        return session_violation(session, "an OPEN with invalid JSON");
    }
    const char *kind = open_text(&open, "op", NULL, &session->failure);
    operation_fn *run = kind == NULL ? NULL : operation_find(kind);
    int64_t generation = 0;
    if (run != NULL && open_integer(&open, "generation", 1, GENERATION_MAX, 0, &generation, &session->failure) != 0) {
        result = -1;
    } else if (run != NULL) {
        result = run_fenced(session, run, &open, generation);
    } else {
        result = fail(&session->failure, "INVALID_SPEC", "the operation is unknown to this agent");
    }
    json_free(&open);
    free(text);
    return result;
}

/* Runs one operation, from OPEN to DONE; -1 ends the connection. */
static int serve_operation(struct session *session) {
    struct message message;
    if (session_next(session, &message, -1) != 0) {
        return -1;
    }
    if (message.type == FRAME_WINDOW || message.type == FRAME_CANCEL) {
        return 0; /* of an operation that has ended */
    }
    if (message.type != FRAME_OPEN) {
        return session_violation(session, "a frame outside an operation");
    }
    memset(&session->failure, 0, sizeof session->failure);
    session->answered = false;
    int result = run_operation(session, &message);
    if (session->lost || session->dropped || session->violated || session->handed_over) {
        return -1;
    }
    if (result == OPERATION_FAILED && send_error(session, &session->failure) != 0) {
        return -1;
    }
    if (result != OPERATION_DONE && session_await_done(session) != 0) {
        return -1;
    }
    if (session->input_start == session->input_end) {
        /* frees the memory of an idle connection */
        madvise(session->input, INPUT_CAPACITY, MADV_DONTNEED);
    }
    return 0;
}

void session_run(struct session *session) {
    session->received_ms = steady_ms();
    session->input = mmap(NULL, INPUT_CAPACITY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (session->input == MAP_FAILED) {
        return;
    }
    struct message message;
    int result = send_hello(session) == 0 ? session_next(session, &message, HELLO_MS) : -1;
    if (result == 0 && message.type != FRAME_HELLO) {
        result = session_violation(session, "the first frame is not HELLO");
    }
    if (result == 0) {
        result = check_hello(session, &message);
    }
    while (result == 0) {
        result = serve_operation(session);
    }
    if (session->lost || session->failure.code == NULL || session->dropped || session->handed_over) {
        return;
    }
    /* A protocol error, or no common version. */
    if (send_error(session, &session->failure) == 0) {
        drop_bytes(session);
    }
}

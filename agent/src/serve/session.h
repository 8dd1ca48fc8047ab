/* One connection: frames in and out, pings, credit; `session_run` takes operations from it until it ends. */
#ifndef KW_SESSION_H
#define KW_SESSION_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "serve/state.h"
#include "wire/frame.h"
#include "wire/json.h"

enum {
    SILENCE_MS = 60000,
    HELLO_MS = 30000,
    KEEP_ALIVE_MS = 1000,
    INPUT_CAPACITY = 2 * FRAME_MAX,
    ADOPTED_INPUT_MAX = 512
};

/* A connection that another session has handed over, with what it had read beyond OPEN. */
struct adopted_connection {
    int fd; /* -1: none */
    int64_t from; /* of OPEN */
    uint32_t length;
    uint8_t input[ADOPTED_INPUT_MAX];
};

struct session {
    struct state *state;
    int fd;      /* the connection */
    int control; /* to `serve`: claims */
    bool lost;     /* nobody is at the other end any more */
    bool violated; /* the host broke the protocol: `failure` says how */
    bool dropped;  /* `serve` wants this operation to end */
    bool bye;      /* the host said goodbye */
    bool orphaned; /* `serve` is gone */
    bool stale;    /* `dropped`, since the operation's generation is below the fence */
    bool answered; /* the operation has sent RESULT or ERROR */
    uint32_t request_serial;     /* the serial number of what `serve` was asked last */
    int64_t generation; /* of the operation, 0: it came without one */
    int64_t fence;      /* with `stale`: the generation that `serve` keeps */
    bool handed_over; /* the connection is another session's now */
    struct adopted_connection adopted; /* where the operation is to go on */
    int protocol; /* the highest version that both sides speak */
    struct failure failure;
    int64_t oom_kills; /* a fact of the failure PROCESS_LOST */
    uint8_t *input; /* INPUT_CAPACITY bytes */
    size_t input_start, input_end;
    char *text; /* JSON that spans frames */
    size_t text_length;
    uint8_t text_type; /* 0: none is open */
    int64_t received_ms;
    uint64_t pinged, ponged; /* the last PING that was sent, and the last that was answered */
};

/* A frame as an operation sees it; JSON is whole, and writable in `text` until the next call. */
struct message {
    uint8_t type;
    char *text;
    size_t text_length;
    struct data_frame data;
    struct window_frame window;
    struct end_frame end;
};

/* The next message that is already here: 1, 0 (none yet), -1 (lost or violated). Answers PING. */
int session_take(struct session *session, struct message *message);
/*
 * Waits until bytes came from the host, or one of `others` is ready, or `timeout_ms` (-1: none) are over. 0, or -1 when
 * the connection is lost or silent for too long. Input that is already here makes it return at once.
 */
int session_wait(struct session *session, struct pollfd *others, size_t count, int64_t timeout_ms);
/* Waits for the next message: 0 or -1. */
int session_next(struct session *session, struct message *message, int64_t timeout_ms);
/* Notes a protocol error; always -1. `text` is a literal. */
int session_violation(struct session *session, const char *text);

/*
 * Waits until `other` (-1: none) is ready, or for at most `wait_ms`, without taking a message: answers PING, also where
 * other frames stand before it, and sends PROGRESS each second (`reported_ms`: when it began, or was sent last).
 */
void session_keep_alive(struct session *session, int other, int64_t wait_ms, int64_t *reported_ms);
/* Sends PROGRESS. 0 or -1 (lost). */
int session_send_progress(struct session *session, uint64_t entries, uint64_t bytes);
/* Sends all the bytes, taking in what the host sends meanwhile. 0 or -1 (lost). */
int session_write(struct session *session, const void *bytes, size_t length);
int session_write_two(struct session *session, const void *head, size_t head_length, const void *bytes, size_t length);
/* Sends what `out` holds as a JSON frame (in pieces where it is long), and empties `out`. */
int session_send_json(struct session *session, enum frame_type type, struct json_out *out);

/* Sends a PING: what the host sends before `ponged` reaches `pinged` it may have sent before it read this. */
int session_ping(struct session *session);

/* Goes on with the connection that was handed over, in the place of the one that was lost. */
void session_continue(struct session *session);
/* Reads frames and answers pings until the host has taken the operation's outcome. 0, or -1: lost or violated. */
int session_await_done(struct session *session);

/* Talks with the host until the connection ends. */
void session_run(struct session *session);

#endif

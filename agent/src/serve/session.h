/*
 * One connection: frames, pings and credit. `session_run` runs operations until the connection
 * ends.
 */
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

/* A connection that another session has handed over, with the input that it read after OPEN. */
struct adopted_connection {
    int fd; /* -1: none */
    int64_t from; /* of OPEN */
    uint32_t length;
    uint8_t input[ADOPTED_INPUT_MAX];
};

struct session {
    struct state *state;
    int fd;      /* the connection */
    int control; /* to `serve`, for requests */
    bool lost;     /* the other end has closed */
    bool violated; /* the host violated the protocol; `failure` has the violation */
    bool dropped;  /* `serve` has requested the end of this operation */
    bool bye;      /* the host has sent BYE */
    bool orphaned; /* `serve` has ended */
    bool stale;    /* `dropped` because the operation's generation is below the fence */
    bool answered; /* the operation has sent RESULT or ERROR */
    uint32_t request_serial;     /* the serial number of the last request to `serve` */
    int64_t generation; /* of the operation, 0: none */
    int64_t fence;      /* with `stale`: the generation of the fence */
    bool handed_over; /* the connection belongs to another session now */
    struct adopted_connection adopted; /* on which the operation continues */
    int protocol; /* the highest version that both sides support */
    struct failure failure;
    int64_t oom_kills; /* for the failure PROCESS_LOST */
    uint8_t *input; /* INPUT_CAPACITY bytes */
    size_t input_start, input_end;
    char *text; /* JSON that spans several frames */
    size_t text_length;
    uint8_t text_type; /* 0: no JSON is incomplete */
    int64_t received_ms;
    uint64_t pinged, ponged; /* the last PING sent, and the last one answered */
};

/*
 * A frame as an operation receives it. JSON is complete, and `text` is writable until the next
 * call.
 */
struct message {
    uint8_t type;
    char *text;
    size_t text_length;
    struct data_frame data;
    struct window_frame window;
    struct end_frame end;
};

/*
 * Takes the next message from the input. Returns 1, 0 (none yet), or -1 (lost or violated). Answers
 * PING.
 */
int session_take(struct session *session, struct message *message);
/*
 * Waits for bytes from the host, for one of `others`, or until `timeout_ms` (-1: none) have passed.
 * Returns at once if there is input. 0, or -1 if the connection is lost or was silent for too long.
 */
int session_wait(struct session *session, struct pollfd *others, size_t count, int64_t timeout_ms);
/* Waits for the next message; 0 or -1. */
int session_next(struct session *session, struct message *message, int64_t timeout_ms);
/* Records a protocol error; returns -1. `text` is a literal. */
int session_violation(struct session *session, const char *text);

/*
 * Waits until `other` (-1: none) is ready, at most `wait_ms`, without taking a message. Answers
 * PING, also behind other frames, and sends PROGRESS each second. `reported_ms`: time of the begin,
 * or of the last PROGRESS.
 */
void session_keep_alive(struct session *session, int other, int64_t wait_ms, int64_t *reported_ms);
/* Sends PROGRESS; 0 or -1 (lost). */
int session_send_progress(struct session *session, uint64_t entries, uint64_t bytes);
/* Sends all the bytes, and reads the host's input meanwhile; 0 or -1 (lost). */
int session_write(struct session *session, const void *bytes, size_t length);
int session_write_two(struct session *session, const void *head, size_t head_length, const void *bytes, size_t length);
/* Sends the JSON of `out`, in several frames if it is long, and frees it. */
int session_send_json(struct session *session, enum frame_type type, struct json_out *out);

/*
 * Sends a PING. Until `ponged` reaches `pinged`, input may have been sent before the host read it.
 */
int session_ping(struct session *session);

/* Continues on the connection that was handed over, in place of the lost one. */
void session_continue(struct session *session);
/*
 * Reads frames and answers pings until the host has acknowledged the outcome. 0, or -1: lost or
 * violated.
 */
int session_await_done(struct session *session);

/* Serves the host until the connection ends. */
void session_run(struct session *session);

#endif

/*
 * Requests of a session to `serve`, which has the only table of ids. Each session has a socket
 * pair, so that of several connections with one id only one proceeds. The pair also passes a
 * connection from the session that accepted it to the session whose operation it continues.
 */
#ifndef KW_SERVE_CLIENT_H
#define KW_SERVE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve/session.h"
#include "serve/state.h"

enum request_kind {
    REQUEST_PROCESS = 1,    /* a start: a later one waits until the earlier one has finished */
    /* a transfer: a higher attempt ends or continues the older one; others are refused */
    REQUEST_OPERATION = 2,
    REQUEST_RELEASE = 3,
    REQUEST_SUPERVISOR = 4, /* a supervisor reports its process id and the group of its command */
    REQUEST_COUNT = 5,      /* the number of transfers */
    REQUEST_PARK = 6,       /* the operation has lost its connection, or has one again */
    REQUEST_HAND_OVER = 7, /* passes the connection, as a descriptor, to the operation of this id */
    /* ends the upload that has been parked longest, to free its disk space */
    REQUEST_MAKE_ROOM = 8,
    REQUEST_ENTER = 9,      /* an operation of a generation begins */
    REQUEST_LEAVE = 10,     /* the operation has ended and makes no further changes */
    /*
     * raises the fence to the generation that the session entered with, and ends older operations
     */
    REQUEST_FENCE = 11
};

enum reply_kind {
    REPLY_GRANTED = 1,
    REPLY_REFUSED = 2,
    REPLY_DROP = 3, /* unsolicited: the operation has to end */
    REPLY_HELD = 4, /* held by an operation that can continue on this connection */
    REPLY_GONE = 5, /* no operation to continue; `gone` has the reason */
    REPLY_ADOPT = 6, /* unsolicited: continue on this connection */
    REPLY_COUNTED = 7,
    /*
     * the generation is below the fence; if unsolicited, the operation has to end for this reason
     */
    REPLY_STALE = 8
};

enum gone_reason { GONE_UNKNOWN = 0, GONE_LEASE = 1, GONE_ROOM = 2 };

/* The input that may follow OPEN before its reply: PING and CANCEL. */
enum { HAND_OVER_INPUT_MAX = ADOPTED_INPUT_MAX };

struct serve_request {
    uint32_t kind;
    /* of the request, repeated in its reply: a late reply does not match the next request */
    uint32_t serial;
    int32_t pid;
    int32_t group;
    int64_t attempt;
    int64_t generation; /* REQUEST_ENTER */
    int64_t from; /* REQUEST_HAND_OVER: offset up to which the host has received */
    bool continues; /* REQUEST_OPERATION: valid only if there is an operation to continue */
    bool continuable; /* REQUEST_OPERATION: this operation can be continued */
    bool parked; /* REQUEST_PARK */
    bool holds_disk; /* REQUEST_PARK: ending it frees disk space */
    bool lease_over; /* REQUEST_RELEASE: of a parked operation */
    uint32_t length; /* REQUEST_HAND_OVER: of `input` */
    char id[ID_MAX + 1];
    uint8_t input[HAND_OVER_INPUT_MAX];
};

struct serve_reply {
    uint32_t kind;
    uint32_t serial;
    uint32_t gone;
    int32_t operations, parked;
    int64_t generation; /* REPLY_STALE: the fence */
    int64_t from;
    uint32_t length;
    uint8_t input[HAND_OVER_INPUT_MAX];
};

/*
 * Sends a message, with a descriptor unless it is -1. Returns 0 or -1. Used at both ends of the
 * pair.
 */
int serve_send(int control, const void *message, size_t length, int fd);
/*
 * Returns 1 with a whole message (and its descriptor, or -1), 0 if there is none yet, -1 if the
 * other end has closed or sends an invalid message.
 */
int serve_receive(int control, void *message, size_t length, int *fd);

/* Acquires an id, and waits for it. Returns 0, or -1 with session->failure set or the connection lost. */
int serve_acquire(struct session *session, enum request_kind kind, const char *id, int64_t attempt);
/*
 * Acquires the id of an operation that can be continued. Returns REPLY_GRANTED, REPLY_HELD or
 * REPLY_GONE (with `gone`), or -1 like serve_acquire. `continues`: the operation was begun before.
 */
int serve_acquire_operation(
    struct session *session, const char *id, int64_t attempt, bool continues, enum gone_reason *gone);
/* Passes the connection to the operation of this id, which ends the session. */
void serve_hand_over(struct session *session, const char *id, int64_t attempt, int64_t from);
void serve_release(struct session *session, bool lease_over);
/* Reports whether the operation has no connection. */
void serve_park(struct session *session, bool parked, bool holds_disk);
/* Waits until another session's parked upload has ended; returns false if there is none. */
bool serve_make_room(struct session *session);
/* Returns the number of transfers, and of those without a connection. */
void serve_count(struct session *session, int64_t *operations, int64_t *parked);
/*
 * Begins an operation of this generation. Returns 0, or -1 with `stale` set if the fence is higher,
 * or the connection lost.
 */
int serve_enter(struct session *session, int64_t generation);
/* Ends the operation. */
void serve_leave(struct session *session);
/*
 * Raises the fence to the generation of the session's operation, and waits until no operation of a
 * lower one is left. Answers pings and sends PROGRESS meanwhile. Returns 0, or -1 like serve_enter.
 */
int serve_fence(struct session *session);
/*
 * Handles one unsolicited message of `serve`, if any: sets `dropped`, `stale`, `adopted` or `lost`.
 */
void serve_poll(struct session *session);
/* Registers a supervisor with `serve`; -1 if that has ended. */
int serve_announce_supervisor(int control, pid_t pid, pid_t group);

#endif

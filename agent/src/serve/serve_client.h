/*
 * Claims on ids. `serve` has the one table; sessions ask it over a socket pair of their own, so that of several
 * connections with one id only one goes ahead, whatever they do at once. Over the same pair goes a connection from the
 * session that it reached to the one whose operation it continues.
 */
#ifndef KW_SERVE_CLIENT_H
#define KW_SERVE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve/session.h"
#include "serve/state.h"

enum request_kind {
    REQUEST_PROCESS = 1,    /* a start: the later one waits until the earlier one is through */
    REQUEST_OPERATION = 2,  /* a transfer: a higher attempt ends the older one or continues it, others are refused */
    REQUEST_RELEASE = 3,
    REQUEST_SUPERVISOR = 4, /* a supervisor tells its own process id, and its command's group */
    REQUEST_COUNT = 5,      /* how many transfers there are */
    REQUEST_PARK = 6,       /* the operation has no connection any more, or has one again */
    REQUEST_HAND_OVER = 7,  /* the connection, as a descriptor, is for the operation of this id */
    REQUEST_MAKE_ROOM = 8,  /* ends the parked upload that waits longest, so that its disk space is free */
    REQUEST_ENTER = 9,      /* an operation of a generation begins */
    REQUEST_LEAVE = 10,     /* the operation has ended, and changes nothing any more */
    REQUEST_FENCE = 11 /* raises the fence to the generation that the session entered with, and ends older operations */
};

enum reply_kind {
    REPLY_GRANTED = 1,
    REPLY_REFUSED = 2,
    REPLY_DROP = 3, /* unasked: the operation has to end */
    REPLY_HELD = 4, /* by an operation that can continue on this connection */
    REPLY_GONE = 5, /* there is no operation to continue; `gone` says what became of it */
    REPLY_ADOPT = 6, /* unasked: continue on this connection */
    REPLY_COUNTED = 7,
    REPLY_STALE = 8 /* the generation is lower than the fence; also unasked: the operation has to end for this reason */
};

enum gone_reason { GONE_UNKNOWN = 0, GONE_LEASE = 1, GONE_ROOM = 2 };

/* What may follow OPEN before it was answered: PING and CANCEL. */
enum { HAND_OVER_INPUT_MAX = ADOPTED_INPUT_MAX };

struct serve_request {
    uint32_t kind;
    uint32_t serial; /* of the question, repeated in its answer: one that comes too late is no answer to the next */
    int32_t pid;
    int32_t group;
    int64_t attempt;
    int64_t generation; /* REQUEST_ENTER */
    int64_t from; /* REQUEST_HAND_OVER: up to where the host has received */
    bool continues; /* REQUEST_OPERATION: only of use if there is an operation to continue */
    bool continuable; /* and whether this one can be continued */
    bool parked; /* REQUEST_PARK */
    bool holds_disk; /* REQUEST_PARK: there is something to gain by ending it */
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

/* Both ends of the pair: a message, with a descriptor unless it is -1. 0 or -1. */
int serve_send(int control, const void *message, size_t length, int fd);
/* 1 with a whole message (and the descriptor that came with it, or -1), 0: none yet, -1: the other end is gone, or
 * breaks the rules. */
int serve_receive(int control, void *message, size_t length, int *fd);

/* Waits for the claim; 0, or -1 with session->failure set or the connection lost. */
int serve_claim(struct session *session, enum request_kind kind, const char *id, int64_t attempt);
/*
 * Of an operation that can be continued: REPLY_GRANTED, REPLY_HELD or REPLY_GONE (with `gone`), or -1 as above.
 * `continues`: it was begun before.
 */
int serve_claim_operation(
    struct session *session, const char *id, int64_t attempt, bool continues, enum gone_reason *gone);
/* Gives the connection to the operation of this id; the session is over then. */
void serve_hand_over(struct session *session, const char *id, int64_t attempt, int64_t from);
void serve_release(struct session *session, bool lease_over);
/* Tells whether the operation is without a connection. */
void serve_park(struct session *session, bool parked, bool holds_disk);
/* Waits until somebody's parked upload is gone; false where there is none. */
bool serve_make_room(struct session *session);
/* How many transfers there are, and how many of them have no connection. */
void serve_count(struct session *session, int64_t *operations, int64_t *parked);
/* Begins an operation of this generation: 0, or -1 with `stale` set where the fence is higher, or the connection lost.
 */
int serve_enter(struct session *session, int64_t generation);
/* Ends it. */
void serve_leave(struct session *session);
/*
 * Raises the fence to the generation of the session's operation, and waits until no operation of a lower one is left;
 * answers pings and sends PROGRESS meanwhile. 0, or -1 as above.
 */
int serve_fence(struct session *session);
/* Takes what `serve` says unasked, if anything: sets `dropped`, `stale`, `adopted` or `lost`. */
void serve_poll(struct session *session);
/* From a supervisor: makes itself known to `serve`; -1 where that is gone. */
int serve_announce_supervisor(int control, pid_t pid, pid_t group);

#endif

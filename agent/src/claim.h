/*
 * Claims on ids. `serve` has the one table; sessions ask it over a socket pair of their own, so that of several connections
 * with one id only one goes ahead, whatever they do at once.
 */
#ifndef KW_CLAIM_H
#define KW_CLAIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "session.h"
#include "state.h"

enum claim_kind {
    CLAIM_PROCESS = 1,   /* a start: the later one waits until the earlier one is through */
    CLAIM_OPERATION = 2, /* a transfer: a higher attempt ends the older one, others are refused */
    CLAIM_RELEASE = 3,
    CLAIM_COUNT = 5,     /* how many transfers run */
    CLAIM_SUPERVISOR = 4 /* a supervisor tells its own process id, and its command's group */
};
enum claim_answer { CLAIM_GRANTED = 1, CLAIM_REFUSED = 2, CLAIM_DROP = 3 };

struct claim_message {
    uint32_t kind;
    int32_t pid;
    int32_t group;
    int64_t attempt;
    char id[ID_MAX + 1];
};

/* Waits for the claim; 0, or -1 with session->failure set or the connection lost. */
int claim_take(struct session *session, enum claim_kind kind, const char *id, int64_t attempt);
void claim_release(struct session *session);
/* The number of transfers that run now. */
int64_t claim_count(struct session *session);
/* From a supervisor: makes itself known to `serve`. */
void claim_supervisor(int control, pid_t pid, pid_t group);

#endif

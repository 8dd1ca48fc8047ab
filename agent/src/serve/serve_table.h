/* The tables of `serve`: sessions with the ids that they hold or wait for, and supervisors. */
#ifndef KW_SERVE_TABLE_H
#define KW_SERVE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve/serve_client.h"

/*
 * Parked operations hold a window of memory, or staging: above the limit the one parked longest
 * ends.
 */
enum { SESSIONS_MAX = 256, PARKED_MAX = 16, SUPERVISORS_MAX = 65536, ENDED_MAX = 64 };

struct session_entry {
    pid_t pid;
    int control;
    uint32_t serial; /* of its last request */
    uint32_t kind; /* of its id, 0: none */
    bool waiting;  /* for the release by another session */
    bool continuable;
    bool parked;
    bool holds_disk;
    bool ending;     /* it was requested to end */
    bool wants_room; /* waits for the end of a parked operation */
    int64_t parked_ms; /* time of parking */
    int64_t attempt;
    int64_t generation; /* of the session's operation, 0: none, or not fenced */
    bool fencing;       /* waits until no operation of a lower generation is left */
    char id[ID_MAX + 1];
};

struct supervisor_entry {
    pid_t pid;
    pid_t group; /* of its command, 0: not started yet */
};

/* An operation that ended without a connection, for a host that reconnects. */
struct ended_entry {
    uint32_t gone;
    char id[ID_MAX + 1];
};

struct table {
    struct session_entry sessions[SESSIONS_MAX];
    int session_count;
    struct ended_entry ended[ENDED_MAX]; /* a ring */
    unsigned ended_next;
    int64_t generation; /* the fence: operations of a lower generation are refused */
    struct supervisor_entry *supervisors;
    int supervisor_count, supervisor_capacity;
};

void table_add_session(struct table *table, pid_t pid, int control);
/* Receives the requests of a session; returns false once it has closed its end. */
bool table_receive(struct table *table, int index);
/*
 * Handles the end of a child that is not reaped yet, so that its id and its group's are not reused.
 * Releases all that it held, and kills the command of a supervisor that crashed (`crashed`: a
 * status other than 0).
 */
void table_ended(struct table *table, pid_t pid, bool crashed);
/* Kills all supervisors and their commands. */
void table_kill_supervisors(struct table *table);

#endif

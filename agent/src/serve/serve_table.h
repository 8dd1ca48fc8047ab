/* The tables of `serve`: connections with their claims, and supervisors. */
#ifndef KW_SERVE_TABLE_H
#define KW_SERVE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "serve/serve_client.h"

/* Parked operations hold a window of memory, or staging: the one that waits longest goes when there are too many. */
enum { SESSIONS_MAX = 256, PARKED_MAX = 16, SUPERVISORS_MAX = 65536, ENDED_MAX = 64 };

struct session_entry {
    pid_t pid;
    int control;
    uint32_t serial; /* of what it asked last */
    uint32_t kind; /* of its claim, 0: none */
    bool waiting;  /* for another session's release */
    bool continuable;
    bool parked;
    bool holds_disk;
    bool ending;     /* it was told to end */
    bool wants_room; /* waits for the end of a parked operation */
    int64_t parked_ms; /* since when */
    int64_t attempt;
    int64_t generation; /* of the operation that the session runs, 0: none, or not fenced */
    bool fencing;       /* waits until no operation of a lower generation is left */
    char id[ID_MAX + 1];
};

struct supervisor_entry {
    pid_t pid;
    pid_t group; /* of its command, 0: not started yet */
};

/* An operation that ended without a host: for the host that comes back for it. */
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
/* Reads what a session says; false when it hung up. */
bool table_receive(struct table *table, int index);
/*
 * A child has ended, and is not reaped yet, so that its id and its group's are still its own; `crashed`: with another
 * status than 0. Releases all that it held, and kills the command of a supervisor that crashed.
 */
void table_ended(struct table *table, pid_t pid, bool crashed);
/* KILL to all supervisors and their commands. */
void table_kill_supervisors(struct table *table);

#endif

/* The tables of `serve`: connections with their claims, and supervisors. */
#ifndef KW_TABLE_H
#define KW_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "claim.h"

enum { SESSIONS_MAX = 256, SUPERVISORS_MAX = 65536 };

struct session_entry {
    pid_t pid;
    int control;
    uint32_t kind; /* of its claim, 0: none */
    bool waiting;  /* for another session's release */
    int64_t attempt;
    char id[ID_MAX + 1];
};

struct supervisor_entry {
    pid_t pid;
    pid_t group; /* of its command, 0: not started yet */
};

struct table {
    struct session_entry sessions[SESSIONS_MAX];
    int session_count;
    struct supervisor_entry *supervisors;
    int supervisor_count, supervisor_capacity;
};

void table_add_session(struct table *table, pid_t pid, int control);
/* Reads what a session says; false when it hung up. */
bool table_hear(struct table *table, int index);
/* A child has ended; `crashed`: by a signal. Lets go of all that it held. */
void table_reaped(struct table *table, pid_t pid, bool crashed);
/* TERM or KILL to all supervisors; KILL also to their commands. */
void table_signal_supervisors(struct table *table, int signal);

#endif

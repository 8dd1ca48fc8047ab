/* A session's side of a process: its folder, and its supervisor where it still has one. */
#ifndef KW_PROCESS_LINK_H
#define KW_PROCESS_LINK_H

#include "process/record.h"
#include "process/supervisor.h"
#include "serve/session.h"

struct process_link {
    const char *id;
    int folder;
    int fd; /* to the supervisor, -1: none */
    bool ended, lost; /* one of them, or it runs */
    struct process_start start;
    struct process_result result; /* where it ended */
    struct note state; /* the newest from the supervisor */
};

/*
 * Finds the process that OPEN names; where it runs, `link->state` is what its supervisor has answered to NOTE_ATTACH.
 * -1 with PROCESS_NOT_FOUND, IO_ERROR.
 */
int process_link_open(
    struct session *session, const struct json *open, int64_t attempt, bool feeds, struct process_link *link);
/* Reaches the supervisor of a process that has ended, as long as something that it left behind keeps it alive. */
void process_link_reconnect(struct process_link *link);
void process_link_close(struct process_link *link);
/* Sends a note; false where the supervisor is gone. */
bool process_link_send(struct process_link *link, const struct note *note, const void *bytes, size_t length);
/* Takes all news without waiting. 0; -1 with the failure set where the process cannot be followed any more. Sets ended
 * or lost. */
int process_link_receive(struct session *session, struct process_link *link);
/* Sends RESULT of a process that has ended; -1 with PROCESS_LOST where it is lost. */
int process_link_send_result(struct session *session, const struct process_link *link);
/* ERROR PROCESS_LOST */
int process_link_fail_lost(struct session *session, const struct process_link *link);

#endif

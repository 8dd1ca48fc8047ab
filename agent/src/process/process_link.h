/* A session's link to a process: its folder, and its supervisor if it has one. */
#ifndef KW_PROCESS_LINK_H
#define KW_PROCESS_LINK_H

#include "process/record.h"
#include "process/supervisor.h"
#include "serve/session.h"

struct process_link {
    const char *id;
    int folder;
    int fd; /* to the supervisor, -1: none */
    bool ended, lost; /* neither is set while it runs */
    struct process_start start;
    struct process_result result; /* if it has ended */
    struct note state; /* the latest from the supervisor */
};

/*
 * Finds the process that OPEN names. If it runs, `link->state` is the supervisor's reply to
 * NOTE_ATTACH. -1 with PROCESS_NOT_FOUND or IO_ERROR.
 */
int process_link_open(
    struct session *session, const struct json *open, int64_t attempt, bool feeds, struct process_link *link);
/*
 * Connects to the supervisor of an ended process, which runs while descendants of the command
 * exist.
 */
void process_link_reconnect(struct process_link *link);
void process_link_close(struct process_link *link);
/* Sends a note; returns false if the supervisor has ended. */
bool process_link_send(struct process_link *link, const struct note *note, const void *bytes, size_t length);
/*
 * Receives all available states without waiting, and sets `ended` or `lost`. 0, or -1 with the
 * failure set if the process can no longer be followed.
 */
int process_link_receive(struct session *session, struct process_link *link);
/* Sends RESULT of an ended process; -1 with PROCESS_LOST if it is lost. */
int process_link_send_result(struct session *session, const struct process_link *link);
/* Fails with PROCESS_LOST. */
int process_link_fail_lost(struct session *session, const struct process_link *link);

#endif

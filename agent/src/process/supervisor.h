/*
 * A process of the agent for each command: parent of the command and subreaper of what it leaves behind, reader of its
 * output, writer of its input. Sessions talk with it over a socket in the process's folder; what they read of the
 * output they read from its files.
 */
#ifndef KW_SUPERVISOR_H
#define KW_SUPERVISOR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "process/output.h"
#include "process/record.h"
#include "process/spec.h"
#include "serve/session.h"

enum {
    STDIN_WINDOW = 1024 * 1024,
    NOTE_BYTES_MAX = 65536, /* stdin bytes in a note */
    QUIET_MS = 250,         /* after the leader's end: without a byte for so long, */
    DRAIN_MS = 2000,        /* or after so long, its output is complete */
    REFUSED_MS = 5000,      /* a full disk that takes nothing for so long after a stop cuts the output */
    TERMINAL_BYTES = 64 * 1024, /* more than the buffers of a terminal hold */
    RETRY_MS = 1000,        /* a full disk is tried again after so long */
    GROUP_CHECK_MS = 20,           /* a group that is being stopped is looked at so often */
    ATTACHMENTS_MAX = 256
};

/* What sessions and supervisor say to each other, one packet each. */
enum note_kind {
    NOTE_ATTACH = 1, /* session: number[0] attempt, number[1] 1: feeds stdin */
    NOTE_STATE,      /* supervisor: all numbers and flags below */
    NOTE_STDIN,      /* session: number[0] offset, number[1] turn; bytes follow */
    NOTE_STDIN_END,  /* session: number[0] total, number[1] turn */
    NOTE_DURABLE,    /* session: number[0] stream, number[1] offset */
    NOTE_SIGNAL,     /* session: number[0] */
    NOTE_RESIZE,     /* session: number[0] columns, number[1] rows */
    NOTE_STOP        /* session: number[0] grace in ms */
};
enum note_flag { NOTE_OWNER = 1, NOTE_INPUT_ENDED = 2, NOTE_ENDED = 4, NOTE_DISK_FULL = 8 };
enum { STATE_END = 0, STATE_FIRST = 2, STATE_TAKEN = 4, STATE_LIMIT = 5, STATE_TURN = 6, STATE_NUMBERS };

struct note {
    uint32_t kind;
    uint32_t flags;
    int64_t number[STATE_NUMBERS]; /* STATE: end of stdout, of stderr, first of stdout, of stderr; stdin bytes taken,
                                      and granted; its owner's turn */
};

struct attachment {
    int fd;
    bool attached; /* it has said what it wants */
    bool feeds; /* wants to feed stdin */
    bool stale; /* has not been told the newest state: its socket was full */
    int64_t attempt;
};

/* How a stop goes on; each step only when the one before has not been enough. */
enum stop_step { STOP_NONE, STOP_TERM, STOP_KILL, STOP_SWEEP, STOP_DONE };

struct supervisor {
    struct state *state;
    const struct spec *spec;
    int folder, listener, signals;
    int source[2];  /* the command's stdout and stderr; with a tty the first is the terminal */
    uint8_t *pending[2]; /* read, and refused by a full disk */
    size_t pending_length[2];
    struct output output[2];
    bool tty;
    int input; /* the command's stdin, -1: closed; with a tty a copy of the terminal */
    uint8_t *input_bytes; /* STDIN_WINDOW, a ring: taken and not yet written */
    uint64_t input_taken, input_written;
    bool input_end_known, input_ended;
    int input_end_characters; /* written to a terminal */
    uint64_t input_total;
    pid_t leader;      /* also the id of its group and session */
    bool leader_ended; /* `result` has its status */
    bool shutdown;     /* `serve` was told to end */
    bool exit_stored;  /* the status is on disk */
    bool finished;     /* the result is on disk */
    bool disk_full;     /* bytes of the output are refused: nothing is read */
    bool result_refused; /* the same of the result */
    bool blocked;       /* output is there that cannot be taken now: no time of the end counts */
    bool changed; /* attachments have to be told */
    int64_t received_ms, drain_ms, stored_ms,
        retry_ms; /* last byte read; since when an end is awaited; last byte stored; next try */
    uint64_t allowance; /* bytes that may be unacknowledged: the limit, or what was there at the command's end */
    struct process_start start;
    struct process_result result;
    enum stop_step stop;
    int64_t stop_ms; /* when the next step is due */
    int64_t check_ms; /* when the group is looked at again */
    struct attachment attachments[ATTACHMENTS_MAX];
    int attachment_count, owner; /* owner: index, -1: none */
    int owner_fd;  /* of the same, -1: none */
    int64_t turn;  /* +1 with each change of the owner: notes of an earlier turn are void */
};

/* In a session: starts the command and its supervisor; 0 once execve has succeeded, or -1. */
int supervisor_spawn(struct session *session, const struct spec *spec, struct failure *failure);

/* The parts of a supervisor, each in a file of its name. */
int supervisor_start(struct supervisor *supervisor, int control, struct failure *failure);
void supervisor_loop(struct supervisor *supervisor);
/* Output */
bool supervisor_reading(const struct supervisor *supervisor, int index);
void supervisor_read(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity);
/* Nothing writes any more but by chance: what the pipes hold now may be stored beyond the limit. */
void supervisor_allow_rest(struct supervisor *supervisor);
/* Tries again what a full disk has refused, if that is due, and sees whether output has to wait. */
void supervisor_update_output(struct supervisor *supervisor);
/* Frees all that is acknowledged as durable. */
void supervisor_free_output(struct supervisor *supervisor);
/* Drops what a full disk refuses; the result says so. */
void supervisor_cut_output(struct supervisor *supervisor);
/* Input */
/* Whether there is something to write: bytes, or the end. */
bool supervisor_has_input(const struct supervisor *supervisor);
void supervisor_take_input(struct supervisor *supervisor, uint64_t offset, const uint8_t *bytes, size_t length);
void supervisor_end_input(struct supervisor *supervisor, uint64_t total);
void supervisor_write_input(struct supervisor *supervisor);
/* The command's group. Its leader stays a zombie as long as the supervisor lives, so that no other group gets its id.
 */
void supervisor_reap(struct supervisor *supervisor);
void supervisor_leader_ended(struct supervisor *supervisor, const siginfo_t *info);
void supervisor_signal(const struct supervisor *supervisor, int signal);
/* Whether the group has no living member any more. */
bool supervisor_group_ended(struct supervisor *supervisor);
/* Whether the command has left nothing behind. */
bool supervisor_childless(struct supervisor *supervisor);
/* Stopping */
void supervisor_stop(struct supervisor *supervisor, int64_t grace_ms);
/* Does what is due; the milliseconds until it has to be called again, or -1. */
int64_t supervisor_stop_step(struct supervisor *supervisor);
bool supervisor_stop_done(const struct supervisor *supervisor);
/* Attachments */
void supervisor_accept(struct supervisor *supervisor);
/* False when it hung up. */
bool supervisor_receive(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity);
void supervisor_drop(struct supervisor *supervisor, int index);
/* Tells everybody where something has changed, else those whose socket was full. */
void supervisor_report(struct supervisor *supervisor);

#endif

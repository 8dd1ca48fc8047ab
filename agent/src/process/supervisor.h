/*
 * The supervisor of one command: its parent, the subreaper of its descendants, the reader of its
 * output and the writer of its input. Sessions communicate with it over a socket in the process's
 * folder, and read the output from its files.
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
    QUIET_MS = 250,         /* after the leader's end: without output for this long, */
    DRAIN_MS = 2000,        /* or after this long, the output is complete */
    /* a full disk that accepts no byte for this long after a stop cuts the output */
    REFUSED_MS = 5000,
    TERMINAL_BYTES = 64 * 1024, /* more than a terminal buffers */
    RETRY_MS = 1000,        /* interval of retries on a full disk */
    GROUP_CHECK_MS = 20,           /* interval of checks of a group that is being stopped */
    ATTACHMENTS_MAX = 256
};

/* The messages between sessions and supervisor, one packet each. */
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
    /*
     * STATE: ends of stdout and stderr, their first offsets; stdin bytes taken, and granted; the
     * turn of its owner
     */
    int64_t number[STATE_NUMBERS];
};

struct attachment {
    int fd;
    bool attached; /* NOTE_ATTACH was received */
    bool feeds; /* the session feeds stdin */
    bool stale; /* the latest state was not sent: the socket was full */
    int64_t attempt;
};

/* The steps of a stop; each is taken only if the one before was not sufficient. */
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
    uint8_t *input_bytes; /* STDIN_WINDOW, a ring of bytes taken and not yet written */
    uint64_t input_taken, input_written;
    bool input_end_known, input_ended;
    int input_end_characters; /* number written to a terminal */
    uint64_t input_total;
    pid_t leader;      /* also the id of its group and session */
    bool leader_ended; /* `result` has its status */
    bool shutdown;     /* `serve` was requested to end */
    bool exit_stored;  /* the status is on disk */
    bool finished;     /* the result is on disk */
    bool disk_full;     /* the disk refuses output: nothing is read */
    bool result_refused; /* the disk refuses the result */
    /* output is available that cannot be taken now: timeouts of the end do not apply */
    bool blocked;
    bool changed; /* attachments have to be notified */
    int64_t received_ms, drain_ms, stored_ms,
        /*
         * of the last byte read; of the begin of the drain; of the last byte stored; of the next
         * retry
         */
        retry_ms;
    /* limit of unacknowledged bytes; raised to the available output at the command's end */
    uint64_t allowance;
    struct process_start start;
    struct process_result result;
    enum stop_step stop;
    int64_t stop_ms; /* when the next step is due */
    int64_t check_ms; /* of the next check of the group */
    struct attachment attachments[ATTACHMENTS_MAX];
    int attachment_count, owner; /* owner: index, -1: none */
    int owner_fd;  /* its descriptor, -1: none */
    int64_t turn; /* incremented with each change of the owner: notes of an earlier turn are void */
};

/* Runs in a session: starts the command and its supervisor. 0 once execve has succeeded, or -1. */
int supervisor_spawn(struct session *session, const struct spec *spec, struct failure *failure);

/* The parts of a supervisor, each in its own file. */
int supervisor_start(struct supervisor *supervisor, int control, struct failure *failure);
void supervisor_loop(struct supervisor *supervisor);
/* Output */
bool supervisor_reading(const struct supervisor *supervisor, int index);
void supervisor_read(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity);
/*
 * No more regular writes follow: the present content of the pipes may be stored beyond the limit.
 */
void supervisor_allow_rest(struct supervisor *supervisor);
/* Retries output that a full disk has refused, if due, and updates whether output has to wait. */
void supervisor_update_output(struct supervisor *supervisor);
/* Frees all output acknowledged as durable. */
void supervisor_free_output(struct supervisor *supervisor);
/* Discards output that a full disk refuses; the result has `outputCut`. */
void supervisor_cut_output(struct supervisor *supervisor);
/* Input */
/* Returns whether bytes or the end have to be written. */
bool supervisor_has_input(const struct supervisor *supervisor);
void supervisor_take_input(struct supervisor *supervisor, uint64_t offset, const uint8_t *bytes, size_t length);
void supervisor_end_input(struct supervisor *supervisor, uint64_t total);
void supervisor_write_input(struct supervisor *supervisor);
/*
 * The command's group. Its leader stays a zombie while the supervisor runs, so that no other group
 * gets its id.
 */
void supervisor_reap(struct supervisor *supervisor);
void supervisor_leader_ended(struct supervisor *supervisor, const siginfo_t *info);
void supervisor_signal(const struct supervisor *supervisor, int signal);
/* Returns whether the group has no running member. */
bool supervisor_group_ended(struct supervisor *supervisor);
/* Returns whether the command has no descendants left. */
bool supervisor_childless(struct supervisor *supervisor);
/* Stopping */
void supervisor_stop(struct supervisor *supervisor, int64_t grace_ms);
/* Takes the steps that are due. Returns the milliseconds until the next call, or -1. */
int64_t supervisor_stop_step(struct supervisor *supervisor);
bool supervisor_stop_done(const struct supervisor *supervisor);
/* Attachments */
void supervisor_accept(struct supervisor *supervisor);
/* Returns false once the session has closed its end. */
bool supervisor_receive(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity);
void supervisor_drop(struct supervisor *supervisor, int index);
/* Sends the state to all attachments after a change, else to those whose socket was full. */
void supervisor_report(struct supervisor *supervisor);

#endif

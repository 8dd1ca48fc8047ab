/* The record of a process on disk: its start and its result. */
#ifndef KW_RECORD_H
#define KW_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "serve/state.h"
#include "wire/json.h"

enum { SPEC_DIGEST_DIGITS = 64 };

struct process_result {
    int exit_status; /* 128 + signal if a signal ended it */
    int signal;      /* 0: none */
    int64_t started_at, finished_at; /* ms since the epoch */
    uint64_t stdout_bytes, stderr_bytes;
    int64_t oom_kills; /* in the container while it ran, -1: unknown */
    bool output_cut;   /* not all of the output could be read and stored */
    bool shutdown;     /* it ended after the agent was requested to end */
};

struct process_start {
    int64_t started_at;
    int64_t oom_kills; /* the container's count at that time */
    bool this_incarnation;
    char spec_digest[SPEC_DIGEST_DIGITS + 1]; /* of the start's specification, "": none */
};

/* Opens the folder of a process: -1 with errno (ENOENT: there is none). */
int record_folder(const struct state *state, const char *id, bool make);
/*
 * Each returns 1 if it exists, 0 if not, -1 with errno. A stored status counts as a result if the
 * supervisor was killed before it stored one.
 */
int record_read_start(const struct state *state, int folder, struct process_start *start);
int record_read_result(int folder, struct process_result *result);
/* Reserves space, so that a status and a result can be stored on a full disk. -1 with errno. */
int record_reserve(int folder);
/* Durable once they return 0; -1 with errno. */
int record_write_start(const struct state *state, int folder, const struct process_start *start);
/* The status without byte counts, while more output may arrive. */
int record_write_exit(int folder, const struct process_result *result);
int record_write_result(int folder, const struct process_result *result);
/*
 * Returns whether a supervisor listens for the process. Any number of sessions may call it
 * concurrently.
 */
bool record_supervised(int folder);
/* Removes the whole folder. -1 with errno; a missing folder is not an error. */
int record_remove(const struct state *state, const char *id);
/* Adds the digest of the start's specification, if it has one. */
void record_put_spec_digest(struct json_out *out, const struct process_start *start);
/* Adds the members of RESULT. */
void record_put_result(struct json_out *out, const struct process_result *result);

#endif

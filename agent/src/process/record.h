/* What is known of a process on disk: that it was started, and how it ended. */
#ifndef KW_RECORD_H
#define KW_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "serve/state.h"
#include "wire/json.h"

struct process_result {
    int exit_status; /* 128 + signal where a signal ended it */
    int signal;      /* 0: none */
    int64_t started_at, finished_at; /* ms since the epoch */
    uint64_t stdout_bytes, stderr_bytes;
    int64_t oom_kills; /* in the container while it ran, -1: not known */
    bool output_cut;   /* not all of the output could be read and stored */
    bool shutdown;     /* it ended after the agent was told to end */
};

struct process_start {
    int64_t started_at;
    int64_t oom_kills; /* the container's count at that time */
    bool this_incarnation;
};

/* The folder of a process: -1 with errno (ENOENT: there is none). */
int record_folder(const struct state *state, const char *id, bool make);
/* Each: 1 it is there, 0 it is not, -1 with errno. A result is there too where only the status could be stored before
 * the supervisor was killed. */
int record_read_start(const struct state *state, int folder, struct process_start *start);
int record_read_result(int folder, struct process_result *result);
/* Makes sure that a status and a result can be stored whatever fills the disk meanwhile. -1 with errno. */
int record_reserve(int folder);
/* Durable when they return 0; -1 with errno. */
int record_write_start(const struct state *state, int folder, const struct process_start *start);
/* The status alone, while output may still come: without byte counts. */
int record_write_exit(int folder, const struct process_result *result);
int record_write_result(int folder, const struct process_result *result);
/* True while a supervisor listens for the process. Asking changes nothing, so any number of sessions may ask at once.
 */
bool record_supervised(int folder);
/* Removes the whole folder. -1 with errno; one that is not there is no error. */
int record_remove(const struct state *state, const char *id);
/* The members of RESULT. */
void record_put_result(struct json_out *out, const struct process_result *result);

#endif

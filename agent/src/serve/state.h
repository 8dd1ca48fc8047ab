/* The state directory, and what all processes inherit from `serve`. */
#ifndef KW_STATE_H
#define KW_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/failure.h"

enum { ID_MAX = 128 };

struct state {
    int root;       /* the state directory */
    int volumes;    /* volumes/ */
    int agent;      /* agent/, 0700 */
    int processes;  /* agent/processes */
    int operations; /* agent/operations: the markers of commits */
    int results;    /* agent/results: outcomes of uploads */
    int lock;       /* agent/lock: held while any process of this incarnation exists */
    /* read end of a pipe; only `serve` holds the write end, so a hang-up means that it has ended */
    int lifeline;
    int shutdown;   /* the same; has a byte once `serve` was requested to end */
    int start_folder; /* where `serve` was started: the directory of commands without one */
    struct rlimit core; /* the container's limit */
    int generations;    /* agent/generation: holds one empty file, named by the stored generation */
    int64_t generation; /* the stored generation at the start of `serve` */
    char incarnation[33];
};

/* The largest integer that a JavaScript host can represent exactly. */
#define GENERATION_MAX 9007199254740991

bool id_valid(const char *id);
/*
 * Calls `visit` for each name in `folder` that is an id. Does nothing if the folder cannot be
 * listed.
 */
void each_id(int folder, void (*visit)(void *context, const char *id), void *context);
/*
 * Opens the state directory and creates missing folders. Waits until an older incarnation has
 * ended.
 */
int state_open(struct state *state, const char *path, struct failure *failure);
/* The size of the folder's file system in bytes, or what is free of it; -1 with errno. */
int64_t file_system_bytes(int folder, bool all);
/* Sizes of the state directory's file system in bytes; -1 if unknown. */
int64_t state_free_bytes(const struct state *state);
int64_t state_total_bytes(const struct state *state);

#endif

/* The state directory, and what `serve` hands down to every process it forks. */
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
    int results;    /* agent/results: of uploads */
    int lock;       /* agent/lock: held as long as any process of this incarnation lives */
    int lifeline;   /* read end of a pipe whose other end only `serve` has: hung up means that it is gone */
    int shutdown;   /* the same; has a byte once `serve` was told to end */
    int start_folder; /* where `serve` was started: the folder of commands that name none */
    struct rlimit core; /* as the container had it */
    int generations;    /* agent/generation: holds one empty file, named by the generation that is kept */
    int64_t generation; /* as it was found when `serve` started */
    char incarnation[33];
};

/* What a JavaScript host can count to. */
#define GENERATION_MAX 9007199254740991

bool id_valid(const char *id);
/* Calls `visit` for each name in `folder` that is an id. Does nothing where the folder cannot be listed. */
void each_id(int folder, void (*visit)(void *context, const char *id), void *context);
/* Opens and makes what is missing; waits until an older incarnation on the same directory is gone. */
int state_open(struct state *state, const char *path, struct failure *failure);
/* Bytes of the file system of the state directory; -1 where it does not say. */
int64_t state_free_bytes(const struct state *state);
int64_t state_total_bytes(const struct state *state);

#endif

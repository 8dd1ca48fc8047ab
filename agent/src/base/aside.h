/*
 * Work that may block for long, such as the flush of a file, on a thread of its own. One thread
 * waits for it and may do other things meanwhile.
 */
#ifndef KW_ASIDE_H
#define KW_ASIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"

/* 0, or -1 with `failure`. */
typedef int aside_fn(void *context, struct failure *failure);

struct aside {
    aside_fn *work;
    void *context;
    struct failure failure;
    int result;
    pthread_t thread;
    int ended; /* hangs up when the work has ended; -1: there is no thread */
    int end;
};

/* Begins the work. Without a thread, which the system may refuse, does it at once. */
void aside_begin(struct aside *aside, aside_fn *work, void *context);
/* Waits until the work has ended, at most `wait_ms`. Returns whether it has. */
bool aside_wait(const struct aside *aside, int64_t wait_ms);
/* Releases the thread once the work has ended. Returns its result, with its failure. */
int aside_end(struct aside *aside, struct failure *failure);

#endif

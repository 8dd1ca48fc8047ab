/* The steps in the child between fork and execve. */
#ifndef KW_LAUNCH_H
#define KW_LAUNCH_H

#include "process/spec.h"
#include "serve/state.h"

struct launch {
    const struct state *state;
    const struct spec *spec;
    int in, out, err; /* become 0, 1 and 2; with a tty, all are the terminal */
    int report;       /* receives a struct failure; closed by execve */
};

/* Runs in the child and does not return. */
_Noreturn void launch(const struct launch *launch);

#endif

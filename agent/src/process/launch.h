/* From a fork to the command: all that happens in the child before execve. */
#ifndef KW_LAUNCH_H
#define KW_LAUNCH_H

#include "process/spec.h"
#include "serve/state.h"

struct launch {
    const struct state *state;
    const struct spec *spec;
    int in, out, err; /* become 0, 1 and 2; with a tty all are the terminal */
    int report;       /* takes a struct failure where it fails; closed by execve */
};

/* In the child. Does not return. */
_Noreturn void launch(const struct launch *launch);

#endif

#ifndef KW_RECOVER_H
#define KW_RECOVER_H

#include "serve/state.h"

/* At the start of `serve`: completes commits that were marked, and removes what else was staged. */
void recover(struct state *state);

#endif

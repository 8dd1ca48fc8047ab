#ifndef KW_RECOVER_H
#define KW_RECOVER_H

#include "serve/state.h"

/* Runs at the start of `serve`: completes marked commits, and removes all other staged content. */
void recover(struct state *state);

#endif

/* The fence: the generation below which operations are refused. It outlives restarts of `serve`. */
#ifndef KW_GENERATION_H
#define KW_GENERATION_H

#include <stdint.h>

#include "base/failure.h"

/*
 * `folder` holds one empty file, named by the generation. Renaming it needs no space on a full disk
 * and is atomic.
 */

/* Returns the stored generation, 0 if there is none, -1 with errno. */
int64_t generation_read(int folder);
/*
 * Stores `generation` durably unless a higher one is stored. Returns 0 or -1. Several processes may
 * call it concurrently.
 */
int generation_keep(int folder, int64_t generation, struct failure *failure);

#endif

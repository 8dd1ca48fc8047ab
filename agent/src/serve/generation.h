/* The fence: the generation below which operations are refused, kept over restarts of `serve`. */
#ifndef KW_GENERATION_H
#define KW_GENERATION_H

#include <stdint.h>

#include "base/failure.h"

/* `folder` holds one empty file, whose name is the generation: it is renamed, which needs no room on a full disk and
 * never leaves a half. */

/* The kept generation, 0 where none was ever kept; -1 with errno. */
int64_t generation_read(int folder);
/* Keeps `generation` durably, or the higher one that is kept already. 0 or -1. Several processes may call it at once.
 */
int generation_keep(int folder, int64_t generation, struct failure *failure);

#endif

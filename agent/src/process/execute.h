#ifndef KW_EXECUTE_H
#define KW_EXECUTE_H

#include "base/failure.h"

/*
 * Looks up args[0] in the PATH of `env` and executes it. Returns only on failure, with a code for
 * its cause.
 */
int execute(const char *const *args, const char *const *env, struct failure *failure);

#endif

#ifndef KW_EXECUTE_H
#define KW_EXECUTE_H

#include "base/failure.h"

/* Looks args[0] up in the PATH of `env` and becomes it. Returns only with `failure`, which is told apart by what is
 * wrong. */
int execute(const char *const *args, const char *const *env, struct failure *failure);

#endif

#ifndef KW_ENVIRONMENT_H
#define KW_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The container's environment, overridden by `own` (of which the last one counts). HOME is `home` unless `own` has it,
 * or is `default_home` where nobody has it; TERM is set for a tty. Gives a list that ends with NULL (free it; the texts
 * are others', or live as long as this process), NULL without memory.
 */
const char **environment_merge(
    const char *const *own, uint32_t count, const char *home, const char *default_home, bool tty);

#endif

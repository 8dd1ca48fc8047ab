#ifndef KW_ENVIRONMENT_H
#define KW_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Merges the container's environment with `own`, which takes precedence (its last value counts).
 * HOME is `home` unless `own` has it, or `default_home` if neither has it; TERM is set for a tty.
 * Returns a list that ends with NULL, to be freed by the caller, or NULL without memory. The texts
 * belong to others or live as long as the process.
 */
const char **environment_merge(
    const char *const *own, uint32_t count, const char *home, const char *default_home, bool tty);

#endif

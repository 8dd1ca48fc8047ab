/* The specification of a `start`. */
#ifndef KW_SPEC_H
#define KW_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "process/user.h"
#include "wire/json.h"

enum { SPEC_STRINGS_MAX = 65536 };

struct spec {
    const char *id;
    const char **args; /* ends with NULL */
    const char **env;  /* the container's merged with the spec's; ends with NULL */
    const char *dir;   /* NULL: the directory in which `serve` was started */
    struct user user;
    bool tty, stdin_open;
    uint16_t columns, rows;
    uint64_t unacked_limit, retain;
    const char *digest; /* the host's of the whole specification, "": none */
};

/*
 * Reads a specification. Texts belong to `open`. -1 with INVALID_SPEC, USER_NOT_FOUND, …. Mapped
 * texts are freed when the process ends.
 */
int spec_read(struct spec *spec, const struct json *open, struct failure *failure);
void spec_free(struct spec *spec);
/* Returns the value of a variable in a list of NAME=value, or NULL. */
const char *env_value(const char *const *env, const char *name);

#endif

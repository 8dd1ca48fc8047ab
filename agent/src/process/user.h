/* Users and groups from /etc/passwd and /etc/group of the container. */
#ifndef KW_USER_H
#define KW_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/failure.h"

enum { USER_GROUPS_MAX = 256 };

struct user {
    bool given; /* the spec names a user; else the command runs as the agent's user */
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    int group_count;
    char home[4096];
};

/*
 * `spec` is `name`, `1000`, `name:group` or `1000:1000`; NULL: the agent's own user. -1 with
 * USER_NOT_FOUND or NOT_PERMITTED.
 */
int user_find(const char *spec, struct user *user, struct failure *failure);

#endif

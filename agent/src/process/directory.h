/* The directory of a command: made where it is missing, and never where another user of the container wants it. */
#ifndef KW_DIRECTORY_H
#define KW_DIRECTORY_H

#include "process/user.h"

/*
 * Makes what is missing of `path` (absolute), 0755. In two steps, before and after the command's user is taken on: the
 * first makes it with the agent's rights and gives it to the user, but stops at a link that the user made; the second
 * has the user's rights alone. For root, a link in a folder whose owner is neither the link's nor trusted (root, the
 * agent, the user) is not followed at all, and nothing is made behind a link of an untrusted user.
 */
int directory_make(const char *path, const struct user *user);
/* The second step. Opens the directory; -1 with errno. */
int directory_open(const char *path, const struct user *user);

#endif

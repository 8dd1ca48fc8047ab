/*
 * Creates and opens the working directory of a command, and never where another user of the
 * container redirects it.
 */
#ifndef KW_DIRECTORY_H
#define KW_DIRECTORY_H

#include "process/user.h"

/*
 * Creates the missing folders of `path` (absolute) with 0755. There are two steps, before and after
 * the switch to the command's user. The first creates with the agent's rights and changes the owner
 * to the user, but stops at a link of the user. The second has only the user's rights. For root, a
 * link is not followed if the owner of its folder is neither the link's owner nor trusted (root,
 * the agent, the user), and nothing is created behind a link of an untrusted user.
 */
int directory_make(const char *path, const struct user *user);
/* The second step. Opens the directory; -1 with errno. */
int directory_open(const char *path, const struct user *user);

#endif

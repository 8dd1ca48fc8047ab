/* Unix sockets in folders whose path may be longer than a socket address can hold. */
#ifndef KW_SOCKET_H
#define KW_SOCKET_H

#include <stdbool.h>

/*
 * Both work relative to the folder, which becomes the working directory of the process. -1 with
 * errno.
 */
int socket_listen(int folder, const char *name, int type);
int socket_connect(int folder, const char *name, int type);
/* Returns whether the peer process runs as this user or as root. */
bool socket_peer_allowed(int fd);

#endif

/* Unix sockets in folders whose path may be longer than a socket's address can hold. */
#ifndef KW_SOCKET_H
#define KW_SOCKET_H

#include <stdbool.h>

/* Each works relative to the folder, and leaves it as the process's working directory. -1 with errno. */
int socket_listen(int folder, const char *name, int type);
int socket_connect(int folder, const char *name, int type);
/* True where the process at the other end runs as this user, or as root. */
bool socket_peer_allowed(int fd);

#endif

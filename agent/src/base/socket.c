#include "base/socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"

static int prepare(int folder, const char *name, int type, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%s", name);
    if (fchdir(folder) != 0) {
        return -1;
    }
    return socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
}

int socket_listen(int folder, const char *name, int type) {
    struct sockaddr_un address;
    int fd = prepare(folder, name, type, &address);
    if (fd < 0) {
        return -1;
    }
    if ((unlinkat(folder, name, 0) != 0 && errno != ENOENT) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(name, 0600) != 0 || listen(fd, 256) != 0) {
        close_fd(&fd);
    }
    return fd;
}

int socket_connect(int folder, const char *name, int type) {
    struct sockaddr_un address;
    int fd = prepare(folder, name, type, &address);
    if (fd < 0) {
        return -1;
    }
    int connected;
    do {
        connected = connect(fd, (struct sockaddr *)&address, sizeof address);
    } while (connected != 0 && errno == EINTR);
    if (connected != 0) {
        close_fd(&fd);
    }
    return fd;
}

bool socket_peer_allowed(int fd) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || length != sizeof peer) {
        return false;
    }
    return peer.uid == geteuid() || peer.uid == 0;
}

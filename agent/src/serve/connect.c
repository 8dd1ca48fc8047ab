#include "serve/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/socket.h"

enum { RELAY_BYTES = 256 * 1024, PIPE_BYTES = 1024 * 1024, WAIT_MS = 30000, WAIT_STEP_MS = 10 };

struct relay {
    int from, to;
    bool ended; /* `from` is at its end */
    size_t start, end;
    uint8_t *bytes;
};

/* Returns 1 if bytes were read, else 0; sets `ended` at the end and after an error. */
static int relay_read(struct relay *relay) {
    ssize_t got = read(relay->from, relay->bytes, RELAY_BYTES);
    if (got > 0) {
        relay->start = 0;
        relay->end = (size_t)got;
        return 1;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    relay->ended = true;
    return 0;
}

static int relay_write(struct relay *relay) {
    ssize_t put = write(relay->to, relay->bytes + relay->start, relay->end - relay->start);
    if (put > 0) {
        relay->start += (size_t)put;
        return 1;
    }
    return put < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static bool empty(const struct relay *relay) {
    return relay->start == relay->end;
}

/* Relays until the socket or stdout has closed and all bytes from the socket are written. */
static int relay_all(struct relay *up, struct relay *down, int socket) {
    bool shut = false;
    for (;;) {
        if (up->ended && empty(up) && !shut) {
            shut = true;
            shutdown(socket, SHUT_WR);
        }
        if (down->ended && empty(down)) {
            return 0;
        }
        bool reading = !up->ended && empty(up);
        struct pollfd polled[4] = {
            {.fd = reading ? up->from : -1, .events = POLLIN},
            {.fd = empty(up) ? -1 : up->to, .events = POLLOUT},
            {.fd = !down->ended && empty(down) ? down->from : -1, .events = POLLIN},
            {.fd = down->to, .events = (short)(empty(down) ? 0 : POLLOUT)},
        };
        if (poll(polled, 4, -1) < 0 && errno != EINTR) {
            return 1;
        }
        if (polled[0].revents != 0) {
            relay_read(up);
        }
        if (polled[1].revents != 0 && relay_write(up) < 0) {
            up->ended = true; /* the agent's last bytes may still be readable */
            up->start = up->end = 0;
        }
        if (polled[2].revents != 0 && relay_read(down) > 0) {
            polled[3].revents |= POLLOUT;
        }
        if ((polled[3].revents & POLLOUT) != 0 && !empty(down) && relay_write(down) < 0) {
            return 1;
        }
        if ((polled[3].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 && (polled[3].revents & POLLOUT) == 0) {
            return 1; /* the reader of stdout has closed it */
        }
    }
}

/*
 * Verifies the owner of the folder and the peer: another user of the pod may have put a folder or
 * socket in place of the agent's.
 */
static int check_agent(const char *path, int folder, int socket) {
    struct stat status;
    if (fstat(folder, &status) == 0 && (status.st_uid == geteuid() || status.st_uid == 0) &&
        socket_peer_allowed(socket)) {
        return socket;
    }
    fprintf(stderr, "agent: the agent that serves %s runs as another user, or in another user's folder\n", path);
    close(socket);
    return -1;
}

static int await_socket(const char *path) {
    /* socket_connect changes the working directory */
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int64_t end = steady_ms() + WAIT_MS;;) {
        int root = openat(here, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int folder = root < 0 ? -1 : openat(root, "agent", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        int fd = folder < 0 ? -1 : socket_connect(folder, "socket", SOCK_STREAM);
        if (fd >= 0) {
            fd = check_agent(path, folder, fd);
            close_fd(&here);
            close_fd(&folder);
            close_fd(&root);
            return fd;
        }
        close_fd(&folder);
        close_fd(&root);
        bool early = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN;
        if (!early || steady_ms() >= end) {
            fprintf(stderr, "agent: no agent serves %s: %s\n", path, strerror(errno));
            return -1;
        }
        sleep_ms(WAIT_STEP_MS);
    }
}

int connect_to(const char *path) {
    static uint8_t up_bytes[RELAY_BYTES], down_bytes[RELAY_BYTES];
    int socket = await_socket(path);
    if (socket < 0) {
        return 1;
    }
    int size = PIPE_BYTES;
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fcntl(0, F_SETPIPE_SZ, size);
    fcntl(1, F_SETPIPE_SZ, size);
    int in_flags = fcntl(0, F_GETFL), out_flags = fcntl(1, F_GETFL);
    set_nonblocking(0);
    set_nonblocking(1);
    set_nonblocking(socket);
    struct relay up = {.from = 0, .to = socket, .bytes = up_bytes},
                 down = {.from = socket, .to = 1, .bytes = down_bytes};
    int status = relay_all(&up, &down, socket);
    /* Other processes may share these descriptors and expect their flags unchanged. */
    fcntl(0, F_SETFL, in_flags);
    fcntl(1, F_SETFL, out_flags);
    return status;
}

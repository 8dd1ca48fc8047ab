#include "serve/reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"

enum { LONGEST_MS = 60000 };

static int misuse(const char *problem) {
    fprintf(stderr, "agent: reach: %s\n", problem);
    return REACH_USAGE;
}

static const char *given(const char *argument, const char *variable) {
    return strcmp(argument, "-") == 0 ? getenv(variable) : argument;
}

/* Returns 0 unless the text is a number from 1 to `highest`. */
static int number_in(const char *text, int highest) {
    if (*text == '\0' || strlen(text) > 9 || strspn(text, "0123456789") != strlen(text)) {
        return 0;
    }
    int number = atoi(text);
    return number <= highest ? number : 0;
}

/* Returns the length of the numeric address, or 0. */
static socklen_t address_of(const char *host, int port, struct sockaddr_storage *address) {
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof *six;
    }
    return 0;
}

/* Returns the errno of a connection that is not established within the time, else 0. */
static int try_connection(const struct sockaddr_storage *address, socklen_t address_length, int timeout_ms) {
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    int failure = connect(fd, (const struct sockaddr *)address, address_length) == 0 ? 0 : errno;
    for (int64_t end = steady_ms() + timeout_ms; failure == EINPROGRESS || failure == EINTR;) {
        int64_t left = end - steady_ms();
        struct pollfd polled = {.fd = fd, .events = POLLOUT};
        int ready = left <= 0 ? 0 : poll(&polled, 1, (int)left);
        socklen_t length = sizeof failure;
        if (ready == 0) {
            failure = ETIMEDOUT;
        } else if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0) {
            failure = errno;
        } else if (ready < 0 && errno != EINTR) {
            failure = errno;
        }
    }
    close(fd);
    return failure;
}

int reach(const char *host_argument, const char *port_argument, const char *timeout_argument) {
    const char *host = given(host_argument, "KUBERNETES_SERVICE_HOST");
    const char *port = given(port_argument, "KUBERNETES_SERVICE_PORT");
    if (host == NULL || port == NULL) {
        return misuse("KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set");
    }
    int timeout_ms = number_in(timeout_argument, LONGEST_MS), port_number = number_in(port, 65535);
    if (port_number == 0 || timeout_ms == 0) {
        return misuse("a port is 1 to 65535, and a time-out is 1 to 60000 ms");
    }
    struct sockaddr_storage address;
    socklen_t length = address_of(host, port_number, &address);
    if (length == 0) {
        return misuse("the host is not a numeric address");
    }
    int failure = try_connection(&address, length, timeout_ms);
    if (failure == EMFILE || failure == ENFILE || failure == ENOMEM || failure == ENOBUFS) {
        fprintf(stderr, "agent: reach: %s\n", strerror(failure));
        return REACH_USAGE;
    }
    bool reached = failure == 0 || failure == ECONNREFUSED;
    printf("%s %s %s\n", failure == 0 ? "connected" : reached ? "refused" : "unreachable", host, port);
    if (!reached) {
        fprintf(stderr, "agent: reach: %s\n", strerror(failure));
    }
    return reached ? REACH_CONNECTED : REACH_UNREACHABLE;
}

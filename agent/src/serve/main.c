#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "serve/connect.h"
#include "serve/reach.h"
#include "serve/serve.h"

#ifdef KW_SANITIZE
/*
 * The agent's processes end by _exit without freeing memory. Tests find leaks by counting, not at
 * exit.
 */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0:abort_on_error=0:exitcode=99";
}
#endif

static int usage(void) {
    fputs(
        "usage: agent serve STATE | agent connect STATE | agent reach HOST PORT TIMEOUT_MS | agent version\n", stderr);
    return 2;
}

int main(int count, char **arguments) {
    /* Descriptors 0 to 2 are always open, so that no other file gets their numbers. */
    for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = dup(fd)) {
        if (fd > 2) {
            close(fd);
            break;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    if (count == 2 && strcmp(arguments[1], "version") == 0) {
        printf("kubernetes-worker agent %s, protocol %d to %d, %s\n", AGENT_VERSION, PROTOCOL_LOWEST, PROTOCOL_HIGHEST,
            AGENT_ARCH);
        return 0;
    }
    if (count == 5 && strcmp(arguments[1], "reach") == 0) {
        return reach(arguments[2], arguments[3], arguments[4]);
    }
    if (count != 3) {
        return usage();
    }
    if (strcmp(arguments[1], "serve") == 0) {
        return serve(arguments[2]);
    }
    if (strcmp(arguments[1], "connect") == 0) {
        return connect_to(arguments[2]);
    }
    return usage();
}

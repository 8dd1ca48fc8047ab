#include "process/pty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

int pty_resize(int master, uint16_t columns, uint16_t rows) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(master, TIOCSWINSZ, &size);
}

int pty_open(int *master, int *terminal, uint16_t columns, uint16_t rows) {
    int zero = 0;
    *terminal = -1;
    *master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (*master < 0) {
        return -1;
    }
    if (ioctl(*master, TIOCSPTLCK, &zero) == 0) {
        *terminal = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        char name[64];
        if (*terminal < 0 && ptsname_r(*master, name, sizeof name) == 0) {
            *terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
        }
    }
    if (*terminal >= 0 && pty_resize(*master, columns, rows) == 0) {
        return 0;
    }
    close_fd(terminal);
    close_fd(master);
    return -1;
}

int pty_end_character(int master) {
    struct termios mode;
    if (tcgetattr(master, &mode) != 0 || (mode.c_lflag & ICANON) == 0) {
        return -1;
    }
    return mode.c_cc[VEOF];
}

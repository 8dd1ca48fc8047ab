#ifndef KW_PTY_H
#define KW_PTY_H

#include <stdint.h>

/* A new terminal of the given size: both ends, closed on exec. -1 with errno. */
int pty_open(int *master, int *terminal, uint16_t columns, uint16_t rows);
int pty_resize(int master, uint16_t columns, uint16_t rows);
/* The character that means end of input now, or -1 where the terminal takes it as any other. */
int pty_end_character(int master);

#endif

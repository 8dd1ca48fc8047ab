#ifndef KW_PTY_H
#define KW_PTY_H

#include <stdint.h>

/* Opens a new terminal of the given size: both ends, closed on exec. -1 with errno. */
int pty_open(int *master, int *terminal, uint16_t columns, uint16_t rows);
int pty_resize(int master, uint16_t columns, uint16_t rows);
/* Returns the character that now means end of input, or -1 if the terminal has none. */
int pty_end_character(int master);

#endif

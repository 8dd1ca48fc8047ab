#ifndef KW_CONNECT_H
#define KW_CONNECT_H

/*
 * Implements `agent connect`: waits up to 30 s for the socket of `serve` and joins stdin and stdout
 * to it. Returns the exit status.
 */
int connect_to(const char *path);

#endif

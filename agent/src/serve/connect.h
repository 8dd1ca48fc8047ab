#ifndef KW_CONNECT_H
#define KW_CONNECT_H

/* `agent connect`: joins stdin and stdout to the socket of `serve`, for which it waits 30 s; the exit status. */
int connect_to(const char *path);

#endif

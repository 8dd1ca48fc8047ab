#ifndef KW_SERVE_H
#define KW_SERVE_H

/*
 * Implements `agent serve`. Returns the exit status after a request to end, or if it cannot start.
 */
int serve(const char *path);

#endif

#ifndef KW_SERVE_H
#define KW_SERVE_H

/* `agent serve`: returns the exit status when it was told to end, or could not start. */
int serve(const char *path);

#endif

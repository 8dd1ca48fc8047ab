#ifndef KW_REACH_H
#define KW_REACH_H

enum { REACH_CONNECTED = 0, REACH_UNREACHABLE = 1, REACH_USAGE = 2 };

/*
 * Tries one TCP connection to a numeric address, and prints `connected`, `refused` or `unreachable`
 * with the address and the port. A refusal counts as connected: packets got out and back. HOST and
 * PORT are those of the API server's Service if they are `-`: KUBERNETES_SERVICE_HOST and
 * KUBERNETES_SERVICE_PORT. Returns the exit status.
 */
int reach(const char *host, const char *port, const char *timeout_ms);

#endif

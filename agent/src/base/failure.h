/* The failure of an operation, from which an ERROR frame is made. */
#ifndef KW_FAILURE_H
#define KW_FAILURE_H

#include <stdint.h>

/*
 * Holds the first failure. The struct owns its texts; longer texts are truncated. `code` is a
 * literal of docs/agent-protocol.md.
 */
struct failure {
    const char *code; /* NULL: no failure */
    int error;        /* errno, or 0 */
    int64_t limit;    /* limitBytes, or -1 */
    int64_t bytes;    /* bytes, or -1 */
    char message[512];
    char path[4096];  /* a path in the volume or the container, "" if none */
    char entry[4096]; /* the name of an archive entry, "" if none */
};

/*
 * Records a failure unless there is one already. Always returns -1, so that a caller can write
 * `return fail(...)`.
 */
int fail(struct failure *failure, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/*
 * Records a failed system call: DISK_FULL, NOT_PERMITTED, … by errno, else IO_ERROR; `path` may be
 * NULL.
 */
int fail_errno(struct failure *failure, int error, const char *doing, const char *path);
/* Records a failure about a path. `error` is 0 if no system call failed; `path` may be NULL. */
int fail_path(struct failure *failure, const char *code, int error, const char *doing, const char *path);
/* Adds the name of an archive entry to a failure without one. Always returns -1. */
int fail_entry(struct failure *failure, const char *entry);

#endif

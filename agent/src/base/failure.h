/* How something failed: what becomes an ERROR frame. */
#ifndef KW_FAILURE_H
#define KW_FAILURE_H

#include <stdint.h>

/* Filled once by what failed first. Texts are owned by the struct; longer ones are cut at the end. `code` is a literal
 * of docs/agent-protocol.md. */
struct failure {
    const char *code; /* NULL: nothing failed */
    int error;        /* errno, or 0 */
    int64_t limit;    /* limitBytes, or -1 */
    int64_t bytes;    /* bytes, or -1 */
    char message[512];
    char path[4096];  /* a path in the volume or the container, "" where there is none */
    char entry[4096]; /* the name of an archive's entry, "" where there is none */
};

/* Always returns -1, so that a caller can write `return fail(...)`. Keeps the first failure. */
int fail(struct failure *failure, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a failed system call: picks DISK_FULL, NOT_PERMITTED, … by errno, else IO_ERROR; `path` may be NULL. */
int fail_errno(struct failure *failure, int error, const char *doing, const char *path);
/* A failure with a code of its own about a path; `error` is 0 where no system call failed, `path` may be NULL. */
int fail_path(struct failure *failure, const char *code, int error, const char *doing, const char *path);
/* Adds the name of an archive's entry to a failure that has none. Always returns -1. */
int fail_entry(struct failure *failure, const char *entry);

#endif

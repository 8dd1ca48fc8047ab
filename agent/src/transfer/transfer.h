/*
 * What receive, send and copy share: their id, and resumption over another connection.
 */
#ifndef KW_TRANSFER_H
#define KW_TRANSFER_H

#include "base/aside.h"
#include "serve/operation.h"
#include "transfer/volume_folder.h"

enum { PATH_BYTES = 4096 };
/* One day. */
enum { LEASE_MS_MAX = 24 * 60 * 60 * 1000 };

struct transfer {
    struct session *session;
    const char *id;
    int64_t attempt;
    int64_t lease_ms; /* how long the operation waits without a connection, 0: not at all */
    int64_t from;     /* of OPEN: the offset up to which the host has received */
    bool continues;   /* the host has received OPENED before */
    bool holds_disk;
    /*
     * Answers OPEN on a later connection: OPENED and credit. 0, or -1 with that connection lost or
     * violated.
     */
    int (*opened)(void *context);
    void *context;
};

/* Reads these members of OPEN, and acquires the id for an operation that ends with its connection. */
int transfer_acquire(struct session *session, const struct json *open, struct transfer *transfer);
/*
 * Like transfer_acquire, for an operation that can be resumed. Returns 1 if it has to begin; 0 if
 * there is nothing to resume (`failure` has the reason; a stored result may exist); -1 on failure,
 * or because the connection was handed over.
 */
int transfer_acquire_continuable(struct session *session, const struct json *open, struct transfer *transfer);
/* Reads a path in a volume, in normal form. */
int transfer_path(struct session *session, const struct json *open, const char *key, char path[PATH_BYTES]);

/*
 * Waits for another connection for the duration of the lease. Returns 0 once OPEN is answered on
 * it; -1 ends the operation.
 */
int transfer_resume(struct transfer *transfer);
/*
 * Sends RESULT by `answer`, or ERROR if `result` is -1, over any number of connections, until the
 * host has acknowledged it. Returns an operation_end.
 */
int transfer_answer(struct transfer *transfer, int result, int (*answer)(void *context));
/*
 * Does work that nothing can interrupt, and answers pings meanwhile. Reports no progress, since none
 * is known: the host decides how long it waits. 0, or -1: the work has failed, or the operation has
 * to end although the work has succeeded.
 */
int transfer_run_aside(struct transfer *transfer, aside_fn *work, void *context);
/* Commits the staged content, and answers pings meanwhile. */
int transfer_commit(struct transfer *transfer, struct volume_folder *volume, const char *path);

#endif

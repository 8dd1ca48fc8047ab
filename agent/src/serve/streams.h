/* The two directions of a stream within an operation: offsets, credit and digests. */
#ifndef KW_STREAMS_H
#define KW_STREAMS_H

#include "base/sha256.h"
#include "serve/session.h"
#include "wire/compress.h"

/* A stream that the agent sends. */
struct sending {
    uint8_t stream;
    uint64_t
        produced; /* the end of what is hashed; from `sent` to here it is sent again, after a connection was lost */
    uint64_t sent; /* the next offset */
    uint64_t acknowledged; /* by the host */
    uint64_t limit; /* the host's credit */
    bool ended;
    struct sha256 hash;
};

void sending_begin(struct sending *sending, uint8_t stream, uint64_t from);
/* Takes a WINDOW of this stream; -1 with a violation. */
int sending_window(struct session *session, struct sending *sending, const struct window_frame *window);
/* How many bytes may be sent now, at most DATA_RAW_MAX. */
size_t sending_room(const struct sending *sending);
/* Goes back to an offset that is not yet acknowledged, or acknowledged just to there. 0, or -1 with a violation. */
int sending_rewind(struct session *session, struct sending *sending, int64_t from);
/* Sends bytes at the stream's offset (at most sending_room), those that were sent before just as they were. */
int sending_data(struct session *session, struct sending *sending, struct compressor *compressor, const uint8_t *bytes,
    size_t length);
int sending_end(struct session *session, struct sending *sending);

/* A stream that the agent receives (stream 0). */
struct receiving {
    uint64_t received; /* the next offset */
    uint64_t acknowledged; /* as the host was told */
    uint64_t limit; /* the credit that it was given; 0 with `granted` unset: none yet */
    bool granted;
    bool ended;
    bool proven; /* as END said */
    struct sha256 hash;
};

void receiving_begin(struct receiving *receiving, uint64_t from);
/* Takes a DATA frame: the raw bytes, or NULL with a violation. They are gone with the next call that reads or writes
 * the connection. */
const uint8_t *receiving_data(
    struct session *session, struct receiving *receiving, struct expander *expander, const struct data_frame *data);
/* Takes END: 0, or -1 with DIGEST_MISMATCH where count or digest differ. */
int receiving_end(struct session *session, struct receiving *receiving, const struct end_frame *end);
/* Sends a WINDOW: dealt with up to `acknowledged`, and credit up to `limit`; neither goes back. */
int receiving_grant(struct session *session, struct receiving *receiving, uint64_t acknowledged, uint64_t limit);

#endif

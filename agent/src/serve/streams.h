/* Both directions of a stream within an operation: offsets, credit and digests. */
#ifndef KW_STREAMS_H
#define KW_STREAMS_H

#include "base/sha256.h"
#include "serve/session.h"
#include "wire/compress.h"

/* A stream that the agent sends. */
struct sending {
    uint8_t stream;
    uint64_t
        /*
         * the end of the hashed bytes; those from `sent` to here are sent again after a lost
         * connection
         */
        produced;
    uint64_t sent; /* the next offset */
    uint64_t acknowledged; /* by the host */
    uint64_t limit; /* the host's credit */
    bool ended;
    struct sha256 hash;
};

void sending_begin(struct sending *sending, uint8_t stream, uint64_t from);
/* Applies a WINDOW of this stream; -1 with a violation. */
int sending_window(struct session *session, struct sending *sending, const struct window_frame *window);
/* Returns how many bytes may be sent now, at most DATA_RAW_MAX. */
size_t sending_room(const struct sending *sending);
/* Rewinds to an offset not below the acknowledged one. 0, or -1 with a violation. */
int sending_rewind(struct session *session, struct sending *sending, int64_t from);
/* Sends bytes at the stream's offset, at most sending_room. Bytes sent before must be the same. */
int sending_data(struct session *session, struct sending *sending, struct compressor *compressor, const uint8_t *bytes,
    size_t length);
int sending_end(struct session *session, struct sending *sending);

/* A stream that the agent receives (stream 0). */
struct receiving {
    uint64_t received; /* the next offset */
    uint64_t acknowledged; /* last sent to the host */
    uint64_t limit; /* the credit granted to the host; 0 with `granted` unset: none yet */
    bool granted;
    bool ended;
    bool proven; /* from END */
    struct sha256 hash;
};

void receiving_begin(struct receiving *receiving, uint64_t from);
/*
 * Checks a DATA frame. Returns its raw bytes, or NULL with a violation. The bytes are valid until
 * the next call that uses the connection.
 */
const uint8_t *receiving_data(
    struct session *session, struct receiving *receiving, struct expander *expander, const struct data_frame *data);
/* Checks END: 0, or -1 with DIGEST_MISMATCH if count or digest differ. */
int receiving_end(struct session *session, struct receiving *receiving, const struct end_frame *end);
/* Sends a WINDOW: handled up to `acknowledged`, credit up to `limit`. Neither decreases. */
int receiving_grant(struct session *session, struct receiving *receiving, uint64_t acknowledged, uint64_t limit);

#endif

/* The bytes of a stream that were sent and are not acknowledged: a ring, so that they can be sent again. */
#ifndef KW_REPLAY_H
#define KW_REPLAY_H

#include <stddef.h>
#include <stdint.h>

struct replay {
    uint8_t *bytes;
    size_t capacity;
};

/* 0 or -1 (no memory). */
int replay_open(struct replay *replay, size_t capacity);
/* Where the byte of this offset is, or has to be written; `most` becomes what lies behind it without a break, at most
 * what it was. */
uint8_t *replay_at(const struct replay *replay, uint64_t offset, size_t *most);
void replay_close(struct replay *replay);

#endif

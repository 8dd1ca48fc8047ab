/* A ring of sent bytes that are not acknowledged, so that they can be sent again. */
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
/*
 * Returns the place of the byte at this offset. Reduces `most` to the number of contiguous bytes
 * there.
 */
uint8_t *replay_at(const struct replay *replay, uint64_t offset, size_t *most);
void replay_close(struct replay *replay);

#endif

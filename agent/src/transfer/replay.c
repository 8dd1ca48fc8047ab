#include "transfer/replay.h"

#include <string.h>
#include <sys/mman.h>

int replay_open(struct replay *replay, size_t capacity) {
    void *bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return -1;
    }
    *replay = (struct replay){bytes, capacity};
    return 0;
}

uint8_t *replay_at(const struct replay *replay, uint64_t offset, size_t *most) {
    size_t at = (size_t)(offset % replay->capacity);
    if (*most > replay->capacity - at) {
        *most = replay->capacity - at;
    }
    return replay->bytes + at;
}

void replay_close(struct replay *replay) {
    if (replay->bytes != NULL) {
        munmap(replay->bytes, replay->capacity);
    }
    memset(replay, 0, sizeof *replay);
}

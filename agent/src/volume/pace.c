#include "volume/pace.h"

#include "base/io.h"

void pace_begin(struct pace *pace, progress_fn progress, void *context) {
    *pace = (struct pace){.progress = progress, .context = context, .told_ms = steady_ms()};
}

int pace_step(struct pace *pace, uint64_t entries, uint64_t bytes, struct failure *failure) {
    pace->entries += entries;
    pace->bytes += bytes;
    if (pace->progress == NULL) {
        return 0;
    }
    int64_t now = steady_ms();
    if (pace->entries - pace->told < 1000 && now - pace->told_ms < 100) {
        return 0;
    }
    pace->told = pace->entries;
    pace->told_ms = now;
    return pace->progress(pace->context, pace->entries, pace->bytes) == 0
               ? 0
               : fail(failure, "CANCELLED", "the operation was cancelled");
}

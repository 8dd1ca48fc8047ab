#include "volume/pace.h"

#include "base/io.h"

void pace_begin(struct pace *pace, progress_fn progress, void *context) {
    *pace = (struct pace){.progress = progress, .context = context, .reported_ms = steady_ms()};
}

int pace_step(struct pace *pace, uint64_t entries, uint64_t bytes, struct failure *failure) {
    pace->entries += entries;
    pace->bytes += bytes;
    if (pace->progress == NULL) {
        return 0;
    }
    int64_t now = steady_ms();
    if (pace->entries - pace->reported < 1000 && now - pace->reported_ms < 100) {
        return 0;
    }
    pace->reported = pace->entries;
    pace->reported_ms = now;
    return pace->progress(pace->context, pace->entries, pace->bytes) == 0
               ? 0
               : fail(failure, "CANCELLED", "the operation was cancelled");
}

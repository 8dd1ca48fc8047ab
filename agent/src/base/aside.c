#include "base/aside.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/io.h"

static void *run(void *argument) {
    struct aside *aside = argument;
    aside->result = aside->work(aside->context, &aside->failure);
    close_fd(&aside->end);
    return NULL;
}

void aside_begin(struct aside *aside, aside_fn *work, void *context) {
    int ends[2];
    *aside = (struct aside){.work = work, .context = context, .ended = -1, .end = -1};
    if (pipe2(ends, O_CLOEXEC) == 0) {
        aside->ended = ends[0];
        aside->end = ends[1];
        if (pthread_create(&aside->thread, NULL, run, aside) == 0) {
            return;
        }
        close_fd(&aside->ended);
    }
    run(aside);
}

bool aside_wait(const struct aside *aside, int64_t wait_ms) {
    struct pollfd polled = {.fd = aside->ended};
    return aside->ended < 0 || poll(&polled, 1, (int)wait_ms) > 0;
}

int aside_end(struct aside *aside, struct failure *failure) {
    if (aside->ended >= 0) {
        pthread_join(aside->thread, NULL);
        close_fd(&aside->ended);
    }
    *failure = aside->failure;
    return aside->result;
}

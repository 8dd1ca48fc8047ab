#include <signal.h>

#include "base/io.h"
#include "process/supervisor.h"
#include "serve/children.h"

enum { KILL_MS = 2000, SWEPT_AT_ONCE = 1024 };

static void step_to(struct supervisor *supervisor, enum stop_step step, int64_t limit_ms) {
    supervisor->stop = step;
    supervisor->stop_ms = steady_ms() + limit_ms;
}

void supervisor_stop(struct supervisor *supervisor, int64_t grace_ms) {
    int64_t due = steady_ms() + grace_ms;
    if (supervisor->stop == STOP_TERM) {
        if (due < supervisor->stop_ms) {
            supervisor->stop_ms = due;
        }
        return;
    }
    if (supervisor->stop == STOP_KILL || supervisor->stop == STOP_SWEEP) {
        return;
    }
    supervisor_signal(supervisor, SIGTERM);
    supervisor_signal(supervisor, SIGCONT);
    step_to(supervisor, STOP_TERM, grace_ms);
}

/* Kills the descendants of the command, in any session. Returns true if none are left. */
static bool sweep(struct supervisor *supervisor) {
    pid_t pids[SWEPT_AT_ONCE];
    size_t count = children_list(pids, SWEPT_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (pids[i] != supervisor->leader) {
            kill(pids[i], SIGKILL);
        }
    }
    return supervisor_childless(supervisor);
}

int64_t supervisor_stop_step(struct supervisor *supervisor) {
    int64_t left = supervisor->stop_ms - steady_ms();
    bool grouped =
        (supervisor->stop == STOP_TERM || supervisor->stop == STOP_KILL) && !supervisor_group_ended(supervisor);
    if (supervisor->stop == STOP_TERM && grouped && left <= 0) {
        supervisor_signal(supervisor, SIGKILL);
        step_to(supervisor, STOP_KILL, KILL_MS);
        left = KILL_MS;
    } else if ((supervisor->stop == STOP_TERM && !grouped) ||
               (supervisor->stop == STOP_KILL && (!grouped || left <= 0))) {
        step_to(supervisor, STOP_SWEEP, KILL_MS);
        left = KILL_MS;
    }
    if (supervisor->stop == STOP_SWEEP && (sweep(supervisor) || left <= 0)) {
        step_to(supervisor, STOP_DONE, 0);
        supervisor_allow_rest(supervisor);
    }
    if (supervisor->stop == STOP_NONE || supervisor->stop == STOP_DONE) {
        return -1;
    }
    /* Members of the group may be grandchildren, whose end is not signalled. */
    bool looking = supervisor->stop != STOP_TERM || supervisor->leader_ended;
    return looking && left > GROUP_CHECK_MS ? GROUP_CHECK_MS : left;
}

bool supervisor_stop_done(const struct supervisor *supervisor) {
    return supervisor->stop == STOP_NONE || supervisor->stop == STOP_DONE;
}

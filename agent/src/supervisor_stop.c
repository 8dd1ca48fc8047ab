#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "children.h"
#include "io.h"
#include "supervisor.h"

enum { LOOK_MS = 20, KILL_MS = 2000, SWEPT_AT_ONCE = 1024 };

static bool group_gone(const struct supervisor *supervisor) {
    return supervisor->leader_ended && kill(-supervisor->leader, 0) != 0 && errno == ESRCH;
}

static void step_to(struct supervisor *supervisor, enum stop_step step, int64_t limit_ms) {
    supervisor->stop = step;
    supervisor->stop_ms = steady_ms() + limit_ms;
}

void supervisor_stop(struct supervisor *supervisor, int64_t grace_ms) {
    int64_t due = steady_ms() + grace_ms;
    if (supervisor->stop == STOP_TERM) {
        if (due < supervisor->stop_ms)
            supervisor->stop_ms = due;
        return;
    }
    if (supervisor->stop == STOP_KILL || supervisor->stop == STOP_SWEEP)
        return;
    kill(-supervisor->leader, SIGTERM);
    kill(-supervisor->leader, SIGCONT);
    step_to(supervisor, STOP_TERM, grace_ms);
}

/* KILL to what the command left behind, in whatever session it is. True when nothing is left. */
static bool sweep(const struct supervisor *supervisor) {
    pid_t pids[SWEPT_AT_ONCE];
    size_t count = children_list(pids, SWEPT_AT_ONCE);
    for (size_t i = 0; i < count; i++)
        if (pids[i] != supervisor->leader || supervisor->leader_ended)
            kill(pids[i], SIGKILL);
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0;
}

int64_t supervisor_stop_turn(struct supervisor *supervisor) {
    int64_t left = supervisor->stop_ms - steady_ms();
    if (supervisor->stop == STOP_TERM && !group_gone(supervisor) && left <= 0) {
        kill(-supervisor->leader, SIGKILL);
        step_to(supervisor, STOP_KILL, KILL_MS);
        left = KILL_MS;
    }
    if ((supervisor->stop == STOP_TERM && group_gone(supervisor)) ||
        (supervisor->stop == STOP_KILL && (group_gone(supervisor) || left <= 0))) {
        step_to(supervisor, STOP_SWEEP, KILL_MS);
        left = KILL_MS;
    }
    if (supervisor->stop == STOP_SWEEP && (sweep(supervisor) || left <= 0))
        supervisor->stop = STOP_DONE;
    if (supervisor->stop == STOP_NONE || supervisor->stop == STOP_DONE)
        return -1;
    /* Members of the group may be grandchildren, whose end nobody tells. */
    bool looking = supervisor->stop != STOP_TERM || supervisor->leader_ended;
    return looking && left > LOOK_MS ? LOOK_MS : left;
}

bool supervisor_stop_done(const struct supervisor *supervisor) {
    return supervisor->stop == STOP_NONE || supervisor->stop == STOP_DONE;
}

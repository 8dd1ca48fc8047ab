#include <signal.h>
#include <sys/wait.h>

#include "base/io.h"
#include "process/supervisor.h"
#include "serve/children.h"

enum { REAPED_AT_ONCE = 1024 };

void supervisor_signal(const struct supervisor *supervisor, int signal) {
    kill(-supervisor->leader, signal);
}

static void reap_others(const struct supervisor *supervisor) {
    pid_t pids[REAPED_AT_ONCE];
    size_t count = children_list(pids, REAPED_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (pids[i] != supervisor->leader) {
            waitpid(pids[i], NULL, WNOHANG);
        }
    }
}

void supervisor_reap(struct supervisor *supervisor) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return;
        }
        if (info.si_pid != supervisor->leader) {
            waitpid(info.si_pid, NULL, WNOHANG);
            continue;
        }
        /* waitid returns the leader, which is the oldest child, each time. */
        if (!supervisor->leader_ended) {
            supervisor_leader_ended(supervisor, &info);
        }
        reap_others(supervisor);
        return;
    }
}

bool supervisor_group_ended(struct supervisor *supervisor) {
    int64_t now = steady_ms();
    if (!supervisor->leader_ended || now < supervisor->check_ms) {
        return false;
    }
    supervisor->check_ms = now + GROUP_CHECK_MS;
    return supervisor_childless(supervisor) || !group_alive(supervisor->leader);
}

static bool only_leader(const struct supervisor *supervisor) {
    pid_t pids[2];
    return children_list(pids, 2) == 1 && pids[0] == supervisor->leader;
}

bool supervisor_childless(struct supervisor *supervisor) {
    supervisor_reap(supervisor);
    /* Checked twice: the kernel's list may miss a child while another one ends. */
    return supervisor->leader_ended && only_leader(supervisor) && only_leader(supervisor);
}

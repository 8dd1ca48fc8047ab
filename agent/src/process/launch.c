#include "process/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "process/directory.h"
#include "process/execute.h"

static void reset_signals(void) {
    for (int signal_number = 1; signal_number < 65; signal_number++) {
        signal(signal_number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Makes the kernel kill a command before the agent when memory runs out. */
static void raise_oom_score(void) {
    char text[32];
    if (geteuid() != 0) {
        /* else files of /proc/self belong to root; execve would set it anyway */
        prctl(PR_SET_DUMPABLE, 1);
    }
    if (read_file(AT_FDCWD, "/proc/self/oom_score_adj", text, sizeof text) <= 0) {
        return;
    }
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC), score = atoi(text) + 10;
    if (fd < 0) {
        return;
    }
    int length = snprintf(text, sizeof text, "%d", score > 1000 ? 1000 : score);
    write_all(fd, text, (size_t)length);
    close(fd);
}

/* Gives the streams to the user, who could not open /dev/stdout otherwise. */
static int take_streams(const struct launch *launch, struct failure *failure) {
    const struct spec *spec = launch->spec;
    if (spec->tty && ioctl(launch->in, TIOCSCTTY, 0) != 0) {
        return fail_errno(failure, errno, "set the controlling terminal", NULL);
    }
    if (spec->user.given && geteuid() == 0) {
        int streams[3] = {launch->out, launch->err, spec->stdin_open ? launch->in : -1};
        for (int i = 0; i < 3; i++) {
            if (streams[i] >= 0 && fchown(streams[i], spec->user.uid, spec->tty ? (gid_t)-1 : spec->user.gid) != 0 &&
                errno != EPERM) {
                return fail_errno(failure, errno, "change the owner of the streams", NULL);
            }
        }
    }
    /* Copies above 2 first, since a stream may already have the number of another. */
    int in = fcntl(launch->in, F_DUPFD_CLOEXEC, 10), out = fcntl(launch->out, F_DUPFD_CLOEXEC, 10),
        err = fcntl(launch->err, F_DUPFD_CLOEXEC, 10);
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
        return fail_errno(failure, errno, "set up the streams", NULL);
    }
    return 0;
}

static int bad_directory(struct failure *failure, int error, const char *dir) {
    return fail_path(failure, "BAD_DIRECTORY", error, "the directory cannot be used", dir);
}

/* With the user's rights only. */
static int enter_directory(const struct spec *spec, struct failure *failure) {
    int fd = directory_open(spec->dir, &spec->user);
    if (fd < 0 || fchdir(fd) != 0) {
        return bad_directory(failure, errno, spec->dir);
    }
    close(fd);
    return 0;
}

static int become_user(const struct user *user, struct failure *failure) {
    if (!user->given) {
        return 0;
    }
    gid_t groups[USER_GROUPS_MAX + 1];
    groups[0] = user->gid;
    memcpy(groups + 1, user->groups, (size_t)user->group_count * sizeof *groups);
    bool same = user->uid == geteuid() && user->gid == getegid();
    /*
     * Without the right to set groups (capabilities dropped), an unchanged user keeps its groups.
     */
    if (setgroups((size_t)user->group_count + 1, groups) != 0 && !(same && errno == EPERM)) {
        return fail_errno(failure, errno, "set the user's groups", NULL);
    }
    if (same) {
        return 0;
    }
    if (setresgid(user->gid, user->gid, user->gid) != 0 || setresuid(user->uid, user->uid, user->uid) != 0) {
        return fail_errno(failure, errno, "switch to the user", NULL);
    }
    return 0;
}

static int prepare(const struct launch *launch, struct failure *failure) {
    const struct spec *spec = launch->spec;
    setsid();
    raise_oom_score();
    setrlimit(RLIMIT_CORE, &launch->state->core);
    umask(022);
    if (take_streams(launch, failure) != 0) {
        return -1;
    }
    if (spec->dir != NULL && directory_make(spec->dir, &spec->user) != 0) {
        return bad_directory(failure, errno, spec->dir);
    }
    if (become_user(&spec->user, failure) != 0) {
        return -1;
    }
    if (spec->dir != NULL) {
        return enter_directory(spec, failure);
    }
    if (fchdir(launch->state->start_folder) != 0) {
        return bad_directory(failure, errno, ".");
    }
    return 0;
}

_Noreturn void launch(const struct launch *launch) {
    struct failure failure = {0};
    reset_signals();
    close_on_exec_from(3);
    if (prepare(launch, &failure) == 0) {
        execute(launch->spec->args, launch->spec->env, &failure);
    }
    signal(SIGPIPE, SIG_IGN);
    write_all(launch->report, &failure, sizeof failure);
    _exit(127);
}

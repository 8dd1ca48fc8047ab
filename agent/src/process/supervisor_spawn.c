#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/socket.h"
#include "process/launch.h"
#include "process/oom.h"
#include "process/pty.h"
#include "process/supervisor.h"
#include "serve/serve_client.h"

/* The ends that the command gets. */
struct ends {
    int in, out, err;
};

static int fail_setup(struct failure *failure, const char *doing) {
    return fail_errno(failure, errno, doing, NULL);
}

static int open_terminal(struct supervisor *supervisor, struct ends *ends, struct failure *failure) {
    int terminal;
    if (pty_open(&supervisor->source[0], &terminal, supervisor->spec->columns, supervisor->spec->rows) != 0) {
        return fail_setup(failure, "open a terminal");
    }
    ends->in = ends->out = ends->err = terminal;
    if (supervisor->spec->stdin_open) {
        supervisor->input = fcntl(supervisor->source[0], F_DUPFD_CLOEXEC, 3);
    }
    return set_nonblocking(supervisor->source[0]);
}

static int open_streams(struct supervisor *supervisor, struct ends *ends, struct failure *failure) {
    int out[2], err[2], in[2];
    if (supervisor->tty) {
        return open_terminal(supervisor, ends, failure);
    }
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
        return fail_setup(failure, "create a pipe");
    }
    supervisor->source[0] = out[0];
    supervisor->source[1] = err[0];
    ends->out = out[1];
    ends->err = err[1];
    if (supervisor->spec->stdin_open) {
        if (pipe2(in, O_CLOEXEC) != 0) {
            return fail_setup(failure, "create a pipe");
        }
        supervisor->input = in[1];
        ends->in = in[0];
        set_nonblocking(in[1]);
    } else if ((ends->in = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
        return fail_errno(failure, errno, "open", "/dev/null");
    }
    set_nonblocking(out[0]);
    set_nonblocking(err[0]);
    return 0;
}

static int open_folder_of(struct supervisor *supervisor, struct failure *failure) {
    /* Removes the rest of a failed or interrupted attempt. */
    if (record_remove(supervisor->state, supervisor->spec->id) != 0) {
        return fail_setup(failure, "clear the process's folder");
    }
    supervisor->folder = record_folder(supervisor->state, supervisor->spec->id, true);
    if (supervisor->folder < 0) {
        return fail_setup(failure, "create the process's folder");
    }
    supervisor->listener = socket_listen(supervisor->folder, "socket", SOCK_SEQPACKET);
    if (supervisor->listener < 0) {
        return fail_setup(failure, "listen in the process's folder");
    }
    return set_nonblocking(supervisor->listener);
}

/* Waits until the child has executed the command or reported its failure. */
static int await_exec(int report, struct failure *failure) {
    struct failure reported;
    size_t length = read_all(report, &reported, sizeof reported);
    if (length == 0) {
        return 0;
    }
    if (length == sizeof reported) {
        *failure = reported; /* forked and not executed, so `code` points to the same literal */
    } else {
        fail(failure, "IO_ERROR", "the child ended before it executed the command");
    }
    return -1;
}

static int start_leader(struct supervisor *supervisor, const struct ends *ends, struct failure *failure) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return fail_setup(failure, "create a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        struct launch child = {supervisor->state, supervisor->spec, ends->in, ends->out, ends->err, report[1]};
        launch(&child);
    }
    int error = errno;
    close(report[1]);
    if (pid < 0) {
        close(report[0]);
        return fail_errno(failure, error, "fork", NULL);
    }
    int result = await_exec(report[0], failure);
    close(report[0]);
    if (result != 0) {
        waitpid(pid, NULL, 0);
    }
    supervisor->leader = pid;
    return result;
}

static void store_pid(struct supervisor *supervisor) {
    char text[16];
    int fd = openat(supervisor->folder, "pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return;
    }
    write_all(fd, text, (size_t)snprintf(text, sizeof text, "%d", (int)supervisor->leader));
    close(fd);
}

int supervisor_start(struct supervisor *supervisor, int control, struct failure *failure) {
    struct ends ends = {-1, -1, -1};
    if (serve_announce_supervisor(control, getpid(), 0) != 0) {
        /* An unregistered supervisor might outlive `serve`. */
        return fail(failure, "IO_ERROR", "the agent does not answer");
    }
    if (open_folder_of(supervisor, failure) != 0 || open_streams(supervisor, &ends, failure) != 0) {
        return -1;
    }
    supervisor->input_bytes = supervisor->input < 0 ? NULL : malloc(STDIN_WINDOW);
    if (supervisor->input >= 0 && supervisor->input_bytes == NULL) {
        return fail_setup(failure, "allocate memory");
    }
    output_begin(&supervisor->output[0], supervisor->folder, 1);
    output_begin(&supervisor->output[1], supervisor->folder, 2);
    if (record_reserve(supervisor->folder) != 0 || output_prepare(supervisor->folder) != 0) {
        return fail_setup(failure, "reserve space for the result");
    }
    supervisor->start.started_at = wall_ms();
    supervisor->start.oom_kills = oom_kills();
    memcpy(supervisor->start.spec_digest, supervisor->spec->digest, strlen(supervisor->spec->digest) + 1);
    if (record_write_start(supervisor->state, supervisor->folder, &supervisor->start) != 0) {
        return fail_setup(failure, "store the start");
    }
    if (start_leader(supervisor, &ends, failure) != 0) {
        return -1;
    }
    close(ends.in);
    if (ends.out != ends.in) {
        close(ends.out);
    }
    if (ends.err != ends.out) {
        close(ends.err);
    }
    store_pid(supervisor);
    serve_announce_supervisor(control, getpid(), supervisor->leader);
    return 0;
}

static _Noreturn void supervise(struct session *session, const struct spec *spec, int report) {
    static struct supervisor supervisor; /* too large for a stack */
    struct failure failure = {0};
    close(session->fd);
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "agent process");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGTERM, SIG_IGN); /* `kill -1` of a command does not end its supervisor */
    supervisor.state = session->state;
    supervisor.spec = spec;
    supervisor.tty = spec->tty;
    supervisor.allowance = spec->unacked_limit;
    supervisor.source[0] = supervisor.source[1] = supervisor.input = supervisor.listener = supervisor.folder = -1;
    supervisor.owner = supervisor.owner_fd = -1;
    supervisor.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int result = supervisor_start(&supervisor, session->control, &failure);
    if (result != 0) {
        /* no command was started: the id is free again */
        record_remove(supervisor.state, spec->id);
    }
    close(session->control);
    write_all(report, &failure, sizeof failure);
    close(report);
    if (result == 0) {
        supervisor_loop(&supervisor);
    }
    _exit(0);
}

int supervisor_spawn(struct session *session, const struct spec *spec, struct failure *failure) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        return fail_setup(failure, "create a pipe");
    }
    /*
     * Forks twice, so that the supervisor is a child of `serve` and independent of this connection.
     */
    pid_t between = fork();
    if (between == 0) {
        close(report[0]);
        pid_t pid = fork();
        if (pid == 0) {
            supervise(session, spec, report[1]);
        }
        _exit(pid < 0);
    }
    int error = errno;
    close(report[1]);
    if (between < 0) {
        close(report[0]);
        return fail_errno(failure, error, "fork", NULL);
    }
    waitpid(between, NULL, 0);
    struct failure reported;
    size_t length = read_all(report[0], &reported, sizeof reported);
    close(report[0]);
    if (length < sizeof reported) {
        return fail(failure, "IO_ERROR", "the supervisor ended before it started the command");
    }
    if (reported.code == NULL) {
        return 0;
    }
    *failure = reported;
    return -1;
}

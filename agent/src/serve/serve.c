#include "serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/socket.h"
#include "serve/children.h"
#include "serve/recover.h"
#include "serve/serve_table.h"
#include "serve/session.h"

enum { STOP_MS = 8000 };

struct server {
    struct state state;
    struct table table;
    int listener;
    int signals;
    int lifeline_end, shutdown_end; /* the other ends; only this process holds them */
    int stopping; /* the signal that requested the end, 0: none */
    int64_t stop_at;
};

static int prepare(struct server *server, const char *path, struct failure *failure) {
    getrlimit(RLIMIT_CORE, &server->state.core);
    struct rlimit none = {0, server->state.core.rlim_max};
    setrlimit(RLIMIT_CORE, &none);
#ifndef KW_SANITIZE
    prctl(PR_SET_DUMPABLE, 0);
#endif
    if (getpid() != 1) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
    umask(022);
    if (state_open(&server->state, path, failure) != 0) {
        return -1;
    }
    int lifeline[2], shutdown_pipe[2];
    if (pipe2(lifeline, O_CLOEXEC) != 0 || pipe2(shutdown_pipe, O_CLOEXEC) != 0) {
        return fail_errno(failure, errno, "create a pipe", NULL);
    }
    server->table.generation = server->state.generation;
    server->state.lifeline = lifeline[0];
    server->lifeline_end = lifeline[1];
    server->state.shutdown = shutdown_pipe[0];
    server->shutdown_end = shutdown_pipe[1];
    recover(&server->state);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    server->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    server->listener = socket_listen(server->state.agent, "socket", SOCK_STREAM);
    if (server->signals < 0 || server->listener < 0 || set_nonblocking(server->listener) != 0) {
        return fail_errno(failure, errno, "listen", "agent/socket");
    }
    return 0;
}

/* Runs in the child: keeps the descriptors of a session and closes the others. */
static _Noreturn void become_session(struct server *server, int fd, int control) {
    close(server->listener);
    close(server->signals);
    close(server->lifeline_end);
    close_fd(&server->shutdown_end);
    for (int i = 0; i < server->table.session_count; i++) {
        close(server->table.sessions[i].control);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_NAME, "agent session");
    struct session session = {.state = &server->state, .fd = fd, .control = control, .adopted = {.fd = -1}};
    session_run(&session);
    _exit(0);
}

static void accept_one(struct server *server) {
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    int pair[2];
    if (server->stopping != 0 || server->table.session_count == SESSIONS_MAX || !socket_peer_allowed(fd) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        close(fd);
        return;
    }
    set_nonblocking(pair[0]); /* a session must not block `serve` */
    int size = 1024 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become_session(server, fd, pair[1]);
    }
    close(fd);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
    } else {
        table_add_session(&server->table, pid, pair[0]);
    }
}

static void reap(struct server *server) {
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return;
        }
        table_ended(&server->table, info.si_pid, info.si_code != CLD_EXITED || info.si_status != 0);
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void handle_signals(struct server *server) {
    struct signalfd_siginfo info;
    while (read(server->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD || server->stopping != 0) {
            continue;
        }
        server->stopping = (int)info.ssi_signo;
        server->stop_at = steady_ms() + STOP_MS;
        /*
         * The byte stays in the pipe, where every supervisor sees it. Each stops its command and
         * marks its result.
         */
        write_all(server->shutdown_end, "", 1);
    }
    reap(server);
}

static void run_once(struct server *server) {
    struct pollfd polled[2 + SESSIONS_MAX];
    int count = server->table.session_count;
    polled[0] = (struct pollfd){.fd = server->signals, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    for (int i = 0; i < count; i++) {
        polled[2 + i] = (struct pollfd){.fd = server->table.sessions[i].control, .events = POLLIN};
    }
    int64_t left = server->stopping != 0 ? server->stop_at - steady_ms() : -1;
    if (poll(polled, (nfds_t)(2 + count), server->stopping != 0 && left < 0 ? 0 : (int)left) <= 0) {
        return;
    }
    for (int i = count - 1; i >= 0; i--) {
        if (polled[2 + i].revents != 0 && !table_receive(&server->table, i)) {
            /*
             * The session has closed its end and is about to exit; its entry is removed when it is
             * reaped.
             */
            shutdown(server->table.sessions[i].control, SHUT_RDWR);
            kill(server->table.sessions[i].pid, SIGKILL);
        }
    }
    if (polled[0].revents != 0) {
        handle_signals(server);
    }
    if (polled[1].revents != 0) {
        accept_one(server);
    }
}

/*
 * Ends all remaining processes, and removes the socket, so that `connect` waits for the next
 * incarnation.
 */
static void finish(struct server *server) {
    if (server->table.session_count > 0) {
        sleep_ms(100); /* time for sessions to forward the last results */
    }
    table_kill_supervisors(&server->table);
    for (int i = 0; i < server->table.session_count; i++) {
        kill(server->table.sessions[i].pid, SIGKILL);
    }
    unlinkat(server->state.agent, "socket", 0);
    kill_children(1000);
}

int serve(const char *path) {
    static struct server server; /* too large for a stack */
    struct failure failure = {0};
    if (prepare(&server, path, &failure) != 0) {
        fprintf(stderr, "agent: %s (%s)\n", failure.message, failure.path);
        return 1;
    }
    while (server.stopping == 0 || (server.table.supervisor_count > 0 && steady_ms() < server.stop_at)) {
        run_once(&server);
    }
    finish(&server);
    return 128 + server.stopping; /* never 0: a requested stop is not a success of the container */
}

#include "process/process_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/socket.h"
#include "process/oom.h"
#include "serve/operation.h"

enum { ANSWER_MS = 30000, LEAVING_MS = 2000 };

bool process_link_send(struct process_link *link, const struct note *note, const void *bytes, size_t length) {
    struct iovec pieces[2] = {{without_const(note), sizeof *note}, {without_const(bytes), length}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = length > 0 ? 2 : 1};
    ssize_t sent;
    if (link->fd < 0) {
        return false;
    }
    do {
        sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/*
 * The supervisor has ended or is about to: reads from the record whether the process has ended or
 * is lost.
 */
static int read_outcome(struct session *session, struct process_link *link) {
    int64_t end = steady_ms() + LEAVING_MS;
    int found;
    close_fd(&link->fd);
    /*
     * A killed supervisor closes its sockets one by one; its record is final once the last is
     * closed.
     */
    while ((found = record_read_result(link->folder, &link->result)) == 0 && record_supervised(link->folder) &&
           steady_ms() < end) {
        sleep_ms(2);
    }
    if (found < 0) {
        return fail_errno(&session->failure, errno, "read the process's result", NULL);
    }
    link->ended = found == 1;
    link->lost = found == 0;
    return 0;
}

int process_link_receive(struct session *session, struct process_link *link) {
    while (link->fd >= 0) {
        struct note note;
        ssize_t got = recv(link->fd, &note, sizeof note, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return 0;
        }
        if (got == (ssize_t)sizeof note) {
            link->state = note;
        }
        if (got != (ssize_t)sizeof note || (note.flags & NOTE_ENDED) != 0) {
            return read_outcome(session, link);
        }
    }
    return 0;
}

/* Attaches to the supervisor and waits for its first state. */
static int handshake(struct session *session, struct process_link *link, int64_t attempt, bool feeds) {
    struct note note = {.kind = NOTE_ATTACH, .number = {attempt, feeds ? 1 : 0}};
    if (!process_link_send(link, &note, NULL, 0)) {
        return read_outcome(session, link);
    }
    struct pollfd polled = {.fd = link->fd, .events = POLLIN};
    int64_t end = steady_ms() + ANSWER_MS;
    while (link->state.kind == 0 && !link->ended && !link->lost) {
        int64_t left = end - steady_ms();
        if (left <= 0 || (poll(&polled, 1, (int)left) < 0 && errno != EINTR)) {
            return fail(&session->failure, "IO_ERROR", "the supervisor of the process does not answer");
        }
        if (process_link_receive(session, link) != 0) {
            return -1;
        }
    }
    return 0;
}

static int find_process(struct session *session, struct process_link *link) {
    int found;
    link->folder = record_folder(session->state, link->id, false);
    if (link->folder < 0 && errno != ENOENT) {
        return fail_errno(&session->failure, errno, "open the process's folder", NULL);
    }
    found = link->folder < 0 ? 0 : record_read_start(session->state, link->folder, &link->start);
    if (found < 0) {
        return fail_errno(&session->failure, errno, "read the process's record", NULL);
    }
    if (found == 0) {
        return fail(&session->failure, "PROCESS_NOT_FOUND", "the process '%s' was never started", link->id);
    }
    found = record_read_result(link->folder, &link->result);
    if (found < 0) {
        return fail_errno(&session->failure, errno, "read the process's result", NULL);
    }
    link->ended = found == 1;
    return 0;
}

int process_link_open(
    struct session *session, const struct json *open, int64_t attempt, bool feeds, struct process_link *link) {
    memset(link, 0, sizeof *link);
    link->folder = link->fd = -1;
    link->id = open_id(open, "process", &session->failure);
    if (link->id == NULL || find_process(session, link) != 0) {
        return -1;
    }
    if (link->ended) {
        return 0;
    }
    link->fd = socket_connect(link->folder, "socket", SOCK_SEQPACKET);
    int result = link->fd < 0 ? read_outcome(session, link) : handshake(session, link, attempt, feeds);
    if (result != 0 || !link->lost) {
        return result;
    }
    /* A failed start removes its record. */
    struct process_start start;
    if (record_read_start(session->state, link->folder, &start) == 0) {
        return fail(&session->failure, "PROCESS_NOT_FOUND", "the process '%s' was never started", link->id);
    }
    return 0;
}

void process_link_reconnect(struct process_link *link) {
    if (link->fd < 0) {
        link->fd = socket_connect(link->folder, "socket", SOCK_SEQPACKET);
    }
}

void process_link_close(struct process_link *link) {
    close_fd(&link->fd);
    close_fd(&link->folder);
}

int process_link_fail_lost(struct session *session, const struct process_link *link) {
    session->oom_kills = oom_kills();
    return fail(
        &session->failure, "PROCESS_LOST", "the container was restarted since the process '%s' was started", link->id);
}

int process_link_send_result(struct session *session, const struct process_link *link) {
    struct json_out out = {0};
    if (link->lost) {
        return process_link_fail_lost(session, link);
    }
    json_open(&out, NULL, '{');
    record_put_result(&out, &link->result);
    record_put_spec_digest(&out, &link->start);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

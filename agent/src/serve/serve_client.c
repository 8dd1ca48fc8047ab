#include "serve/serve_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"

union descriptor_space {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int serve_send(int control, const void *message, size_t length, int fd) {
    union descriptor_space space = {0};
    struct iovec piece = {.iov_base = without_const(message), .iov_len = length};
    struct msghdr sent = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd >= 0) {
        sent.msg_control = space.bytes;
        sent.msg_controllen = sizeof space.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&sent);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    ssize_t count;
    do {
        count = sendmsg(control, &sent, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count == (ssize_t)length ? 0 : -1;
}

int serve_receive(int control, void *message, size_t length, int *fd) {
    union descriptor_space space = {0};
    struct iovec piece = {.iov_base = message, .iov_len = length};
    struct msghdr got = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof space.bytes};
    *fd = -1;
    ssize_t count = recvmsg(control, &got, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    /*
     * The other end closed with unread messages. Its earlier messages are readable after this
     * error.
     */
    if (count < 0 && errno == ECONNRESET) {
        count = recvmsg(control, &got, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&got) : NULL;
    if (header != NULL && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof *fd)) {
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    }
    if (count == (ssize_t)length) {
        return 1;
    }
    close_fd(fd);
    return -1;
}

static int send_request(struct session *session, struct serve_request *message) {
    message->serial = ++session->request_serial;
    if (serve_send(session->control, message, sizeof *message, -1) == 0) {
        return 0;
    }
    session->lost = session->orphaned = true;
    return -1;
}

static void adopt(struct session *session, const struct serve_reply *reply, int fd) {
    close_fd(&session->adopted.fd);
    session->adopted.fd = fd;
    session->adopted.from = reply->from;
    session->adopted.length = reply->length <= HAND_OVER_INPUT_MAX ? reply->length : 0;
    memcpy(session->adopted.input, reply->input, session->adopted.length);
    session->lost = true; /* the older connection, whatever else it sends */
}

/*
 * Returns 1 for the reply to the last request; 0 if there is none, or after handling an unsolicited
 * one; -1 if `serve` has ended.
 */
static int receive_reply(struct session *session, struct serve_reply *reply) {
    int fd, got = serve_receive(session->control, reply, sizeof *reply, &fd);
    if (got < 0) {
        session->lost = session->orphaned = true;
    }
    if (got <= 0) {
        return got;
    }
    if (reply->kind == REPLY_ADOPT && fd >= 0) {
        adopt(session, reply, fd);
        return 0;
    }
    close_fd(&fd);
    if (reply->kind == REPLY_DROP) {
        session->dropped = true;
    } else if (reply->kind == REPLY_STALE) {
        /* A late reply belongs to the previous operation. */
        if (session->generation < reply->generation && session->generation > 0) {
            session->dropped = session->stale = true;
            session->fence = reply->generation;
        }
    } else if (reply->serial == session->request_serial) {
        return 1;
    }
    return 0;
}

void serve_poll(struct session *session) {
    struct serve_reply reply;
    receive_reply(session, &reply);
}

/*
 * Waits for a reply, which may take until another operation ends. Answers pings meanwhile, and
 * sends PROGRESS to show activity. `keep`: the operation continues without its connection.
 */
static int await_reply(struct session *session, struct serve_reply *reply, bool keep) {
    for (int64_t reported_ms = steady_ms();;) {
        int got = receive_reply(session, reply);
        if (got != 0) {
            return got > 0 ? 0 : -1;
        }
        if (session->dropped || (session->lost && !keep)) {
            session->lost = session->lost || !session->stale;
            return -1;
        }
        session_keep_alive(session, session->control, KEEP_ALIVE_MS, &reported_ms);
    }
}

static int request_reply(struct session *session, struct serve_request *message, struct serve_reply *reply, bool keep) {
    return send_request(session, message) == 0 ? await_reply(session, reply, keep) : -1;
}

static int refused(struct session *session, const char *id) {
    return fail(&session->failure, "INVALID_SPEC",
        "the operation '%s' is already running with this or a higher attempt number", id);
}

int serve_acquire(struct session *session, enum request_kind kind, const char *id, int64_t attempt) {
    struct serve_request message = {.kind = kind, .attempt = attempt};
    struct serve_reply reply;
    snprintf(message.id, sizeof message.id, "%s", id);
    if (request_reply(session, &message, &reply, false) != 0) {
        return -1;
    }
    return reply.kind == REPLY_GRANTED ? 0 : refused(session, id);
}

int serve_acquire_operation(
    struct session *session, const char *id, int64_t attempt, bool continues, enum gone_reason *gone) {
    struct serve_request message = {
        .kind = REQUEST_OPERATION, .attempt = attempt, .continues = continues, .continuable = true};
    struct serve_reply reply;
    snprintf(message.id, sizeof message.id, "%s", id);
    if (request_reply(session, &message, &reply, false) != 0) {
        return -1;
    }
    *gone = (enum gone_reason)reply.gone;
    return reply.kind == REPLY_REFUSED ? refused(session, id) : (int)reply.kind;
}

void serve_hand_over(struct session *session, const char *id, int64_t attempt, int64_t from) {
    struct serve_request message = {.kind = REQUEST_HAND_OVER, .attempt = attempt, .from = from};
    size_t rest = session->input_end - session->input_start;
    snprintf(message.id, sizeof message.id, "%s", id);
    session->handed_over = true;
    if (rest > sizeof message.input) {
        return; /* a host that waits for its reply sends less; this one gets a closed connection */
    }
    message.length = (uint32_t)rest;
    memcpy(message.input, session->input + session->input_start, rest);
    serve_send(session->control, &message, sizeof message, session->fd);
}

void serve_release(struct session *session, bool lease_over) {
    struct serve_request message = {.kind = REQUEST_RELEASE, .lease_over = lease_over};
    send_request(session, &message);
}

void serve_park(struct session *session, bool parked, bool holds_disk) {
    struct serve_request message = {.kind = REQUEST_PARK, .parked = parked, .holds_disk = holds_disk};
    send_request(session, &message);
}

bool serve_make_room(struct session *session) {
    struct serve_request message = {.kind = REQUEST_MAKE_ROOM};
    struct serve_reply reply;
    return request_reply(session, &message, &reply, true) == 0 && reply.kind == REPLY_GRANTED;
}

void serve_count(struct session *session, int64_t *operations, int64_t *parked) {
    struct serve_request message = {.kind = REQUEST_COUNT};
    struct serve_reply reply = {0};
    if (request_reply(session, &message, &reply, false) != 0) {
        memset(&reply, 0, sizeof reply);
    }
    *operations = reply.operations;
    *parked = reply.parked;
}

static int request_grant(struct session *session, enum request_kind kind) {
    struct serve_request message = {.kind = kind, .generation = session->generation};
    struct serve_reply reply;
    return request_reply(session, &message, &reply, false);
}

int serve_enter(struct session *session, int64_t generation) {
    session->generation = generation;
    return request_grant(session, REQUEST_ENTER);
}

int serve_fence(struct session *session) {
    return request_grant(session, REQUEST_FENCE);
}

void serve_leave(struct session *session) {
    struct serve_request message = {.kind = REQUEST_LEAVE};
    session->generation = 0;
    send_request(session, &message);
}

int serve_announce_supervisor(int control, pid_t pid, pid_t group) {
    struct serve_request message = {.kind = REQUEST_SUPERVISOR, .pid = pid, .group = group};
    return serve_send(control, &message, sizeof message, -1);
}

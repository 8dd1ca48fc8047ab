#include "claim.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int tell(int control, const struct claim_message *message) {
    ssize_t sent;
    do
        sent = send(control, message, sizeof *message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *message ? 0 : -1;
}

int claim_take(struct session *session, enum claim_kind kind, const char *id, int64_t attempt) {
    struct claim_message message = {.kind = kind, .attempt = attempt};
    snprintf(message.id, sizeof message.id, "%s", id);
    if (tell(session->control, &message) != 0) {
        session->lost = true;
        return -1;
    }
    /* The holder needs milliseconds for a start, and ends a transfer at once. */
    struct pollfd polled = {.fd = session->control, .events = POLLIN};
    uint8_t answer = 0;
    if (poll(&polled, 1, SILENCE_MS) <= 0 || recv(session->control, &answer, 1, MSG_DONTWAIT) != 1) {
        session->lost = true;
        return -1;
    }
    if (answer == CLAIM_GRANTED)
        return 0;
    if (answer == CLAIM_DROP) {
        session->dropped = true;
        return -1;
    }
    return fail(&session->failure, "INVALID_SPEC", "the operation '%s' runs already, with this attempt number or a higher one", id);
}

int64_t claim_count(struct session *session) {
    struct claim_message message = {.kind = CLAIM_COUNT};
    struct pollfd polled = {.fd = session->control, .events = POLLIN};
    int32_t count = 0;
    if (tell(session->control, &message) != 0 || poll(&polled, 1, SILENCE_MS) <= 0 ||
        recv(session->control, &count, sizeof count, MSG_DONTWAIT) != (ssize_t)sizeof count)
        return 0;
    return count;
}

void claim_release(struct session *session) {
    struct claim_message message = {.kind = CLAIM_RELEASE};
    tell(session->control, &message);
}

void claim_supervisor(int control, pid_t pid, pid_t group) {
    struct claim_message message = {.kind = CLAIM_SUPERVISOR, .pid = pid, .group = group};
    tell(control, &message);
}

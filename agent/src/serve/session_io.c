#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "serve/serve_client.h"
#include "serve/session.h"

int session_violation(struct session *session, const char *text) {
    session->violated = true;
    session->failure.code = NULL; /* replaces an earlier failure of the operation */
    return fail(&session->failure, "PROTOCOL_VIOLATION", "%s", text);
}

/* Reads the available input, as far as the buffer has room. */
static void receive_input(struct session *session) {
    if (session->input_start == session->input_end) {
        session->input_start = session->input_end = 0;
    }
    if (session->input_start > 0 && INPUT_CAPACITY - session->input_end < FRAME_MAX) {
        memmove(session->input, session->input + session->input_start, session->input_end - session->input_start);
        session->input_end -= session->input_start;
        session->input_start = 0;
    }
    if (session->input_end == INPUT_CAPACITY) {
        return;
    }
    ssize_t got =
        recv(session->fd, session->input + session->input_end, INPUT_CAPACITY - session->input_end, MSG_DONTWAIT);
    if (got > 0) {
        session->input_end += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        session->lost = true;
    }
}

void session_continue(struct session *session) {
    struct adopted_connection *adopted = &session->adopted;
    close_fd(&session->fd);
    session->fd = adopted->fd;
    adopted->fd = -1;
    session->input_start = 0;
    session->input_end = adopted->length;
    memcpy(session->input, adopted->input, adopted->length);
    free(session->text);
    session->text = NULL;
    session->text_length = 0;
    session->text_type = 0;
    session->lost = false;
    session->received_ms = steady_ms();
}

static int write_ping(struct session *session, enum frame_type type, const uint8_t payload[PING_PAYLOAD]) {
    uint8_t frame[FRAME_HEADER + PING_PAYLOAD];
    frame_header_put(frame, type, 0, PING_PAYLOAD);
    memcpy(frame + FRAME_HEADER, payload, PING_PAYLOAD);
    return session_write(session, frame, sizeof frame);
}

int session_ping(struct session *session) {
    uint8_t payload[PING_PAYLOAD];
    put_u64(payload, ++session->pinged);
    return write_ping(session, FRAME_PING, payload);
}

static void take_pong(struct session *session, const struct frame *frame) {
    uint64_t answered = get_u64(frame->payload);
    if (answered > session->ponged && answered <= session->pinged) {
        session->ponged = answered;
    }
}

/* Appends a piece of JSON; returns 1 once it is complete. */
static int take_text(struct session *session, const struct frame *frame, struct message *message) {
    if (session->text_length + frame->length > JSON_TEXT_MAX) {
        return session_violation(session, "a JSON text of more than 4 MiB");
    }
    char *text = realloc(session->text, session->text_length + frame->length + 1);
    if (text == NULL) {
        session->lost = true;
        return -1;
    }
    memcpy(text + session->text_length, frame->payload, frame->length);
    session->text = text;
    session->text_length += frame->length;
    text[session->text_length] = 0;
    session->text_type = frame->flags & FLAG_MORE ? frame->type : 0;
    if (session->text_type != 0) {
        return 0;
    }
    message->text = text;
    message->text_length = session->text_length;
    session->text_length = 0;
    return 1;
}

/* Returns 1 for a message to the operation, 0 if it was handled here, -1. */
static int take_frame(struct session *session, const struct frame *frame, struct message *message) {
    session->received_ms = steady_ms();
    if (frame->type == FRAME_PING) {
        return write_ping(session, FRAME_PONG, frame->payload);
    }
    if (frame->type == FRAME_PONG) {
        take_pong(session, frame);
        return 0;
    }
    if (session->text_type != 0 && session->text_type != frame->type) {
        return session_violation(session, "a frame in the middle of a JSON text");
    }
    message->type = frame->type;
    if (frame_is_json(frame->type)) {
        return take_text(session, frame, message);
    }
    const char *problem = NULL;
    if (frame->type == FRAME_DATA) {
        problem = data_parse(frame, &message->data);
    } else if (frame->type == FRAME_WINDOW) {
        problem = window_parse(frame, &message->window);
    } else if (frame->type == FRAME_END) {
        problem = end_parse(frame, &message->end);
    } else if (frame->type == FRAME_BYE) {
        session->lost = session->bye = true;
    }
    if (problem != NULL) {
        return session_violation(session, problem);
    }
    return session->lost ? -1 : 1;
}

int session_take(struct session *session, struct message *message) {
    if (session->text_length == 0 && session->text != NULL && session->text_type == 0) {
        free(session->text); /* the text of the previous message */
        session->text = NULL;
    }
    while (!session->violated && !session->dropped) {
        struct frame frame;
        const char *problem;
        int64_t length = frame_take(
            session->input + session->input_start, session->input_end - session->input_start, &frame, &problem);
        if (length < 0) {
            return session_violation(session, problem);
        }
        if (length == 0) {
            return session->lost ? -1 : 0;
        }
        session->input_start += (size_t)length;
        int taken = take_frame(session, &frame, message);
        if (taken != 0) {
            return taken;
        }
    }
    return -1;
}

int session_wait(struct session *session, struct pollfd *others, size_t count, int64_t timeout_ms) {
    struct pollfd polled[2 + 4];
    if (session->lost || session->violated || session->dropped || count > 4) {
        return -1;
    }
    int64_t silence = session->received_ms + SILENCE_MS - steady_ms();
    if (silence < 0) {
        silence = 0;
    }
    int64_t wait = timeout_ms >= 0 && timeout_ms < silence ? timeout_ms : silence;
    polled[0] = (struct pollfd){.fd = session->fd, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = session->control, .events = POLLIN};
    for (size_t i = 0; i < count; i++) {
        polled[2 + i] = others[i];
    }
    int ready = poll(polled, (nfds_t)(2 + count), (int)wait);
    if (ready < 0 && errno != EINTR) {
        session->lost = true;
    }
    for (size_t i = 0; i < count; i++) {
        others[i].revents = ready > 0 ? polled[2 + i].revents : 0;
    }
    if (ready > 0 && polled[1].revents != 0) {
        serve_poll(session);
    }
    if (ready > 0 && polled[0].revents != 0) {
        receive_input(session);
    } else if (steady_ms() - session->received_ms >= SILENCE_MS) {
        session->lost = true;
    }
    /* Input from before the end can still be taken. */
    return session->lost && session->input_start == session->input_end ? -1 : 0;
}

int session_next(struct session *session, struct message *message, int64_t timeout_ms) {
    int64_t end = timeout_ms < 0 ? -1 : steady_ms() + timeout_ms;
    for (;;) {
        int taken = session_take(session, message);
        if (taken != 0) {
            return taken > 0 ? 0 : -1;
        }
        int64_t left = end < 0 ? -1 : end - steady_ms();
        if (end >= 0 && left <= 0) {
            session->lost = true;
            return -1;
        }
        if (session_wait(session, NULL, 0, left) != 0) {
            return -1;
        }
    }
}

/*
 * Answers the PINGs among the frames in the input, and replaces them with a PONG of PING 0, which
 * was never sent.
 */
static void answer_pings(struct session *session) {
    for (size_t at = session->input_start; at < session->input_end && !session->lost;) {
        struct frame frame;
        const char *problem;
        int64_t length = frame_take(session->input + at, session->input_end - at, &frame, &problem);
        if (length <= 0) {
            return;
        }
        if (frame.type == FRAME_PING && write_ping(session, FRAME_PONG, frame.payload) == 0) {
            session->input[at] = FRAME_PONG;
            memset(session->input + at + FRAME_HEADER, 0, PING_PAYLOAD);
        }
        at += (size_t)length;
    }
}

int session_send_progress(struct session *session, uint64_t entries, uint64_t bytes) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_number(&out, "entries", (int64_t)entries);
    json_put_number(&out, "bytes", (int64_t)bytes);
    json_close(&out, '}');
    return session_send_json(session, FRAME_PROGRESS, &out);
}

static bool has_room(const struct session *session) {
    return session->input_end < INPUT_CAPACITY || session->input_start > 0;
}

void session_keep_alive(struct session *session, int other, int64_t wait_ms, int64_t *reported_ms) {
    answer_pings(session); /* of those that came together with OPEN */
    struct pollfd polled[2] = {{.fd = other, .events = POLLIN},
        {.fd = session->lost || !has_room(session) ? -1 : session->fd, .events = POLLIN}};
    int64_t left = *reported_ms + KEEP_ALIVE_MS - steady_ms();
    if (left > wait_ms) {
        left = wait_ms;
    }
    poll(polled, 2, left < 0 ? 0 : (int)left);
    if (polled[1].revents != 0) {
        size_t before = session->input_end;
        receive_input(session);
        if (session->input_end > before) {
            session->received_ms = steady_ms();
        }
        answer_pings(session);
    }
    if (steady_ms() - session->received_ms >= SILENCE_MS) {
        session->lost = true;
    }
    if (steady_ms() - *reported_ms < KEEP_ALIVE_MS) {
        return;
    }
    *reported_ms = steady_ms();
    if (!session->lost) {
        session_send_progress(session, 0, 0);
    }
}

int session_write_two(struct session *session, const void *head, size_t head_length, const void *bytes, size_t length) {
    size_t done = 0, all = head_length + length;
    while (done < all && !session->lost) {
        struct iovec pieces[2];
        size_t skip = done < head_length ? done : head_length;
        pieces[0] = (struct iovec){.iov_base = (char *)without_const(head) + skip, .iov_len = head_length - skip};
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 1};
        if (length > 0) {
            pieces[1] = (struct iovec){
                .iov_base = (char *)without_const(bytes) + (done - skip), .iov_len = length - (done - skip)};
            message.msg_iovlen = 2;
        }
        ssize_t sent = sendmsg(session->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            done += (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) {
            session->lost = true;
            break;
        }
        struct pollfd polled[2] = {{.fd = session->fd, .events = (short)(POLLOUT | (has_room(session) ? POLLIN : 0))},
            {.fd = session->control, .events = POLLIN}};
        int ready = poll(polled, 2, SILENCE_MS);
        if (ready > 0 && polled[1].revents != 0) {
            serve_poll(session);
        }
        if (ready == 0 || session->dropped) {
            session->lost = true;
        } else if (ready > 0 && (polled[0].revents & (POLLIN | POLLHUP)) != 0) {
            receive_input(session);
        }
    }
    return session->lost ? -1 : 0;
}

int session_write(struct session *session, const void *bytes, size_t length) {
    return session_write_two(session, bytes, length, NULL, 0);
}

int session_send_json(struct session *session, enum frame_type type, struct json_out *out) {
    session->answered = session->answered || type == FRAME_RESULT || type == FRAME_ERROR;
    int result = out->failed ? -1 : 0;
    for (size_t at = 0; result == 0 && (at < out->length || at == 0);) {
        size_t piece = out->length - at < FRAME_PAYLOAD_MAX ? out->length - at : FRAME_PAYLOAD_MAX;
        bool more = at + piece < out->length;
        uint8_t header[FRAME_HEADER];
        frame_header_put(header, type, more ? FLAG_MORE : 0, (uint32_t)piece);
        result = session_write_two(session, header, sizeof header, out->text + at, piece);
        at += piece;
        if (!more) {
            break;
        }
    }
    if (out->failed) {
        session->lost = true;
    }
    json_out_free(out);
    return result;
}

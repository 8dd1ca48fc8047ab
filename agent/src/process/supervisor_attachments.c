#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/socket.h"
#include "process/pty.h"
#include "process/supervisor.h"

void supervisor_accept(struct supervisor *supervisor) {
    int fd = accept4(supervisor->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    if (!socket_peer_allowed(fd) || supervisor->attachment_count == ATTACHMENTS_MAX) {
        close(fd);
        return;
    }
    supervisor->attachments[supervisor->attachment_count++] = (struct attachment){.fd = fd};
}

/* Selects the attachment with the highest attempt; the later one if they are equal. */
static void choose_owner(struct supervisor *supervisor) {
    supervisor->owner = -1;
    for (int i = 0; i < supervisor->attachment_count; i++) {
        if (supervisor->attachments[i].feeds &&
            (supervisor->owner < 0 ||
                supervisor->attachments[i].attempt >= supervisor->attachments[supervisor->owner].attempt)) {
            supervisor->owner = i;
        }
    }
    int fd = supervisor->owner < 0 ? -1 : supervisor->attachments[supervisor->owner].fd;
    if (fd == supervisor->owner_fd) {
        return;
    }
    supervisor->owner_fd = fd;
    supervisor->turn++;
    supervisor->changed = true;
}

static bool feeds_now(const struct supervisor *supervisor, int index, const struct note *note) {
    return index == supervisor->owner && note->number[1] == supervisor->turn;
}

void supervisor_drop(struct supervisor *supervisor, int index) {
    close(supervisor->attachments[index].fd);
    supervisor->attachment_count--;
    memmove(&supervisor->attachments[index], &supervisor->attachments[index + 1],
        (size_t)(supervisor->attachment_count - index) * sizeof *supervisor->attachments);
    choose_owner(supervisor);
}

static void take_durable(struct supervisor *supervisor, const struct note *note) {
    if (note->number[0] != 1 && note->number[0] != 2) {
        return;
    }
    struct output *output = &supervisor->output[note->number[0] - 1];
    uint64_t offset = (uint64_t)note->number[1];
    if (offset > output->end) {
        offset = output->end;
    }
    if (offset <= output->durable) {
        return;
    }
    output->durable = offset;
    uint64_t first = output->first;
    output_trim(output, supervisor->spec->retain);
    supervisor->changed = supervisor->changed || output->first != first;
    if (supervisor->disk_full || supervisor->result_refused) {
        supervisor_free_output(supervisor);
        supervisor->retry_ms = 0; /* there may be room now */
    }
}

static void take_note(
    struct supervisor *supervisor, int index, const struct note *note, const uint8_t *bytes, size_t length) {
    struct attachment *attachment = &supervisor->attachments[index];
    switch (note->kind) {
    case NOTE_ATTACH:
        attachment->attached = attachment->stale = true;
        attachment->attempt = note->number[0];
        attachment->feeds = note->number[1] != 0 && supervisor->spec->stdin_open;
        choose_owner(supervisor);
        break;
    case NOTE_STDIN:
        if (feeds_now(supervisor, index, note)) {
            supervisor_take_input(supervisor, (uint64_t)note->number[0], bytes, length);
        }
        break;
    case NOTE_STDIN_END:
        if (feeds_now(supervisor, index, note)) {
            supervisor_end_input(supervisor, (uint64_t)note->number[0]);
        }
        break;
    case NOTE_DURABLE:
        take_durable(supervisor, note);
        break;
    case NOTE_SIGNAL:
        if (!supervisor->leader_ended) {
            supervisor_signal(supervisor, (int)note->number[0]);
        }
        break;
    case NOTE_RESIZE:
        if (supervisor->tty && supervisor->source[0] >= 0) {
            pty_resize(supervisor->source[0], (uint16_t)note->number[0], (uint16_t)note->number[1]);
        }
        break;
    case NOTE_STOP:
        supervisor_stop(supervisor, note->number[0]);
        break;
    default:
        break;
    }
}

bool supervisor_receive(struct supervisor *supervisor, int index, uint8_t *buffer, size_t capacity) {
    for (int i = 0; i < 16; i++) {
        ssize_t got = recv(supervisor->attachments[index].fd, buffer, capacity, MSG_DONTWAIT);
        /*
         * A session that closes with unread states resets the connection; its last notes are
         * readable after this error.
         */
        if (got < 0 && (errno == ECONNRESET || errno == EINTR)) {
            continue;
        }
        if (got < 0) {
            return errno == EAGAIN;
        }
        struct note note;
        if ((size_t)got < sizeof note) {
            return false;
        }
        memcpy(&note, buffer, sizeof note);
        take_note(supervisor, index, &note, buffer + sizeof note, (size_t)got - sizeof note);
    }
    return true;
}

static void send_state(const struct supervisor *supervisor, int index, struct attachment *attachment) {
    struct note note = {.kind = NOTE_STATE};
    for (int i = 0; i < 2; i++) {
        note.number[STATE_END + i] = (int64_t)supervisor->output[i].end;
        note.number[STATE_FIRST + i] = (int64_t)supervisor->output[i].first;
    }
    note.number[STATE_TAKEN] = (int64_t)supervisor->input_taken;
    note.number[STATE_LIMIT] = (int64_t)supervisor->input_written + STDIN_WINDOW;
    note.number[STATE_TURN] = supervisor->turn;
    note.flags = (index == supervisor->owner ? NOTE_OWNER : 0) |
                 (supervisor->input_end_known || supervisor->input < 0 ? NOTE_INPUT_ENDED : 0) |
                 (supervisor->finished ? NOTE_ENDED : 0) |
                 (supervisor->disk_full || supervisor->result_refused ? NOTE_DISK_FULL : 0);
    ssize_t sent = send(attachment->fd, &note, sizeof note, MSG_DONTWAIT | MSG_NOSIGNAL);
    attachment->stale = sent < 0 && (errno == EAGAIN || errno == EINTR);
}

void supervisor_report(struct supervisor *supervisor) {
    for (int i = 0; i < supervisor->attachment_count; i++) {
        if (supervisor->attachments[i].attached && (supervisor->changed || supervisor->attachments[i].stale)) {
            send_state(supervisor, i, &supervisor->attachments[i]);
        }
    }
    supervisor->changed = false;
}

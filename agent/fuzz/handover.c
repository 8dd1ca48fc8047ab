/*
 * The messages between sessions and `serve`: requests for ids, releases, parked operations and
 * handed-over connections. Four sessions; the input is a list of messages of one of them, by fields
 * or as raw bytes, and of sessions that end.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "serve/serve_client.h"
#include "serve/serve_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { SESSIONS = 4, PID = 1000 };

static struct table table;
static struct session sessions[SESSIONS];
static uint8_t inputs[SESSIONS][INPUT_CAPACITY];

struct input {
    const uint8_t *bytes;
    size_t length;
};

static uint8_t take(struct input *input) {
    if (input->length == 0) {
        return 0;
    }
    input->length--;
    return *input->bytes++;
}

static void begin(int index) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 || set_nonblocking(pair[0]) != 0 ||
        set_nonblocking(pair[1]) != 0) {
        abort();
    }
    table_add_session(&table, PID + index, pair[0]);
    sessions[index] = (struct session){.fd = -1, .control = pair[1], .input = inputs[index], .adopted = {.fd = -1}};
}

static void end(int index, bool crashed) {
    close_fd(&sessions[index].control);
    close_fd(&sessions[index].adopted.fd);
    table_ended(&table, PID + index, crashed);
}

static struct serve_request message_of(struct input *input) {
    static const char *const IDS[] = {"a", "b", "", "upload"};
    struct serve_request message = {.kind = take(input) % 16u,
        .attempt = (int8_t)take(input),
        .from = (int8_t)take(input),
        .pid = (int8_t)take(input)};
    uint8_t flags = take(input);
    message.continues = (flags & 1) != 0;
    message.continuable = (flags & 2) != 0;
    message.parked = (flags & 4) != 0;
    message.holds_disk = (flags & 8) != 0;
    message.lease_over = (flags & 16) != 0;
    message.group = message.pid;
    message.generation = take(input) % 4;
    message.length = (uint32_t)(take(input) * 3u);
    strcpy(message.id, IDS[flags >> 6]);
    return message;
}

static void check(const struct session *session) {
    if (session->adopted.length > sizeof session->adopted.input) {
        abort();
    }
    if (table.session_count > SESSIONS || table.supervisor_count > SUPERVISORS_MAX) {
        abort();
    }
    int parked = 0;
    for (int i = 0; i < table.session_count; i++) {
        const struct session_entry *entry = &table.sessions[i];
        if (memchr(entry->id, 0, sizeof entry->id) == NULL) {
            abort();
        }
        parked += entry->parked && !entry->ending;
        /* Each id has one holder. */
        for (int j = 0; j < i; j++) {
            const struct session_entry *other = &table.sessions[j];
            if (entry->kind != 0 && entry->kind == other->kind && !entry->waiting && !other->waiting &&
                strcmp(entry->id, other->id) == 0) {
                abort();
            }
        }
    }
    if (parked > PARKED_MAX) {
        abort();
    }
}

/*
 * Sends the message, also with invalid booleans, and lets both ends receive all that is available.
 */
static void say(int index, struct input *input, bool raw, bool with_descriptor) {
    static uint8_t bytes[sizeof(struct serve_request)];
    struct serve_request message = message_of(input);
    memcpy(bytes, &message, sizeof message);
    if (raw) {
        size_t at = take(input) * 3u % sizeof bytes, size = take(input);
        for (size_t i = 0; i < size && at + i < sizeof bytes; i++) {
            bytes[at + i] = take(input);
        }
        /* Another agent process sends no byte that is not a valid boolean. */
        memcpy((uint8_t *)bytes + offsetof(struct serve_request, continues), &message.continues,
            offsetof(struct serve_request, lease_over) + 1 - offsetof(struct serve_request, continues));
    }
    int fd = with_descriptor ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    serve_send(sessions[index].control, bytes, raw ? sizeof bytes - take(input) % 2u : sizeof bytes, fd);
    close_fd(&fd);
    for (int i = table.session_count - 1; i >= 0; i--) {
        table_receive(&table, i);
    }
    for (int i = 0; i < SESSIONS; i++) {
        for (int turn = 0; turn < 8 && !sessions[i].orphaned; turn++) {
            serve_poll(&sessions[i]);
        }
        check(&sessions[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct input input = {bytes, length};
    table = (struct table){0};
    for (int i = 0; i < SESSIONS; i++) {
        begin(i);
    }
    while (input.length > 0) {
        uint8_t what = take(&input);
        int index = what % SESSIONS;
        if ((what >> 2) % 8 == 7 || sessions[index].orphaned) {
            end(index, (what & 128) != 0);
            begin(index);
        } else {
            say(index, &input, (what >> 2) % 8 == 6, (what & 64) != 0);
        }
    }
    for (int i = 0; i < SESSIONS; i++) {
        end(i, false);
    }
    free(table.supervisors);
    return 0;
}

/*
 * Whole sessions: the input is what a host sends on one connection, from its HELLO to its end. A
 * thread acts as `serve` and as the host's receiver: it grants ids and reads the agent's
 * frames. Mutations preserve frames, and repair offsets, counts and digests; otherwise no upload
 * would be committed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/sha256.h"
#include "serve/serve_table.h"
#include "serve/session.h"
#include "support/state_folder.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed);

enum { PID = 1000, FRAMES_MAX = 256 };

/* The process of a session ends by _exit and does not free memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}

/* ---- changes ---- */

struct span {
    size_t at, size; /* with its header */
};

static uint32_t length_of(const uint8_t *frame) {
    uint32_t length;
    memcpy(&length, frame + 4, sizeof length);
    return length;
}

static size_t split(const uint8_t *bytes, size_t length, struct span *spans) {
    size_t count = 0;
    for (size_t at = 0; count < FRAMES_MAX && length - at >= FRAME_HEADER;) {
        size_t size = FRAME_HEADER + (size_t)length_of(bytes + at);
        if (size > length - at) {
            break;
        }
        spans[count++] = (struct span){at, size};
        at += size;
    }
    return count;
}

/* DATA of stream 0 continues the previous DATA, and END has its length and digest. */
static void mend(uint8_t *bytes, const struct span *spans, size_t count) {
    struct sha256 hash;
    uint64_t offset = 0;
    sha256_begin(&hash);
    for (size_t i = 0; i < count; i++) {
        uint8_t *frame = bytes + spans[i].at, *payload = frame + FRAME_HEADER;
        size_t size = spans[i].size - FRAME_HEADER;
        if (frame[0] == FRAME_OPEN) {
            offset = 0;
            sha256_begin(&hash);
        } else if (frame[0] == FRAME_DATA && (frame[1] & FLAG_ZSTD) == 0 && size > DATA_HEADER) {
            uint32_t raw = (uint32_t)(size - DATA_HEADER);
            memset(payload, 0, 4);
            memcpy(payload + 4, &raw, sizeof raw);
            memcpy(payload + 8, &offset, sizeof offset);
            sha256_add(&hash, payload + DATA_HEADER, raw);
            offset += raw;
        } else if (frame[0] == FRAME_END && size == END_PAYLOAD) {
            struct sha256 copy = hash;
            memset(payload, 0, 8);
            memcpy(payload + 8, &offset, sizeof offset);
            sha256_end(&copy, payload + 16);
        }
    }
}

static size_t change_one(uint8_t *bytes, size_t length, size_t most, const struct span *span, unsigned seed) {
    static uint8_t payload[FRAME_PAYLOAD_MAX];
    size_t size = span->size - FRAME_HEADER, room = most - length + size;
    if (size > sizeof payload) {
        return length;
    }
    memcpy(payload, bytes + span->at + FRAME_HEADER, size);
    if (room > sizeof payload) {
        room = sizeof payload;
    }
    size_t changed =
        seed % 4 == 0 ? LLVMFuzzerMutate(payload, size, size == 0 ? 1 : size) : LLVMFuzzerMutate(payload, size, room);
    uint8_t *rest = bytes + span->at + span->size;
    memmove(bytes + span->at + FRAME_HEADER + changed, rest, length - span->at - span->size);
    memcpy(bytes + span->at + FRAME_HEADER, payload, changed);
    uint32_t told = (uint32_t)changed;
    memcpy(bytes + span->at + 4, &told, sizeof told);
    return length - size + changed;
}

static size_t change_frames(uint8_t *bytes, size_t length, size_t most, const struct span *span, unsigned seed) {
    if (seed % 3 == 0 && length + span->size <= most) {
        memmove(bytes + span->at + span->size, bytes + span->at, length - span->at);
        return length + span->size;
    }
    if (seed % 3 == 1) {
        memmove(bytes + span->at, bytes + span->at + span->size, length - span->at - span->size);
        return length - span->size;
    }
    bytes[span->at] = (uint8_t)(seed / 3 % 20);
    return length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed) {
    static struct span spans[FRAMES_MAX];
    size_t count = split(bytes, length, spans);
    if (count == 0 || seed % 16 == 0) {
        return LLVMFuzzerMutate(bytes, length, most);
    }
    const struct span *span = &spans[seed / 16 % count];
    length = seed % 16 < 12 ? change_one(bytes, length, most, span, seed / 4096)
                            : change_frames(bytes, length, most, span, seed / 4096);
    if (seed / 256 % 4 != 0) {
        mend(bytes, spans, split(bytes, length, spans));
    }
    return length;
}

/* ---- runs ---- */

static struct state_folder folder = {.outer = -1};

struct peer {
    const uint8_t *bytes;
    size_t left;
    int host, control;
};

/* The host of a parked operation does not reconnect: its `serve` ends. */
static bool abandoned(const struct table *table) {
    for (int i = 0; i < table->session_count; i++) {
        if (table->sessions[i].parked || table->sessions[i].waiting || table->sessions[i].wants_room) {
            return true;
        }
    }
    return false;
}

static bool give(struct peer *peer) {
    ssize_t put = send(peer->host, peer->bytes, peer->left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
        return errno == EAGAIN;
    }
    peer->bytes += put;
    peer->left -= (size_t)put;
    if (peer->left == 0) {
        shutdown(peer->host, SHUT_WR);
    }
    return true;
}

/*
 * Acts as the host and `serve` until the session has closed its end of the connection, or is
 * abandoned.
 */
static void *run_peer(void *context) {
    static struct table table;
    static uint8_t dropped[65536];
    struct peer *peer = context;
    table = (struct table){0};
    table_add_session(&table, PID, peer->control);
    if (peer->left == 0) {
        shutdown(peer->host, SHUT_WR);
    }
    for (bool talks = true; talks;) {
        struct pollfd polled[2] = {{.fd = peer->host, .events = (short)(POLLIN | (peer->left > 0 ? POLLOUT : 0))},
            {.fd = peer->control, .events = POLLIN}};
        if (poll(polled, 2, -1) <= 0) {
            continue;
        }
        if (polled[1].revents != 0 && !table_receive(&table, 0)) {
            polled[1].revents = 0;
        }
        if (abandoned(&table)) {
            break;
        }
        if ((polled[0].revents & POLLIN) != 0 && recv(peer->host, dropped, sizeof dropped, MSG_DONTWAIT) == 0) {
            talks = false;
        } else if ((polled[0].revents & POLLOUT) != 0 && peer->left > 0) {
            talks = give(peer);
        } else if ((polled[0].revents & (POLLHUP | POLLERR)) != 0 && (polled[0].revents & POLLIN) == 0) {
            talks = false;
        }
    }
    shutdown(peer->control, SHUT_RDWR);
    close(peer->host);
    table_ended(&table, PID, false); /* closes its end of the control socket */
    free(table.supervisors);
    return NULL;
}

static void make_volume(void) {
    if (mkdirat(folder.state.volumes, "v", 0700) != 0 || mkdirat(folder.state.volumes, "v/data", 0700) != 0) {
        abort();
    }
    if (mkdirat(folder.state.volumes, "v/data/folder", 0700) != 0 ||
        symlinkat("../../../beside", folder.state.volumes, "v/data/link") != 0) {
        abort();
    }
    state_folder_write(folder.state.volumes, "v/data/folder/file", (const uint8_t *)"old", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct session session;
    int connection[2], control[2];
    pthread_t thread;
    if (folder.outer < 0) {
        state_folder_open(&folder);
    }
    make_volume();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
        abort();
    }
    if (set_nonblocking(control[1]) != 0) {
        abort();
    }
    struct peer peer = {bytes, length, connection[1], control[1]};
    if (pthread_create(&thread, NULL, run_peer, &peer) != 0) {
        abort();
    }
    session =
        (struct session){.state = &folder.state, .fd = connection[0], .control = control[0], .adopted = {.fd = -1}};
    session_run(&session);
    close_fd(&session.fd);
    close_fd(&session.control);
    close_fd(&session.adopted.fd);
    pthread_join(thread, NULL);
    if (session.input != NULL && session.input != MAP_FAILED) {
        munmap(session.input, INPUT_CAPACITY);
    }
    free(session.text);
    state_folder_clear(&folder);
    return 0;
}

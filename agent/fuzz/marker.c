/*
 * The files that `serve` reads at its start: a commit's marker, a stored result and a process's
 * record. The input is split into the three at zero bytes. A restart completes the marked commit,
 * and a host gets an answer.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/record.h"
#include "serve/recover.h"
#include "support/state_folder.h"
#include "transfer/stored_result.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static struct state_folder folder = {.outer = -1};

static void make_folder(int parent, const char *name) {
    if (mkdirat(parent, name, 0700) != 0) {
        abort();
    }
}

/* A volume with staged content, and a link that leads out of it. */
static void fill(void) {
    make_folder(folder.state.volumes, "v");
    make_folder(folder.state.volumes, "v/data");
    make_folder(folder.state.volumes, "v/data/folder");
    make_folder(folder.state.volumes, "v/staging");
    make_folder(folder.state.volumes, "v/staging/upload");
    if (symlinkat("../../../../beside", folder.state.volumes, "v/data/link") != 0) {
        abort();
    }
    state_folder_write(folder.state.volumes, "v/staging/upload/file", (const uint8_t *)"new", 3);
    make_folder(folder.state.processes, "p");
}

static const uint8_t *part(const uint8_t **bytes, size_t *length, size_t *size) {
    const uint8_t *begin = *bytes, *end = *length > 0 ? memchr(begin, 0, *length) : NULL;
    *size = end == NULL ? *length : (size_t)(end - begin);
    size_t taken = end == NULL ? *size : *size + 1;
    *bytes += taken;
    *length -= taken;
    return begin;
}

static void ask_for_result(void) {
    static struct session session;
    int pair[2], control[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
        abort();
    }
    session = (struct session){.state = &folder.state, .fd = pair[0], .control = control[0], .adopted = {.fd = -1}};
    int sent = stored_result_send(&session, "upload");
    uint8_t frame[FRAME_HEADER];
    if (sent > 0 && (read(pair[1], frame, sizeof frame) != (ssize_t)sizeof frame || frame[0] != FRAME_RESULT)) {
        abort();
    }
    for (int i = 0; i < 2; i++) {
        close(pair[i]), close(control[i]);
    }
}

static void read_record(void) {
    struct process_start start;
    struct process_result result;
    int process = record_folder(&folder.state, "p", false);
    if (process < 0) {
        abort();
    }
    (void)record_read_start(&folder.state, process, &start);
    (void)record_read_result(process, &result);
    close(process);
    if (record_remove(&folder.state, "p") != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    size_t size;
    if (folder.outer < 0) {
        state_folder_open(&folder);
    }
    fill();
    const uint8_t *text = part(&bytes, &length, &size);
    if (size > 0) {
        state_folder_write(folder.state.operations, "upload", text, size);
    }
    text = part(&bytes, &length, &size);
    if (size > 0) {
        state_folder_write(folder.state.results, "upload", text, size);
    }
    state_folder_write(folder.state.processes, "p/start", bytes, length);
    state_folder_write(folder.state.processes, "p/result", bytes, length);
    recover(&folder.state);
    ask_for_result();
    read_record();
    state_folder_clear(&folder);
    return 0;
}

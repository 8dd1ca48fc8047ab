#include "archive/archive_file.h"
#include "serve/serve_client.h"
#include "transfer/incoming.h"

struct archive_write {
    struct incoming incoming;
    struct archive_key key;
    struct archive_file file;
};

static int feed(void *context, const uint8_t *bytes, size_t length, struct failure *failure) {
    struct archive_write *write = context;
    return archive_file_write(&write->file, bytes, length, failure);
}

static int finish(void *context, struct failure *failure) {
    return archive_file_finish(context, failure);
}

static int run(struct session *session, const struct json *open, struct archive_write *write) {
    if (archive_key_read(open, &write->key, &session->failure) != 0 ||
        archive_file_create(session->state, &write->key, &write->file, &session->failure) != 0) {
        return -1;
    }
    return incoming_take(&write->incoming) == 0 ? transfer_run_aside(&write->incoming.transfer, finish, &write->file)
                                                : -1;
}

static int send_result(void *context) {
    const struct archive_write *write = context;
    const struct receiving *receiving = &write->incoming.receiving;
    char text[65];
    struct json_out out = {0};
    sha256_text(&receiving->hash, text);
    json_open(&out, NULL, '{');
    json_put_number(&out, "bytes", (int64_t)receiving->received);
    json_put_text(&out, "sha256", text);
    json_put_number(&out, "entries", 1);
    json_put_number(&out, "expandedBytes", (int64_t)receiving->received);
    json_close(&out, '}');
    return session_send_json(write->incoming.session, FRAME_RESULT, &out);
}

int operation_archive_write(struct session *session, const struct json *open) {
    struct archive_write write = {.file = ARCHIVE_FILE_NONE};
    write.incoming = (struct incoming){.session = session, .feed = feed, .context = &write};
    if (incoming_acquire(&write.incoming, open) <= 0) {
        return OPERATION_FAILED;
    }
    int result = run(session, open, &write);
    archive_file_close(&write.file, result == 0);
    incoming_free(&write.incoming);
    int end = transfer_answer(&write.incoming.transfer, result, send_result);
    serve_release(session, false);
    return end;
}

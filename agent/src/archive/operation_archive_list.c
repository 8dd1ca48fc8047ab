#include "archive/archive_file.h"
#include "archive/archive_list.h"
#include "transfer/outgoing.h"

struct archive_listing {
    struct archive_list list;
    uint64_t lines;
};

static int64_t read_list(void *context, uint8_t *bytes, size_t capacity, struct failure *failure) {
    struct archive_listing *listing = context;
    int64_t count = archive_list_read(&listing->list, bytes, capacity, failure);
    for (int64_t i = 0; i < count; i++) {
        listing->lines += bytes[i] == '\n';
    }
    return count;
}

static void put_opened(const void *context, struct json_out *out) {
    (void)context;
    json_put_text(out, "kind", "file");
}

static void put_result(const void *context, struct json_out *out) {
    const struct archive_listing *listing = context;
    json_put_number(out, "entries", (int64_t)listing->lines);
}

static int begin(struct session *session, const struct json *open, struct archive_listing *listing) {
    const char *prefix = archive_prefix_read(open, &session->failure);
    int archives = prefix == NULL ? -1 : archives_open(session->state, &session->failure);
    return archives < 0 ? -1 : archive_list_begin(&listing->list, archives, prefix, &session->failure);
}

int operation_archive_list(struct session *session, const struct json *open) {
    struct archive_listing listing = {0};
    struct outgoing outgoing = {.session = session,
        .source = read_list,
        .put_opened = put_opened,
        .put_result = put_result,
        .context = &listing};
    if (outgoing_acquire(&outgoing, open) <= 0) {
        return OPERATION_FAILED;
    }
    int result = outgoing_begin(&outgoing, open) == 0 ? begin(session, open, &listing) : -1;
    result = outgoing_answer(&outgoing, result);
    archive_list_close(&listing.list);
    outgoing_free(&outgoing);
    return result;
}

#include <errno.h>
#include <unistd.h>

#include "archive/archive_file.h"
#include "base/io.h"

/* Returns 1 if the file was removed, 0 if there was none, -1 with `failure`. */
static int remove_file(struct session *session, const struct archive_key *key) {
    bool missing;
    int folder = archive_folder_open(session->state, key, &missing, &session->failure);
    if (folder < 0) {
        return missing ? 0 : -1;
    }
    int removed = unlinkat(folder, key->parts[2], 0) == 0 ? 1 : errno == ENOENT ? 0 : -1;
    close_fd(&folder);
    return removed >= 0 ? removed : fail_errno(&session->failure, errno, "deleting an archive", key->text);
}

int operation_archive_delete(struct session *session, const struct json *open) {
    struct archive_key key;
    struct json_out out = {0};
    int removed = archive_key_read(open, &key, &session->failure) == 0 ? remove_file(session, &key) : -1;
    if (removed < 0) {
        return OPERATION_FAILED;
    }
    json_open(&out, NULL, '{');
    json_put_bool(&out, "existed", removed == 1);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

int operation_archive_usage(struct session *session, const struct json *open) {
    struct json_out out = {0};
    int archives = archives_open(session->state, &session->failure);
    (void)open;
    if (archives < 0) {
        return OPERATION_FAILED;
    }
    int64_t total = file_system_bytes(archives, true), free = file_system_bytes(archives, false);
    int error = errno;
    close_fd(&archives);
    if (total < 0 || free < 0) {
        return fail_errno(&session->failure, error, "reading the size of the archives' file system", "archives");
    }
    json_open(&out, NULL, '{');
    json_put_number(&out, "totalBytes", total);
    json_put_number(&out, "freeBytes", free);
    json_close(&out, '}');
    return session_send_json(session, FRAME_RESULT, &out);
}

#include <errno.h>
#include <string.h>

#include "serve/operation.h"

static const char *errno_name(int error) {
    static const struct {
        int error;
        const char *name;
    } NAMES[] = {
        {EPERM, "EPERM"},
        {ENOENT, "ENOENT"},
        {EIO, "EIO"},
        {ENXIO, "ENXIO"},
        {E2BIG, "E2BIG"},
        {ENOEXEC, "ENOEXEC"},
        {EBADF, "EBADF"},
        {EAGAIN, "EAGAIN"},
        {ENOMEM, "ENOMEM"},
        {EACCES, "EACCES"},
        {EBUSY, "EBUSY"},
        {EEXIST, "EEXIST"},
        {EXDEV, "EXDEV"},
        {ENODEV, "ENODEV"},
        {ENOTDIR, "ENOTDIR"},
        {EISDIR, "EISDIR"},
        {EINVAL, "EINVAL"},
        {ENFILE, "ENFILE"},
        {EMFILE, "EMFILE"},
        {ETXTBSY, "ETXTBSY"},
        {EFBIG, "EFBIG"},
        {ENOSPC, "ENOSPC"},
        {EROFS, "EROFS"},
        {EMLINK, "EMLINK"},
        {EPIPE, "EPIPE"},
        {ELOOP, "ELOOP"},
        {ENOSYS, "ENOSYS"},
        {ENOTEMPTY, "ENOTEMPTY"},
        {EDQUOT, "EDQUOT"},
        {EOVERFLOW, "EOVERFLOW"},
        {ENAMETOOLONG, "ENAMETOOLONG"},
        {EOPNOTSUPP, "EOPNOTSUPP"},
        {ELIBBAD, "ELIBBAD"},
        {ESTALE, "ESTALE"},
    };
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (NAMES[i].error == error) {
            return NAMES[i].name;
        }
    }
    return NULL;
}

int send_error(struct session *session, const struct failure *failure) {
    struct json_out out = {0};
    json_open(&out, NULL, '{');
    json_put_text(&out, "code", failure->code != NULL ? failure->code : "IO_ERROR");
    json_put_text(&out, "message", failure->code != NULL ? failure->message : "the operation failed without a reason");
    if (failure->code != NULL && failure->error != 0) {
        json_put_number(&out, "errno", failure->error);
        const char *name = errno_name(failure->error);
        if (name != NULL) {
            json_put_text(&out, "errnoName", name);
        }
    }
    if (failure->path[0] != 0) {
        json_put_text(&out, "path", failure->path);
    }
    if (failure->entry[0] != 0) {
        json_put_text(&out, "entry", failure->entry);
    }
    if (failure->code != NULL && failure->limit >= 0) {
        json_put_number(&out, "limitBytes", failure->limit);
    }
    if (failure->code != NULL && failure->bytes >= 0) {
        json_put_number(&out, "bytes", failure->bytes);
    }
    if (failure->code != NULL && strcmp(failure->code, "PROCESS_LOST") == 0) {
        json_put_number(&out, "oomKills", session->oom_kills);
    }
    if (failure->code != NULL && strcmp(failure->code, "STALE_GENERATION") == 0) {
        json_put_number(&out, "generation", session->fence);
    }
    json_close(&out, '}');
    return session_send_json(session, FRAME_ERROR, &out);
}

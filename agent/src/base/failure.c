/* Records failures, and maps errno to a code. */
#include "base/failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void copy_text(char *to, size_t capacity, const char *from) {
    size_t length = strnlen(from, capacity - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

int fail(struct failure *failure, const char *code, const char *format, ...) {
    if (failure->code != NULL) {
        return -1;
    }
    failure->code = code;
    failure->error = 0;
    failure->limit = -1;
    failure->bytes = -1;
    failure->path[0] = '\0';
    failure->entry[0] = '\0';
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    return -1;
}

static const char *code_of(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "DISK_FULL";
    case EACCES:
    case EPERM:
    case EROFS:
        return "NOT_PERMITTED";
    default:
        return "IO_ERROR";
    }
}

int fail_errno(struct failure *failure, int error, const char *doing, const char *path) {
    return fail_path(failure, code_of(error), error, doing, path);
}

int fail_path(struct failure *failure, const char *code, int error, const char *doing, const char *path) {
    if (failure->code != NULL) {
        return -1;
    }
    if (error != 0) {
        fail(failure, code, "%s: %s", doing, strerror(error));
    } else {
        fail(failure, code, "%s", doing);
    }
    failure->error = error;
    if (path != NULL) {
        copy_text(failure->path, sizeof failure->path, path);
    }
    return -1;
}

int fail_entry(struct failure *failure, const char *entry) {
    if (failure->code != NULL && failure->entry[0] == '\0') {
        copy_text(failure->entry, sizeof failure->entry, entry);
    }
    return -1;
}

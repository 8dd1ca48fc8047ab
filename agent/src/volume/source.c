#include "volume/source.h"

#include <errno.h>
#include <fcntl.h>

#include "volume/beneath.h"

int source_fail(struct failure *failure, int error, const char *changed, const char *path) {
    if (error == ENOENT || error == ELOOP || error == ENOTDIR || error == ENXIO || error == EINVAL) {
        return fail_path(failure, "FILE_CHANGED", error, changed, path);
    }
    return fail_errno(failure, error, "reading a file", path);
}

int source_open(int root, const char *path, bool *single, struct failure *failure) {
    int folder = beneath_open(root, path, O_RDONLY);
    *single = folder < 0 && (errno == ENOTDIR || errno == ELOOP);
    if (folder >= 0 || *single) {
        return folder;
    }
    return errno == ENOENT ? fail_path(failure, "FILE_NOT_FOUND", errno, "reading a folder", path)
                           : fail_errno(failure, errno, "reading a folder", path);
}

bool source_overwritten(const struct stat *now, const struct timespec *mtime, int64_t size) {
    bool written = now->st_mtim.tv_sec != mtime->tv_sec || now->st_mtim.tv_nsec != mtime->tv_nsec;
    return written && now->st_size <= size;
}

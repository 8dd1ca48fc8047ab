#include "volume/permitted.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Setting the present mode shows whether the kernel permits a change. The user id is not
 * sufficient: root in a pod often lacks capabilities.
 */
static bool may_change(int parent, const char *name, const struct stat *status) {
    return status->st_uid == geteuid() || fchmodat(parent, name, status->st_mode & 07777, AT_SYMLINK_NOFOLLOW) == 0;
}

int permitted_fill(int folder, const char *path, struct failure *failure) {
    struct stat status;
    /* The C library may use faccessat2, which a sandbox may refuse. */
    if (syscall(SYS_faccessat, folder, ".", W_OK | X_OK) == 0) {
        return 0;
    }
    int error = errno;
    if (error == EACCES && fstat(folder, &status) == 0 && may_change(folder, ".", &status)) {
        return 0;
    }
    return fail_errno(failure, error, "a folder of the target cannot be written to", path);
}

int permitted_replace(int folder, const struct stat *replaced, const char *path, struct failure *failure) {
    struct stat status;
    if (replaced->st_uid == geteuid()) {
        return 0;
    }
    if (fstat(folder, &status) != 0) {
        return fail_errno(failure, errno, "reading the status of a folder of the target", path);
    }
    if ((status.st_mode & S_ISVTX) == 0 || may_change(folder, ".", &status)) {
        return 0;
    }
    return fail_errno(failure, EPERM, "a file of the target belongs to another user", path);
}

int permitted_change(
    int parent, const char *name, const struct stat *status, const char *path, struct failure *failure) {
    if (may_change(parent, name, status)) {
        return 0;
    }
    return fail_errno(
        failure, EPERM, "a folder of the target belongs to another user, so its mode and time cannot be set", path);
}

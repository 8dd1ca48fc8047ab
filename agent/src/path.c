/* Paths in a volume: their normal form, and the folders that they name. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beneath.h"
#include "volume.h"

int path_normal(const char *path, char *normal, size_t capacity, struct failure *failure) {
    size_t length = 0;
    if (capacity == 0) return fail_path(failure, "UNSAFE_PATH", 0, "no room for a path", path);
    normal[0] = '\0';
    for (const char *at = path; *at != '\0';) {
        size_t size = strcspn(at, "/");
        const char *name = at;
        at += size + (at[size] == '/' ? 1 : 0);
        if (size == 0 || (size == 1 && name[0] == '.')) continue;
        if (size == 2 && name[0] == '.' && name[1] == '.')
            return fail_path(failure, "UNSAFE_PATH", 0, "a path must not contain a \"..\" component", path);
        size_t slash = length > 0 ? 1 : 0;
        if (size > PATH_LONGEST || length + slash + size > PATH_LONGEST || length + slash + size >= capacity)
            return fail_path(failure, "UNSAFE_PATH", 0, "a path is longer than 4095 bytes", path);
        if (slash == 1) normal[length++] = '/';
        memcpy(normal + length, name, size);
        length += size;
        normal[length] = '\0';
    }
    return 0;
}

/* Makes one folder with exactly 0755 (and the set-gid bit that it may inherit), whatever the umask is. */
static int make_folder(int parent, const char *name) {
    if (mkdirat(parent, name, 0755) != 0) return errno == EEXIST ? 0 : -1;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    int result = fd < 0 ? -1 : fstat(fd, &status);
    if (result == 0 && (status.st_mode & 0777) != 0755) result = fchmod(fd, 0755 | (status.st_mode & S_ISGID));
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return result;
}

static int make_folders(int root, const char *path, struct failure *failure) {
    char prefix[PATH_LONGEST + 1];
    int parent = beneath_open(root, "", O_PATH);
    if (parent < 0) return fail_errno(failure, errno, "opening a folder", path);
    size_t total = strlen(path);
    memcpy(prefix, path, total + 1);
    for (char *name = prefix; name != NULL;) {
        char *slash = strchr(name, '/');
        if (slash != NULL) *slash = '\0';
        int next = make_folder(parent, name) == 0 ? beneath_open(parent, name, O_PATH) : -1;
        int error = errno;
        close(parent);
        if (next < 0) {
            if (error == ENOTDIR) return fail_path(failure, "PATH_CONFLICT", error, "a folder is wanted where a file is", prefix);
            if (error == ELOOP) return fail_path(failure, "UNSAFE_PATH", error, "a path leads through a symbolic link", prefix);
            return fail_errno(failure, error, "making a folder", prefix);
        }
        parent = next;
        if (slash != NULL) *slash = '/';
        name = slash == NULL ? NULL : slash + 1;
    }
    close(parent);
    return 0;
}

int folder_open(int root, const char *path, bool make, struct failure *failure) {
    if (strlen(path) > PATH_LONGEST) return fail_path(failure, "UNSAFE_PATH", 0, "a path is longer than 4095 bytes", path);
    int fd = beneath_open(root, path, O_RDONLY);
    if (fd < 0 && errno == ENOENT && make) {
        if (make_folders(root, path, failure) != 0) return -1;
        fd = beneath_open(root, path, O_RDONLY);
    }
    if (fd >= 0) return fd;
    if (errno == ENOENT) return fail_path(failure, "FILE_NOT_FOUND", errno, "opening a folder", path);
    if (errno == ELOOP) return fail_path(failure, "UNSAFE_PATH", errno, "a path leads through a symbolic link", path);
    if (errno == ENOTDIR) return fail_path(failure, make ? "PATH_CONFLICT" : "FILE_NOT_FOUND", errno, "a folder is wanted where a file is", path);
    return fail_errno(failure, errno, "opening a folder", path);
}

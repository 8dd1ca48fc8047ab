#include "process/execute.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "process/spec.h"

static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static int fail_at(struct failure *failure, const char *code, int error, const char *text, const char *path) {
    fail_path(failure, code, 0, text, path);
    failure->error = error;
    return -1;
}

/*
 * ENOENT for an existing file: the interpreter in its first line or the loader of a dynamic program
 * is missing.
 */
static int fail_missing(struct failure *failure, const char *path) {
    struct stat stat_of;
    if (stat(path, &stat_of) != 0) {
        return fail_at(failure, "EXECUTABLE_NOT_FOUND", ENOENT, "the executable does not exist", path);
    }
    char line[256], text[512];
    if (read_file(AT_FDCWD, path, line, sizeof line) > 2 && line[0] == '#' && line[1] == '!') {
        char *name = line + 2 + strspn(line + 2, " \t");
        name[strcspn(name, " \t\r\n")] = 0;
        snprintf(text, sizeof text, "the interpreter '%s' of the script does not exist", name);
        return fail_at(failure, "WRONG_FORMAT", ENOENT, text, path);
    }
    return fail_at(failure, "WRONG_FORMAT", ENOENT, "the loader of the program does not exist", path);
}

static int fail_by(struct failure *failure, int error, const char *path) {
    switch (error) {
    case ENOENT:
        return fail_missing(failure, path);
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return fail_at(failure, "EXECUTABLE_NOT_FOUND", error, "the executable does not exist", path);
    case EACCES:
    case EPERM:
        return fail_at(failure, "NOT_PERMITTED", error, "the user is not permitted to execute it", path);
    case ENOEXEC:
    case EINVAL:
    case ELIBBAD:
        return fail_at(failure, "WRONG_FORMAT", error, "it is not a program for this machine", path);
    case E2BIG:
        return fail_at(
            failure, "INVALID_SPEC", error, "an argument or variable is too long, or their total length is", "env");
    default:
        return fail_errno(failure, error, "execute", path);
    }
}

static int try(const char *path, const char *const *args, const char *const *env) {
    execve(path, without_const(args), without_const(env));
    return errno;
}

int execute(const char *const *args, const char *const *env, struct failure *failure) {
    const char *name = args[0], *path = env_value(env, "PATH");
    if (strchr(name, '/') != NULL) {
        return fail_by(failure, try(name, args, env), name);
    }
    if (path == NULL) {
        path = DEFAULT_PATH;
    }
    int denied = 0;
    char denied_path[4096] = "";
    for (const char *at = path;; at++) {
        size_t length = strcspn(at, ":");
        char candidate[4096];
        int written = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, at, length > 0 ? "/" : "./", name);
        int error = written < (int)sizeof candidate ? try(candidate, args, env) : ENAMETOOLONG;
        struct stat stat_of;
        if (error == EACCES && stat(candidate, &stat_of) == 0 && !S_ISDIR(stat_of.st_mode)) {
            denied = error;
            memcpy(denied_path, candidate, sizeof candidate);
        } else if (error != ENOENT && error != ENOTDIR && error != EACCES && error != ENAMETOOLONG && error != ELOOP) {
            return fail_by(failure, error, candidate);
        } else if (error == ENOENT && stat(candidate, &stat_of) == 0) {
            return fail_by(failure, error, candidate);
        }
        at += length;
        if (*at == 0) {
            break;
        }
    }
    if (denied != 0) {
        return fail_by(failure, denied, denied_path);
    }
    return fail_at(failure, "EXECUTABLE_NOT_FOUND", ENOENT, "no directory of PATH has the executable", name);
}

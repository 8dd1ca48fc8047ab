/*
 * Preloaded into `agent serve`, and so into all that it forks. Counts the relevant calls to the C
 * library; stops the agent at one of them, makes it fail, or shortens it; and logs the order in
 * which files are written, made durable and moved, and what is sent and started. A test controls it
 * by a file of shared memory, whose layout is also in test/support/faults/fault-control.ts.
 * Commands of the agent do not load it: it removes itself from the environment.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL_BYTES = 1024 * 1024, LOG_AT = 4096, PIDS_MAX = 512, PATH_BYTES = 4096 };

/* Classes of calls; a plan counts the calls of some of these classes. */
enum {
    CHANGES = 1,   /* a file, a folder or their content */
    ALLOCATES = 2, /* may find the disk full */
    READS = 4,     /* files and folders */
    OPTIONAL = 8,  /* missing in old kernels and sandboxes */
    BLOCKS = 16,   /* may be interrupted by a signal */
    CUTTABLE = 32, /* may process fewer bytes than requested */
    TALKS = 64,    /* to other processes */
    SPAWNS = 128,
    RENAMES = 256,
    DESCRIPTORS = 512, /* returns a new one */
    CLOSES = 1024 /* a file that may have been written */
};

enum fault { FAULT_NONE, FAULT_CRASH, FAULT_KILL, FAULT_ERROR, FAULT_CUT };
enum role { ROLE_SERVE, ROLE_SESSION, ROLE_SUPERVISOR, ROLE_CHILD };
enum verdict { GO, FAIL, CUT };

struct control {
    atomic_uint armed;
    uint32_t fault, error, roles, classes, at;
    uint32_t persistent; /* this call and all later ones */
    uint32_t logging;
    atomic_uint counted, fired, dead, log_end, pid_count;
    uint32_t fired_role;
    char fired_call[32];
    atomic_int pids[PIDS_MAX];
};

_Static_assert(sizeof(struct control) <= LOG_AT, "the log begins behind the control block");

static struct control *control;
static enum role role;

static const char *const ROLES[] = {"serve", "session", "supervisor", "child"};

#ifdef __GLIBC__
#define LARGE(name) name "64"
#else
#define LARGE(name) name
#endif
#define REAL(symbol, result, ...)       \
    static result (*real)(__VA_ARGS__); \
    if (real == NULL)                   \
    *(void **)(&real) = dlsym(RTLD_NEXT, symbol)

static void remember(pid_t pid) {
    unsigned place = atomic_fetch_add(&control->pid_count, 1);
    if (place < PIDS_MAX) {
        atomic_store(&control->pids[place], pid);
    }
}

static void forget(pid_t pid) {
    for (int i = 0; i < PIDS_MAX; i++) {
        int expected = pid;
        atomic_compare_exchange_strong(&control->pids[i], &expected, 0);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("KW_FAULTS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    unsetenv("KW_FAULTS");
    unsetenv("LD_PRELOAD");
    if (fd < 0) {
        return;
    }
    void *shared = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared == MAP_FAILED) {
        abort();
    }
    control = shared;
    remember(getpid());
}

static void say(const char *call, const char *first, const char *second) {
    char line[2 * PATH_BYTES + 64];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%s\n", ROLES[role], call, first == NULL ? "" : first,
        second == NULL ? "" : second);
    if (length <= 0 || length >= (int)sizeof line) {
        abort();
    }
    unsigned place = atomic_fetch_add(&control->log_end, (unsigned)length);
    if (LOG_AT + place + (unsigned)length <= CONTROL_BYTES) {
        memcpy((char *)control + LOG_AT + place, line, (size_t)length);
    }
}

static bool logs(void) {
    return control != NULL && control->logging != 0;
}

/* Finds the path of a descriptor, or of a name below it. */
static const char *path_of(int folder, const char *name, char path[PATH_BYTES]) {
    char link[64], base[PATH_BYTES / 2];
    if (name != NULL && name[0] == '/') {
        snprintf(path, PATH_BYTES, "%s", name);
        return path;
    }
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    ssize_t length = readlink(link, base, sizeof base - 1);
    base[length < 0 ? 0 : length] = 0;
    if (name == NULL) {
        snprintf(path, PATH_BYTES, "%s", base);
    } else {
        snprintf(path, PATH_BYTES, "%s/%.*s", base, PATH_BYTES / 2 - 2, name);
    }
    return path;
}

static void say_at(const char *call, int folder, const char *name) {
    char path[PATH_BYTES];
    int error = errno;
    if (logs()) {
        say(call, path_of(folder, name, path), NULL);
    }
    errno = error;
}

static void say_two(const char *call, int from, const char *name, int to, const char *other) {
    char first[PATH_BYTES], second[PATH_BYTES];
    if (logs()) {
        say(call, path_of(from, name, first), path_of(to, other, second));
    }
}

static _Noreturn void die(void) {
    for (;;) {
        syscall(SYS_kill, getpid(), SIGKILL);
    }
}

/* Ends the agent and all that it has started at once, as when the kernel ends the container. */
static _Noreturn void crash(void) {
    atomic_store(&control->dead, 1);
    for (int i = 0; i < PIDS_MAX; i++) {
        int pid = atomic_load(&control->pids[i]);
        if (pid > 0 && pid != getpid()) {
            syscall(SYS_kill, pid, SIGKILL);
        }
    }
    die();
}

static enum verdict gate(const char *call, unsigned classes) {
    if (control == NULL) {
        return GO;
    }
    if (atomic_load(&control->dead) != 0) {
        die();
    }
    if (atomic_load(&control->armed) == 0 || (classes & control->classes) == 0 || (control->roles >> role & 1u) == 0) {
        return GO;
    }
    unsigned number = atomic_fetch_add(&control->counted, 1) + 1;
    if (number != control->at && !(control->persistent != 0 && number > control->at)) {
        return GO;
    }
    if (atomic_fetch_add(&control->fired, 1) == 0) {
        control->fired_role = role;
        snprintf(control->fired_call, sizeof control->fired_call, "%s", call);
    }
    if (control->fault == FAULT_CRASH) {
        crash();
    }
    if (control->fault == FAULT_KILL) {
        die();
    }
    errno = (int)control->error;
    return control->fault == FAULT_ERROR ? FAIL : control->fault == FAULT_CUT ? CUT : GO;
}

static bool is_regular(int fd) {
    struct stat status;
    int error = errno;
    bool regular = syscall(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode);
    errno = error;
    return regular;
}

/* Returns the classes of a call that moves bytes through a descriptor. */
static unsigned flow(int fd, size_t length, unsigned file_classes) {
    struct stat status;
    int type = 0, error = errno;
    socklen_t size = sizeof type;
    unsigned classes = TALKS | BLOCKS;
    if (control == NULL) {
        return 0;
    }
    if (syscall(SYS_fstat, fd, &status) != 0) {
        status.st_mode = 0;
    }
    if (S_ISREG(status.st_mode)) {
        classes = file_classes | BLOCKS | (length > 1 ? CUTTABLE : 0);
    } else if (S_ISFIFO(status.st_mode)) {
        classes |= length > 1 ? CUTTABLE : 0;
    } else if (S_ISSOCK(status.st_mode) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
               type == SOCK_STREAM) {
        classes |= length > 1 ? CUTTABLE : 0;
    }
    errno = error;
    return classes;
}

/* ---- files ---- */

static unsigned open_classes(int flags) {
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        return CHANGES | ALLOCATES | OPTIONAL | READS | DESCRIPTORS;
    }
    return (flags & (O_CREAT | O_TRUNC)) != 0 ? CHANGES | ALLOCATES | READS | DESCRIPTORS : READS | DESCRIPTORS;
}

int openat(int folder, const char *name, int flags, ...) {
    REAL(LARGE("openat"), int, int, const char *, int, ...);
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
    va_end(list);
    if (gate("openat", open_classes(flags)) == FAIL) {
        return -1;
    }
    if ((flags & O_CREAT) != 0) {
        say_at("create", folder, name);
    }
    return real(folder, name, flags, mode);
}

int open(const char *name, int flags, ...) {
    REAL(LARGE("open"), int, const char *, int, ...);
    va_list list;
    va_start(list, flags);
    mode_t mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
    va_end(list);
    return gate("open", open_classes(flags)) == FAIL ? -1 : real(name, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL("write", ssize_t, int, const void *, size_t);
    enum verdict verdict = gate("write", flow(fd, length, CHANGES | ALLOCATES));
    if (verdict == FAIL) {
        return -1;
    }
    if (logs() && is_regular(fd)) {
        say_at("write", fd, NULL);
    }
    return real(fd, bytes, verdict == CUT ? 1 : length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    REAL(LARGE("pwrite"), ssize_t, int, const void *, size_t, off_t);
    enum verdict verdict = gate("pwrite", flow(fd, length, CHANGES | ALLOCATES));
    if (verdict == FAIL) {
        return -1;
    }
    say_at("write", fd, NULL);
    return real(fd, bytes, verdict == CUT ? 1 : length, offset);
}

ssize_t read(int fd, void *bytes, size_t length) {
    REAL("read", ssize_t, int, void *, size_t);
    enum verdict verdict = gate("read", flow(fd, length, READS));
    return verdict == FAIL ? -1 : real(fd, bytes, verdict == CUT ? 1 : length);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    REAL(LARGE("pread"), ssize_t, int, void *, size_t, off_t);
    enum verdict verdict = gate("pread", flow(fd, length, READS));
    return verdict == FAIL ? -1 : real(fd, bytes, verdict == CUT ? 1 : length, offset);
}

/* A durable state is logged after the call, all else before it. */
#define SYNC(name)                                    \
    int name(int fd) {                                \
        REAL(#name, int, int);                        \
        if (gate(#name, CHANGES | ALLOCATES) == FAIL) \
            return -1;                                \
        int result = real(fd);                        \
        if (result == 0)                              \
            say_at("sync", fd, NULL);                 \
        return result;                                \
    }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)

static bool is_writable(int fd) {
    int error = errno;
    bool writable = is_regular(fd) && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    errno = error;
    return writable;
}

/* The descriptor is closed even if the call fails, as by the kernel. */
int close(int fd) {
    REAL("close", int, int);
    bool fails = control != NULL && is_writable(fd) && gate("close", CLOSES) == FAIL;
    int error = errno, result = real(fd);
    errno = fails ? error : errno;
    return fails ? -1 : result;
}

int renameat(int from, const char *name, int to, const char *other) {
    REAL("renameat", int, int, const char *, int, const char *);
    if (gate("renameat", CHANGES | ALLOCATES | RENAMES) == FAIL) {
        return -1;
    }
    say_two("rename", from, name, to, other);
    return real(from, name, to, other);
}

int linkat(int from, const char *name, int to, const char *other, int flags) {
    REAL("linkat", int, int, const char *, int, const char *, int);
    return gate("linkat", CHANGES | ALLOCATES) == FAIL ? -1 : real(from, name, to, other, flags);
}

int symlinkat(const char *target, int folder, const char *name) {
    REAL("symlinkat", int, const char *, int, const char *);
    return gate("symlinkat", CHANGES | ALLOCATES) == FAIL ? -1 : real(target, folder, name);
}

int unlinkat(int folder, const char *name, int flags) {
    REAL("unlinkat", int, int, const char *, int);
    if (gate("unlinkat", CHANGES) == FAIL) {
        return -1;
    }
    say_at("unlink", folder, name);
    return real(folder, name, flags);
}

int mkdirat(int folder, const char *name, mode_t mode) {
    REAL("mkdirat", int, int, const char *, mode_t);
    if (gate("mkdirat", CHANGES | ALLOCATES) == FAIL) {
        return -1;
    }
    say_at("mkdir", folder, name);
    return real(folder, name, mode);
}

int mkdir(const char *name, mode_t mode) {
    REAL("mkdir", int, const char *, mode_t);
    return gate("mkdir", CHANGES | ALLOCATES) == FAIL ? -1 : real(name, mode);
}

int fchmod(int fd, mode_t mode) {
    REAL("fchmod", int, int, mode_t);
    return gate("fchmod", CHANGES) == FAIL ? -1 : real(fd, mode);
}

int fchmodat(int folder, const char *name, mode_t mode, int flags) {
    REAL("fchmodat", int, int, const char *, mode_t, int);
    return gate("fchmodat", CHANGES | (flags != 0 ? OPTIONAL : 0u)) == FAIL ? -1 : real(folder, name, mode, flags);
}

int fchown(int fd, uid_t owner, gid_t group) {
    REAL("fchown", int, int, uid_t, gid_t);
    return gate("fchown", CHANGES) == FAIL ? -1 : real(fd, owner, group);
}

int fchownat(int folder, const char *name, uid_t owner, gid_t group, int flags) {
    REAL("fchownat", int, int, const char *, uid_t, gid_t, int);
    return gate("fchownat", CHANGES) == FAIL ? -1 : real(folder, name, owner, group, flags);
}

int futimens(int fd, const struct timespec times[2]) {
    REAL("futimens", int, int, const struct timespec *);
    return gate("futimens", CHANGES) == FAIL ? -1 : real(fd, times);
}

int utimensat(int folder, const char *name, const struct timespec times[2], int flags) {
    REAL("utimensat", int, int, const char *, const struct timespec *, int);
    return gate("utimensat", CHANGES) == FAIL ? -1 : real(folder, name, times, flags);
}

int ftruncate(int fd, off_t length) {
    REAL(LARGE("ftruncate"), int, int, off_t);
    return gate("ftruncate", CHANGES | ALLOCATES) == FAIL ? -1 : real(fd, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
    REAL(LARGE("posix_fallocate"), int, int, off_t, off_t);
    return gate("posix_fallocate", CHANGES | ALLOCATES | OPTIONAL) == FAIL ? errno : real(fd, offset, length);
}

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length, unsigned flags) {
    REAL("copy_file_range", ssize_t, int, off_t *, int, off_t *, size_t, unsigned);
    enum verdict verdict = gate("copy_file_range", CHANGES | ALLOCATES | OPTIONAL | (length > 1 ? CUTTABLE : 0u));
    return verdict == FAIL ? -1 : real(from, from_offset, to, to_offset, verdict == CUT ? 1 : length, flags);
}

int fstat(int fd, struct stat *status) {
    REAL(LARGE("fstat"), int, int, struct stat *);
    return gate("fstat", READS) == FAIL ? -1 : real(fd, status);
}

int fstatat(int folder, const char *name, struct stat *status, int flags) {
    REAL(LARGE("fstatat"), int, int, const char *, struct stat *, int);
    return gate("fstatat", READS) == FAIL ? -1 : real(folder, name, status, flags);
}

int faccessat(int folder, const char *name, int mode, int flags) {
    REAL("faccessat", int, int, const char *, int, int);
    return gate("faccessat", READS | OPTIONAL) == FAIL ? -1 : real(folder, name, mode, flags);
}

ssize_t readlinkat(int folder, const char *name, char *target, size_t length) {
    REAL("readlinkat", ssize_t, int, const char *, char *, size_t);
    return gate("readlinkat", READS) == FAIL ? -1 : real(folder, name, target, length);
}

DIR *fdopendir(int fd) {
    REAL("fdopendir", DIR *, int);
    return gate("fdopendir", READS) == FAIL ? NULL : real(fd);
}

struct dirent *readdir(DIR *listing) {
    REAL(LARGE("readdir"), struct dirent *, DIR *);
    return gate("readdir", READS) == FAIL ? NULL : real(listing);
}

long syscall(long number, ...) {
    REAL("syscall", long, long, ...);
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arguments[i] = va_arg(list, long);
    }
    va_end(list);
    unsigned classes = number == SYS_openat2       ? READS | OPTIONAL | DESCRIPTORS
                       : number == SYS_close_range ? OPTIONAL
                                                   : 0;
    if (classes != 0 && gate(number == SYS_openat2 ? "openat2" : "close_range", classes) == FAIL) {
        return -1;
    }
    return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

/* ---- processes ---- */

pid_t fork(void) {
    REAL("fork", pid_t, void);
    if (gate("fork", SPAWNS) == FAIL) {
        return -1;
    }
    if (logs()) {
        say("fork", NULL, NULL);
    }
    pid_t pid = real();
    if (pid == 0 && control != NULL) {
        if (role == ROLE_SUPERVISOR) {
            role = ROLE_CHILD;
        }
        remember(getpid());
    }
    return pid;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    REAL("pthread_create", int, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    return gate("pthread_create", SPAWNS) == FAIL ? EAGAIN : real(thread, attributes, run, argument);
}

/* The agent names its processes. */
int prctl(int option, ...) {
    REAL("prctl", int, int, ...);
    unsigned long arguments[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++) {
        arguments[i] = va_arg(list, unsigned long);
    }
    va_end(list);
    const char *name = option == PR_SET_NAME ? (const char *)(uintptr_t)arguments[0] : "";
    if (strcmp(name, "agent session") == 0) {
        role = ROLE_SESSION;
    }
    if (strcmp(name, "agent process") == 0) {
        role = ROLE_SUPERVISOR;
    }
    return real(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

int execve(const char *path, char *const arguments[], char *const environment[]) {
    REAL("execve", int, const char *, char *const *, char *const *);
    if (gate("execve", SPAWNS) == FAIL) {
        return -1;
    }
    if (logs()) {
        say("execve", path, NULL);
    }
    return real(path, arguments, environment);
}

pid_t waitpid(pid_t pid, int *status, int options) {
    REAL("waitpid", pid_t, pid_t, int *, int);
    if (gate("waitpid", (options & WNOHANG) != 0 ? 0 : BLOCKS) == FAIL) {
        return -1;
    }
    pid_t ended = real(pid, status, options);
    if (ended > 0 && control != NULL) {
        forget(ended);
    }
    return ended;
}

/* ---- between processes ---- */

static unsigned sending(int fd, size_t length) {
    return flow(fd, length, TALKS);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL("send", ssize_t, int, const void *, size_t, int);
    enum verdict verdict = gate("send", sending(fd, length));
    return verdict == FAIL ? -1 : real(fd, bytes, verdict == CUT ? 1 : length, flags);
}

/* The first byte of a frame is its type; the log records when each one was sent. */
static void say_frame(const struct msghdr *message) {
    char text[16];
    if (role != ROLE_SESSION || message->msg_iovlen == 0 || message->msg_iov[0].iov_len != 8) {
        return;
    }
    snprintf(text, sizeof text, "%u", *(const uint8_t *)message->msg_iov[0].iov_base);
    say("frame", text, NULL);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL("sendmsg", ssize_t, int, const struct msghdr *, int);
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        length += message->msg_iov[i].iov_len;
    }
    enum verdict verdict = gate("sendmsg", sending(fd, length));
    if (verdict == FAIL) {
        return -1;
    }
    if (verdict == CUT) {
        size_t first = 0;
        while (message->msg_iov[first].iov_len == 0) {
            first++;
        }
        struct iovec piece = {message->msg_iov[first].iov_base, 1};
        struct msghdr shorter = {.msg_iov = &piece, .msg_iovlen = 1};
        return real(fd, &shorter, flags);
    }
    if (logs()) {
        say_frame(message);
    }
    return real(fd, message, flags);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags) {
    REAL("recv", ssize_t, int, void *, size_t, int);
    enum verdict verdict = gate("recv", sending(fd, length));
    return verdict == FAIL ? -1 : real(fd, bytes, verdict == CUT ? 1 : length, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    REAL("recvmsg", ssize_t, int, struct msghdr *, int);
    return gate("recvmsg", TALKS | BLOCKS) == FAIL ? -1 : real(fd, message, flags);
}

int poll(struct pollfd *polled, nfds_t count, int timeout) {
    REAL("poll", int, struct pollfd *, nfds_t, int);
    return gate("poll", BLOCKS) == FAIL ? -1 : real(polled, count, timeout);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    REAL("accept4", int, int, struct sockaddr *, socklen_t *, int);
    return gate("accept4", TALKS | BLOCKS | DESCRIPTORS) == FAIL ? -1 : real(fd, address, length, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    REAL("connect", int, int, const struct sockaddr *, socklen_t);
    return gate("connect", TALKS | BLOCKS) == FAIL ? -1 : real(fd, address, length);
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    REAL("bind", int, int, const struct sockaddr *, socklen_t);
    return gate("bind", CHANGES | ALLOCATES | TALKS) == FAIL ? -1 : real(fd, address, length);
}

int socket(int domain, int type, int protocol) {
    REAL("socket", int, int, int, int);
    return gate("socket", TALKS | DESCRIPTORS) == FAIL ? -1 : real(domain, type, protocol);
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
    REAL("socketpair", int, int, int, int, int *);
    return gate("socketpair", TALKS | DESCRIPTORS) == FAIL ? -1 : real(domain, type, protocol, pair);
}

int pipe2(int pair[2], int flags) {
    REAL("pipe2", int, int *, int);
    return gate("pipe2", TALKS | DESCRIPTORS) == FAIL ? -1 : real(pair, flags);
}

int flock(int fd, int operation) {
    REAL("flock", int, int, int);
    return gate("flock", READS | ((operation & LOCK_NB) != 0 ? 0u : BLOCKS)) == FAIL ? -1 : real(fd, operation);
}

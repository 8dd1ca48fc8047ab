/*
 * Runs a program whose system calls fail like on another kernel or in a sandbox, or wait:
 *
 *   syscalls [--fail CALL=ERROR]... [--hold CALL:NAME:FILE] -- PROGRAM ARGUMENT...
 *
 * --fail: the call fails with ENOSYS or EPERM. --hold: a call whose last path is NAME, or whose
 * descriptor is that of a file NAME, waits and creates FILE.held; it continues once FILE exists. With
 * * as NAME, every such call takes a millisecond until FILE exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

enum { RULES_MAX = 32 };

static const struct {
    const char *name;
    uint32_t number;
} CALLS[] = {
    {"faccessat2", 439},
    {"openat2", 437},
    {"fchmodat2", 452},
    {"close_range", 436},
    {"statx", SYS_statx},
    {"renameat2", SYS_renameat2},
    {"copy_file_range", SYS_copy_file_range},
    {"memfd_create", SYS_memfd_create},
    {"syncfs", SYS_syncfs},
    {"fallocate", SYS_fallocate},
    {"renameat", SYS_renameat},
    {"getrandom", SYS_getrandom},
    {"prctl", SYS_prctl},
    {"flock", SYS_flock},
    {"pidfd_open", 434},
    {"clone3", 435},
    {"unlinkat", SYS_unlinkat},
    {"fsync", SYS_fsync},
    {"close", SYS_close},
};

static struct sock_filter filter[4 + 2 * RULES_MAX + 1];
static unsigned short count;

static void add(uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
    filter[count++] = (struct sock_filter){code, yes, no, k};
}

static uint32_t call_of(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        if (strlen(CALLS[i].name) == length && strncmp(CALLS[i].name, name, length) == 0) {
            return CALLS[i].number;
        }
    }
    fprintf(stderr, "syscalls: unknown call %.*s\n", (int)length, name);
    exit(2);
}

static void add_rule(uint32_t call, uint32_t action) {
    add(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1);
    add(BPF_RET | BPF_K, action, 0, 0);
}

static void add_fail(const char *text) {
    const char *equals = strchr(text, '=');
    if (equals == NULL || count > 4 + 2 * (RULES_MAX - 2)) {
        exit(2);
    }
    uint32_t error = strcmp(equals + 1, "EPERM") == 0 ? EPERM : ENOSYS;
    add_rule(call_of(text, (size_t)(equals - text)), SECCOMP_RET_ERRNO | error);
}

/* Returns whether the descriptor is that of a file of this name. */
static int is_open_as(uint32_t pid, uint64_t fd, const char *name) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%u/fd/%u", pid, (uint32_t)fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    const char *last = strrchr(path, '/');
    return last != NULL && strcmp(last + 1, name) == 0;
}

/*
 * Returns whether the call has the path to hold: the fourth argument of renameat, the second of
 * unlinkat, or that of the descriptor.
 */
static int names(const struct seccomp_notif *asked, const char *name) {
    if (asked->data.nr == SYS_fsync || asked->data.nr == SYS_close) {
        return is_open_as(asked->pid, asked->data.args[0], name);
    }
    char path[64], text[512] = "";
    uint64_t address = asked->data.args[(uint32_t)asked->data.nr == (uint32_t)SYS_renameat ? 3 : 1];
    snprintf(path, sizeof path, "/proc/%u/mem", asked->pid);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    if (memory >= 0) {
        (void)!pread(memory, text, sizeof text - 1, (off_t)address);
        close(memory);
    }
    return strcmp(text, name) == 0;
}

/* The listener hangs up once no process has the filter. */
static void hold(int listener, const char *file) {
    char held[4096];
    snprintf(held, sizeof held, "%s.held", file);
    close(open(held, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    while (access(file, F_OK) != 0) {
        struct pollfd polled = {.fd = listener};
        if (poll(&polled, 1, 1) > 0 && (polled.revents & POLLHUP) != 0) {
            return;
        }
    }
}

static _Noreturn void supervise(int listener, const char *name, const char *file) {
    for (;;) {
        struct seccomp_notif asked;
        struct pollfd polled = {.fd = listener, .events = POLLIN};
        memset(&asked, 0, sizeof asked);
        if (poll(&polled, 1, -1) < 0 || (polled.revents & POLLHUP) != 0) {
            _exit(0);
        }
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
            continue;
        }
        if (strcmp(name, "*") == 0 && access(file, F_OK) != 0) {
            usleep(1000);
        } else if (names(&asked, name)) {
            hold(listener, file);
        }
        struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

/*
 * The program keeps this process's id. The process that continues calls is its child, which
 * receives the listener through a socket.
 */
static int start_supervisor(char *rule) {
    int pair[2];
    char *name = strchr(rule, ':'), *file = name == NULL ? NULL : strchr(name + 1, ':');
    if (file == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        exit(2);
    }
    *name++ = 0;
    *file++ = 0;
    pid_t middle = fork();
    if (middle != 0) {
        waitpid(middle, NULL, 0);
        close(pair[1]);
        return pair[0];
    }
    if (fork() != 0) {
        _exit(0); /* so that the program has no unexpected child */
    }
    char space[CMSG_SPACE(sizeof(int))], byte;
    struct iovec piece = {&byte, 1};
    struct msghdr got = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    int listener;
    close(pair[0]);
    if (recvmsg(pair[1], &got, 0) != 1 || CMSG_FIRSTHDR(&got) == NULL) {
        _exit(1);
    }
    memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&got)), sizeof listener);
    close(0);
    close(1);
    close(2);
    supervise(listener, name, file);
}

static void hand_listener(int socket, int listener) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } space = {0};
    char byte = 0;
    struct iovec piece = {&byte, 1};
    struct msghdr sent = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space.bytes, .msg_controllen = sizeof space.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&sent);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof listener);
    memcpy(CMSG_DATA(header), &listener, sizeof listener);
    if (sendmsg(socket, &sent, 0) != 1) {
        exit(1);
    }
    close(listener);
    close(socket);
}

int main(int argc, char **argv) {
    int at = 1, supervisor = -1;
    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    add(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
        if (strcmp(argv[at], "--fail") == 0) {
            add_fail(argv[at + 1]);
        } else if (strcmp(argv[at], "--hold") == 0 && supervisor < 0) {
            uint32_t call = call_of(argv[at + 1], strcspn(argv[at + 1], ":"));
            supervisor = start_supervisor(argv[at + 1]);
            add_rule(call, SECCOMP_RET_USER_NOTIF);
        } else {
            return 2;
        }
    }
    if (at + 1 >= argc) {
        return 2;
    }
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    struct sock_fprog program = {count, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return 1;
    }
    long listener = syscall(
        SYS_seccomp, SECCOMP_SET_MODE_FILTER, supervisor >= 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0UL, &program);
    if (listener < 0) {
        perror("syscalls: seccomp");
        return 1;
    }
    if (supervisor >= 0) {
        hand_listener(supervisor, (int)listener);
    }
    execvp(argv[at + 1], argv + at + 1);
    perror(argv[at + 1]);
    return 127;
}

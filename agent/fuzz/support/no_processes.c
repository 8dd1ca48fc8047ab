/* Replaces the system's functions (ld --wrap), so that a fuzzer starts and ends no programs. */
#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

pid_t __wrap_fork(void);
int __wrap_kill(pid_t pid, int signal);
int __wrap_execve(const char *path, char *const arguments[], char *const environment[]);

pid_t __wrap_fork(void) {
    errno = EAGAIN;
    return -1;
}

int __wrap_kill(pid_t pid, int signal) {
    (void)signal;
    errno = ESRCH;
    return pid == getpid() ? 0 : -1;
}

int __wrap_execve(const char *path, char *const arguments[], char *const environment[]) {
    (void)path, (void)arguments, (void)environment;
    errno = EACCES;
    return -1;
}

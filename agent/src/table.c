#include "table.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void table_add_session(struct table *table, pid_t pid, int control) {
    struct session_entry *entry = &table->sessions[table->session_count++];
    memset(entry, 0, sizeof *entry);
    entry->pid = pid;
    entry->control = control;
}

static void answer(struct session_entry *entry, enum claim_answer answer) {
    uint8_t byte = (uint8_t)answer;
    entry->waiting = false;
    if (answer == CLAIM_REFUSED)
        entry->kind = 0;
    send(entry->control, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool same_id(const struct session_entry *a, const struct session_entry *b) {
    return a->kind == b->kind && strcmp(a->id, b->id) == 0;
}

static struct session_entry *holder_of(struct table *table, const struct session_entry *wanted) {
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (entry != wanted && entry->kind != 0 && !entry->waiting && same_id(entry, wanted))
            return entry;
    }
    return NULL;
}

/* The id is free: of those that wait for it, the highest attempt gets it. */
static void hand_on(struct table *table, const struct session_entry *released) {
    struct session_entry *best = NULL;
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (entry->waiting && same_id(entry, released) && (best == NULL || entry->attempt > best->attempt))
            best = entry;
    }
    if (best != NULL)
        answer(best, CLAIM_GRANTED);
}

static void release(struct table *table, struct session_entry *entry) {
    struct session_entry released = *entry;
    entry->kind = 0;
    entry->waiting = false;
    if (released.kind != 0 && !released.waiting)
        hand_on(table, &released);
}

static void claim(struct table *table, struct session_entry *entry, const struct claim_message *message) {
    if (entry->kind != 0)
        release(table, entry);
    entry->kind = message->kind;
    entry->attempt = message->attempt;
    memcpy(entry->id, message->id, sizeof entry->id);
    entry->id[ID_MAX] = 0;
    struct session_entry *holder = holder_of(table, entry);
    if (holder == NULL) {
        answer(entry, CLAIM_GRANTED);
    } else if (message->kind == CLAIM_OPERATION && message->attempt <= holder->attempt) {
        answer(entry, CLAIM_REFUSED);
    } else {
        entry->waiting = true;
        uint8_t drop = CLAIM_DROP;
        if (message->kind == CLAIM_OPERATION)
            send(holder->control, &drop, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void tell_count(const struct table *table, const struct session_entry *asking) {
    int32_t count = 0;
    for (int i = 0; i < table->session_count; i++)
        count += table->sessions[i].kind == CLAIM_OPERATION && !table->sessions[i].waiting;
    send(asking->control, &count, sizeof count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void add_supervisor(struct table *table, pid_t pid, pid_t group) {
    for (int i = 0; i < table->supervisor_count; i++)
        if (table->supervisors[i].pid == pid) {
            table->supervisors[i].group = group;
            return;
        }
    if (kill(pid, 0) != 0 || table->supervisor_count == SUPERVISORS_MAX)
        return; /* ended before this was read */
    if (table->supervisor_count == table->supervisor_capacity) {
        int capacity = table->supervisor_capacity == 0 ? 16 : table->supervisor_capacity * 2;
        struct supervisor_entry *grown = realloc(table->supervisors, (size_t)capacity * sizeof *grown);
        if (grown == NULL)
            return;
        table->supervisors = grown;
        table->supervisor_capacity = capacity;
    }
    table->supervisors[table->supervisor_count++] = (struct supervisor_entry){pid, group};
}

bool table_hear(struct table *table, int index) {
    struct session_entry *entry = &table->sessions[index];
    for (;;) {
        struct claim_message message;
        ssize_t got = recv(entry->control, &message, sizeof message, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (got != (ssize_t)sizeof message)
            return false;
        if (message.kind == CLAIM_PROCESS || message.kind == CLAIM_OPERATION)
            claim(table, entry, &message);
        else if (message.kind == CLAIM_RELEASE)
            release(table, entry);
        else if (message.kind == CLAIM_COUNT)
            tell_count(table, entry);
        else if (message.kind == CLAIM_SUPERVISOR)
            add_supervisor(table, message.pid, message.group);
    }
}

void table_reaped(struct table *table, pid_t pid, bool crashed) {
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (entry->pid != pid)
            continue;
        table_hear(table, i);
        release(table, entry);
        close(entry->control);
        *entry = table->sessions[--table->session_count];
        return;
    }
    for (int i = 0; i < table->supervisor_count; i++) {
        if (table->supervisors[i].pid != pid)
            continue;
        /* Its command has nobody any more who could tell how it ends: the process is lost, and must not go on unseen. */
        if (crashed && table->supervisors[i].group > 0)
            kill(-table->supervisors[i].group, SIGKILL);
        table->supervisors[i] = table->supervisors[--table->supervisor_count];
        return;
    }
}

void table_signal_supervisors(struct table *table, int signal) {
    for (int i = 0; i < table->supervisor_count; i++) {
        if (signal == SIGKILL && table->supervisors[i].group > 0)
            kill(-table->supervisors[i].group, SIGKILL);
        kill(table->supervisors[i].pid, signal);
    }
}

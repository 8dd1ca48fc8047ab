#include "serve/serve_table.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

void table_add_session(struct table *table, pid_t pid, int control) {
    struct session_entry *entry = &table->sessions[table->session_count++];
    memset(entry, 0, sizeof *entry);
    entry->pid = pid;
    entry->control = control;
}

/* Ignores failures: a session that does not read is about to end. */
static void send_reply(const struct session_entry *entry, const struct serve_reply *reply, int fd) {
    struct serve_reply sent = *reply;
    sent.serial = entry->serial;
    serve_send(entry->control, &sent, sizeof sent, fd);
}

static void answer(struct session_entry *entry, enum reply_kind answer, enum gone_reason gone) {
    struct serve_reply reply = {.kind = answer, .gone = gone};
    entry->waiting = false;
    if (answer != REPLY_GRANTED) {
        entry->kind = 0;
    }
    send_reply(entry, &reply, -1);
}

/* Cancels a request for an id that waits; an id that is held ends with its operation. */
static void answer_stale(const struct table *table, struct session_entry *entry) {
    struct serve_reply reply = {.kind = REPLY_STALE, .generation = table->generation};
    if (entry->waiting) {
        entry->kind = 0;
    }
    entry->waiting = entry->fencing = false;
    send_reply(entry, &reply, -1);
}

static bool is_stale(const struct table *table, const struct session_entry *entry) {
    return entry->generation > 0 && entry->generation < table->generation;
}

/* Replies to the fences below which no operation is left. */
static void complete_fences(struct table *table) {
    int64_t lowest = INT64_MAX;
    for (int i = 0; i < table->session_count; i++) {
        if (table->sessions[i].generation > 0 && table->sessions[i].generation < lowest) {
            lowest = table->sessions[i].generation;
        }
    }
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        struct serve_reply reply = {.kind = REPLY_GRANTED};
        if (!entry->fencing || entry->generation > lowest) {
            continue;
        }
        entry->fencing = false;
        send_reply(entry, &reply, -1);
    }
}

static void enter(struct table *table, struct session_entry *entry, int64_t generation) {
    struct serve_reply reply = {.kind = REPLY_GRANTED};
    entry->generation = generation;
    if (!is_stale(table, entry)) {
        send_reply(entry, &reply, -1);
        return;
    }
    answer_stale(table, entry);
    entry->generation = 0;
}

static void leave(struct table *table, struct session_entry *entry) {
    entry->generation = 0;
    entry->fencing = entry->wants_room = false;
    complete_fences(table);
}

/* From now on no operation of a lower generation begins; those that have begun end. */
static void fence(struct table *table, struct session_entry *fencing) {
    if (fencing->generation > table->generation) {
        table->generation = fencing->generation;
    }
    fencing->fencing = true;
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (!is_stale(table, entry)) {
            continue;
        }
        answer_stale(table, entry);
        entry->ending = entry->kind != 0;
    }
    complete_fences(table);
}

static void end_operation(struct session_entry *entry) {
    struct serve_reply reply = {.kind = REPLY_DROP};
    entry->ending = true;
    send_reply(entry, &reply, -1);
}

static bool same_id(const struct session_entry *a, const struct session_entry *b) {
    return a->kind == b->kind && strcmp(a->id, b->id) == 0;
}

static struct session_entry *holder_of(struct table *table, const struct session_entry *requested) {
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (entry != requested && entry->kind != 0 && !entry->waiting && same_id(entry, requested)) {
            return entry;
        }
    }
    return NULL;
}

/*
 * Grants a released id to the highest attempt that waits. Refuses lower attempts of a transfer, as
 * while it runs.
 */
static void grant_next(struct table *table, const struct session_entry *released) {
    struct session_entry *best = NULL;
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (entry->waiting && same_id(entry, released) && (best == NULL || entry->attempt > best->attempt)) {
            best = entry;
        }
    }
    if (best == NULL) {
        return;
    }
    answer(best, REPLY_GRANTED, GONE_UNKNOWN);
    for (int i = 0; released->kind == REQUEST_OPERATION && i < table->session_count; i++) {
        if (table->sessions[i].waiting && same_id(&table->sessions[i], released)) {
            answer(&table->sessions[i], REPLY_REFUSED, GONE_UNKNOWN);
        }
    }
}

static void record_ended(struct table *table, const struct session_entry *entry, enum gone_reason gone) {
    struct ended_entry *ended = &table->ended[table->ended_next++ % ENDED_MAX];
    ended->gone = gone;
    memcpy(ended->id, entry->id, sizeof ended->id);
}

static enum gone_reason gone_reason_of(const struct table *table, const char *id) {
    for (unsigned i = 0; i < ENDED_MAX; i++) {
        if (table->ended[i].gone != GONE_UNKNOWN && strcmp(table->ended[i].id, id) == 0) {
            return (enum gone_reason)table->ended[i].gone;
        }
    }
    return GONE_UNKNOWN;
}

static void release(struct table *table, struct session_entry *entry) {
    struct session_entry released = *entry;
    entry->kind = 0;
    entry->waiting = entry->continuable = entry->parked = entry->ending = entry->holds_disk = false;
    if (released.kind == 0 || released.waiting) {
        return;
    }
    grant_next(table, &released);
    for (int i = 0; released.holds_disk && i < table->session_count; i++) {
        if (table->sessions[i].wants_room) {
            struct serve_reply reply = {.kind = REPLY_GRANTED};
            table->sessions[i].wants_room = false;
            send_reply(&table->sessions[i], &reply, -1);
        }
    }
}

static void acquire(struct table *table, struct session_entry *entry, const struct serve_request *message) {
    if (entry->kind != 0) {
        release(table, entry);
    }
    entry->kind = message->kind;
    entry->attempt = message->attempt;
    entry->continuable = message->continuable;
    memcpy(entry->id, message->id, sizeof entry->id);
    entry->id[ID_MAX] = 0;
    struct session_entry *holder = holder_of(table, entry);
    if (holder == NULL) {
        answer(entry, message->continues ? REPLY_GONE : REPLY_GRANTED,
            message->continues ? gone_reason_of(table, entry->id) : GONE_UNKNOWN);
    } else if (message->kind == REQUEST_OPERATION && message->attempt <= holder->attempt) {
        answer(entry, REPLY_REFUSED, GONE_UNKNOWN);
    } else if (message->continuable && holder->continuable && !holder->ending) {
        answer(entry, REPLY_HELD, GONE_UNKNOWN);
    } else {
        entry->waiting = true;
        if (message->kind == REQUEST_OPERATION) {
            end_operation(holder);
        }
    }
}

/* The holder may have ended meanwhile. Then the host finds its connection closed and retries. */
static void hand_over(
    struct table *table, const struct session_entry *giving, const struct serve_request *message, int fd) {
    struct session_entry requested = {.kind = REQUEST_OPERATION};
    memcpy(requested.id, message->id, sizeof requested.id);
    requested.id[ID_MAX] = 0;
    struct session_entry *holder = holder_of(table, &requested);
    if (holder != NULL && !holder->ending && !is_stale(table, giving) && message->attempt > holder->attempt &&
        message->length <= HAND_OVER_INPUT_MAX) {
        struct serve_reply reply = {.kind = REPLY_ADOPT, .from = message->from, .length = message->length};
        memcpy(reply.input, message->input, message->length);
        holder->attempt = message->attempt;
        if (giving->generation > holder->generation) {
            holder->generation = giving->generation;
        }
        holder->parked = false;
        send_reply(holder, &reply, fd);
    }
    close(fd);
}

static struct session_entry *longest_parked(struct table *table, bool disk_only, int *count) {
    struct session_entry *oldest = NULL;
    *count = 0;
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (!entry->parked || entry->ending || (disk_only && !entry->holds_disk)) {
            continue;
        }
        ++*count;
        if (oldest == NULL || entry->parked_ms < oldest->parked_ms) {
            oldest = entry;
        }
    }
    return oldest;
}

static void park(struct table *table, struct session_entry *entry, const struct serve_request *message) {
    int count;
    entry->parked = message->parked;
    entry->holds_disk = message->holds_disk;
    entry->parked_ms = steady_ms();
    struct session_entry *oldest = longest_parked(table, false, &count);
    if (count <= PARKED_MAX) {
        return;
    }
    record_ended(table, oldest, GONE_ROOM);
    end_operation(oldest);
}

static void make_room(struct table *table, struct session_entry *asking) {
    int count;
    struct session_entry *oldest = longest_parked(table, true, &count);
    struct serve_reply reply = {.kind = REPLY_REFUSED};
    if (oldest == NULL) {
        send_reply(asking, &reply, -1);
        return;
    }
    asking->wants_room = true;
    record_ended(table, oldest, GONE_ROOM);
    end_operation(oldest);
}

static void send_count(const struct table *table, const struct session_entry *asking) {
    struct serve_reply reply = {.kind = REPLY_COUNTED};
    for (int i = 0; i < table->session_count; i++) {
        const struct session_entry *entry = &table->sessions[i];
        reply.operations += entry->kind == REQUEST_OPERATION && !entry->waiting;
        reply.parked += entry->parked;
    }
    send_reply(asking, &reply, -1);
}

static void add_supervisor(struct table *table, pid_t pid, pid_t group) {
    for (int i = 0; i < table->supervisor_count; i++) {
        if (table->supervisors[i].pid == pid) {
            table->supervisors[i].group = group;
            return;
        }
    }
    if (table->supervisor_count == SUPERVISORS_MAX) {
        return;
    }
    if (table->supervisor_count == table->supervisor_capacity) {
        int capacity = table->supervisor_capacity == 0 ? 16 : table->supervisor_capacity * 2;
        struct supervisor_entry *grown = realloc(table->supervisors, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            return;
        }
        table->supervisors = grown;
        table->supervisor_capacity = capacity;
    }
    table->supervisors[table->supervisor_count++] = (struct supervisor_entry){pid, group};
}

static void handle_request(
    struct table *table, struct session_entry *entry, const struct serve_request *message, int fd) {
    entry->serial = message->serial;
    switch (message->kind) {
    case REQUEST_ENTER:
        enter(table, entry, message->generation);
        break;
    case REQUEST_LEAVE:
        leave(table, entry);
        break;
    case REQUEST_FENCE:
        if (is_stale(table, entry)) {
            break; /* a reply was sent already */
        }
        fence(table, entry);
        break;
    case REQUEST_PROCESS:
    case REQUEST_OPERATION:
        if (is_stale(table, entry)) {
            break; /* a reply was sent already */
        }
        acquire(table, entry, message);
        break;
    case REQUEST_RELEASE:
        if (message->lease_over) {
            record_ended(table, entry, GONE_LEASE);
        }
        release(table, entry);
        break;
    case REQUEST_HAND_OVER:
        if (fd >= 0) {
            hand_over(table, entry, message, fd);
        }
        return;
    case REQUEST_PARK:
        park(table, entry, message);
        break;
    case REQUEST_MAKE_ROOM:
        make_room(table, entry);
        break;
    case REQUEST_COUNT:
        send_count(table, entry);
        break;
    case REQUEST_SUPERVISOR:
        add_supervisor(table, message->pid, message->group);
        break;
    default:
        break;
    }
    if (fd >= 0) {
        close(fd);
    }
}

bool table_receive(struct table *table, int index) {
    for (;;) {
        struct serve_request message;
        int fd, got = serve_receive(table->sessions[index].control, &message, sizeof message, &fd);
        if (got <= 0) {
            return got == 0;
        }
        handle_request(table, &table->sessions[index], &message, fd);
    }
}

static void kill_group(struct supervisor_entry *entry) {
    if (entry->group > 0) {
        kill(-entry->group, SIGKILL);
    }
    entry->group = 0;
}

void table_ended(struct table *table, pid_t pid, bool crashed) {
    for (int i = table->session_count - 1; i >= 0; i--) {
        table_receive(table, i);
    }
    for (int i = 0; i < table->session_count; i++) {
        struct session_entry *entry = &table->sessions[i];
        if (entry->pid != pid) {
            continue;
        }
        release(table, entry);
        close(entry->control);
        *entry = table->sessions[--table->session_count];
        complete_fences(table);
        return;
    }
    for (int i = 0; i < table->supervisor_count; i++) {
        struct supervisor_entry *entry = &table->supervisors[i];
        /*
         * A leader is reaped here only after its supervisor has ended. Afterwards the id of its
         * group may be reused.
         */
        if (entry->group == pid) {
            kill_group(entry);
        }
        if (entry->pid != pid) {
            continue;
        }
        /*
         * No process is left to store the result of the command: it is lost, and must not continue
         * unsupervised.
         */
        if (crashed) {
            kill_group(entry);
        }
        *entry = table->supervisors[--table->supervisor_count];
        return;
    }
}

void table_kill_supervisors(struct table *table) {
    for (int i = 0; i < table->supervisor_count; i++) {
        kill_group(&table->supervisors[i]);
        kill(table->supervisors[i].pid, SIGKILL);
    }
}

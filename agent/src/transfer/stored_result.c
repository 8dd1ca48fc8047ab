#include "transfer/stored_result.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "transfer/marker.h"

enum { KEEP_SECONDS = 24 * 60 * 60 };

/* The time since boot, which cannot be set. */
static time_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec;
}

static void set_time_to_now(int folder, const char *name) {
    struct timespec times[2] = {{.tv_sec = now()}, {.tv_sec = now()}};
    utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW);
}

/*
 * Retries for a second if the folder has no room for another name: without its result a commit
 * would count as not made.
 */
static int move_to_results(const struct state *state, const char *operation) {
    for (int attempt = 0;; attempt++) {
        int result = renameat(state->operations, operation, state->results, operation);
        if (result == 0 || errno == ENOENT || attempt == 10) {
            return result;
        }
        (void)syncfs(state->results);
        sleep_ms(100);
    }
}

void stored_result_keep(const struct state *state, const char *operation, bool has_result) {
    /*
     * The move is not made durable: a crash that loses it leaves the marker, whose commit is then
     * completed again without changes.
     */
    if (has_result) {
        set_time_to_now(state->operations, operation);
    }
    if (!has_result || move_to_results(state, operation) != 0) {
        unlinkat(state->operations, operation, 0);
    } else {
        stored_result_prune(state);
    }
}

static int put_copy(struct json_out *out, const struct json *json, const char *key) {
    int64_t number;
    if (json_integer(json, json_root(json), key, 0, INT64_MAX, -1, &number) != 0 || number < 0) {
        return -1;
    }
    json_put_number(out, key, number);
    return 0;
}

/* A result exists, so OPERATION_GONE would be wrong. */
static int fail_unreadable(struct session *session, int error) {
    session->failure.code = NULL;
    return fail_errno(&session->failure, error, "read the operation's stored result", NULL);
}

int stored_result_send(struct session *session, const char *operation) {
    const struct state *state = session->state;
    char text[MARKER_MAX];
    struct json json;
    struct json_out out = {0};
    int marked = entry_exists(state->operations, operation);
    if (marked != 0) {
        session->failure.code = NULL;
        return marked < 0 ? fail_errno(&session->failure, errno, "look for the operation's marker", NULL)
                          : fail(&session->failure, "VOLUME_DAMAGED", "a change of the volume could not be completed");
    }
    ssize_t length = read_file(state->results, operation, text, sizeof text);
    if (length < 0 && errno == ENOENT) {
        return 0;
    }
    if (length < 0 || json_read(&json, text, (size_t)length) != 0) {
        return fail_unreadable(session, length < 0 ? errno : EBADMSG);
    }
    const char *sha256 = json_text(json_member(&json, json_root(&json), "sha256"));
    json_open(&out, NULL, '{');
    int result = sha256 == NULL ? -1 : put_copy(&out, &json, "bytes");
    if (result == 0) {
        json_put_text(&out, "sha256", sha256);
    }
    if (result != 0 || put_copy(&out, &json, "entries") != 0 || put_copy(&out, &json, "expandedBytes") != 0) {
        result = -1;
    }
    json_close(&out, '}');
    json_free(&json);
    if (result != 0) {
        json_out_free(&out);
        return fail_unreadable(session, EBADMSG);
    }
    return session_send_json(session, FRAME_RESULT, &out) == 0 ? 1 : -1;
}

void stored_result_remove(const struct state *state, const char *operation) {
    unlinkat(state->results, operation, 0);
}

static void prune_one(void *results, const char *id) {
    int folder = *(const int *)results;
    struct stat status;
    if (fstatat(folder, id, &status, AT_SYMLINK_NOFOLLOW) == 0 && now() - status.st_mtime > KEEP_SECONDS) {
        unlinkat(folder, id, 0);
    }
}

static void renew_one(void *results, const char *id) {
    set_time_to_now(*(const int *)results, id);
}

void stored_result_prune(const struct state *state) {
    int folder = state->results;
    each_id(folder, prune_one, &folder);
}

void stored_result_renew(const struct state *state) {
    int folder = state->results;
    each_id(folder, renew_one, &folder);
}

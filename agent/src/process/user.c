#include "process/user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536, FIELDS_MAX = 8 };

/* Parses a numeric id: the whole text, below 2^32 - 1. */
static bool number(const char *text, unsigned *id) {
    if (*text == 0 || strspn(text, "0123456789") != strlen(text) || strlen(text) > 10) {
        return false;
    }
    unsigned long long value = strtoull(text, NULL, 10);
    *id = (unsigned)value;
    return value < 0xffffffffULL;
}

/*
 * Reads the next line, split into fields at its colons; false at the end. Skips lines that are too
 * long.
 */
static bool next_line(FILE *file, char *line, char *fields[FIELDS_MAX], int *count) {
    while (fgets(line, LINE_MAX_BYTES, file) != NULL) {
        size_t length = strlen(line);
        if (length == LINE_MAX_BYTES - 1 && line[length - 1] != '\n') {
            for (int c = 0; c != '\n' && c != EOF;) {
                c = fgetc(file);
            }
            continue;
        }
        line[strcspn(line, "\n")] = 0;
        *count = 0;
        for (char *at = line; at != NULL && *count < FIELDS_MAX;) {
            fields[(*count)++] = strsep(&at, ":");
        }
        if (*count >= 4) {
            return true;
        }
    }
    return false;
}

/* Finds a user by name or number. Sets uid, gid, home and `name`. */
static bool find_passwd(const char *wanted, struct user *user, char name[256]) {
    static char line[LINE_MAX_BYTES];
    char *fields[FIELDS_MAX];
    int count;
    unsigned uid, gid, wanted_uid;
    bool numeric = number(wanted, &wanted_uid), found = false;
    FILE *file = fopen("/etc/passwd", "re");
    while (file != NULL && !found && next_line(file, line, fields, &count)) {
        if (count < 6 || !number(fields[2], &uid) || !number(fields[3], &gid)) {
            continue;
        }
        if (strcmp(fields[0], wanted) != 0 && !(numeric && uid == wanted_uid)) {
            continue;
        }
        found = true;
        user->uid = uid;
        user->gid = gid;
        snprintf(user->home, sizeof user->home, "%s", fields[5]);
        snprintf(name, 256, "%s", fields[0]);
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static bool is_member(char *members, const char *name) {
    for (char *at = members; at != NULL;) {
        if (strcmp(strsep(&at, ","), name) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Finds the group `wanted` (by name or number) or, if it is NULL, all groups with the member
 * `name`.
 */
static bool find_groups(const char *wanted, const char *name, struct user *user) {
    static char line[LINE_MAX_BYTES];
    char *fields[FIELDS_MAX];
    int count;
    unsigned gid;
    bool found = false;
    FILE *file = fopen("/etc/group", "re");
    while (file != NULL && !found && next_line(file, line, fields, &count)) {
        if (!number(fields[2], &gid)) {
            continue;
        }
        if (wanted != NULL && strcmp(fields[0], wanted) == 0) {
            user->gid = gid;
            found = true;
        } else if (wanted == NULL && gid != user->gid && user->group_count < USER_GROUPS_MAX &&
                   is_member(fields[3], name)) {
            user->groups[user->group_count++] = gid;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static int find_own(struct user *user) {
    char text[16], name[256];
    snprintf(text, sizeof text, "%u", (unsigned)geteuid());
    gid_t gid = getegid();
    if (!find_passwd(text, user, name)) {
        snprintf(user->home, sizeof user->home, "/");
    }
    user->uid = geteuid();
    user->gid = gid;
    return 0;
}

int user_find(const char *spec, struct user *user, struct failure *failure) {
    memset(user, 0, sizeof *user);
    if (spec == NULL) {
        return find_own(user);
    }
    char wanted[512], name[256] = "";
    if (strlen(spec) >= sizeof wanted || *spec == 0) {
        return fail(failure, "USER_NOT_FOUND", "the user's name is empty or too long");
    }
    snprintf(wanted, sizeof wanted, "%s", spec);
    char *group = strchr(wanted, ':');
    if (group != NULL) {
        *group++ = 0;
    }
    unsigned id;
    bool grouped = group != NULL && *group != 0;
    user->given = true;
    if (!find_passwd(wanted, user, name)) {
        if (!number(wanted, &id)) {
            return fail(failure, "USER_NOT_FOUND", "/etc/passwd of the container has no user '%s'", wanted);
        }
        user->uid = id;
        user->gid = 0; /* as container runtimes do */
        snprintf(user->home, sizeof user->home, "/");
    }
    if (user->home[0] == 0) {
        snprintf(user->home, sizeof user->home, "/");
    }
    /* A container that already runs as this user keeps its groups. */
    if (!grouped && geteuid() != 0 && user->uid == geteuid()) {
        user->gid = getegid();
    }
    if (!grouped && name[0] != 0) {
        find_groups(NULL, name, user);
    } else if (grouped && !find_groups(group, name, user)) {
        if (!number(group, &id)) {
            return fail(failure, "USER_NOT_FOUND", "/etc/group of the container has no group '%s'", group);
        }
        user->gid = id;
    }
    if (geteuid() != 0 && (user->uid != geteuid() || user->gid != getegid())) {
        return fail(failure, "NOT_PERMITTED", "the container runs as user %u and cannot become user '%s'",
            (unsigned)geteuid(), spec);
    }
    return 0;
}

/*
 * The time in a pax record: a decimal number of seconds, with the fraction and exponent that
 * programs write for floats.
 */
#include "tar/tar_format.h"

/* Far above the range of a time, and far below an overflow. */
#define EXPONENT_MAX 100000

struct decimal {
    bool negative;
    const char *text; /* digits, with a point after the first `before` of them */
    int64_t before;   /* number of digits before the point */
    int64_t count;    /* number of digits */
    /* number of digits of whole seconds once the exponent is applied; may be negative */
    int64_t whole;
};

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static const char *after_digits(const char *at, const char *end) {
    while (at < end && is_digit(*at)) {
        at++;
    }
    return at;
}

/* Reads the part after the "e". Returns its end, or NULL without a number. */
static const char *exponent(const char *at, const char *end, int64_t *value) {
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    const char *digits = at;
    for (*value = 0; at < end && is_digit(*at); at++) {
        if (*value < EXPONENT_MAX) {
            *value = *value * 10 + (*at - '0');
        }
    }
    if (negative) {
        *value = -*value;
    }
    return at == digits ? NULL : at;
}

static bool read_decimal(const char *at, const char *end, struct decimal *number) {
    int64_t shift = 0;
    number->negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }
    number->text = at;
    at = after_digits(at, end);
    number->before = number->count = at - number->text;
    if (at < end && *at == '.') {
        const char *fraction = at + 1;
        at = after_digits(fraction, end);
        number->count += at - fraction;
    }
    if (number->count > 0 && at < end && (*at == 'e' || *at == 'E')) {
        at = exponent(at + 1, end, &shift);
    }
    number->whole = number->before + shift;
    return number->count > 0 && at == end;
}

static int digit(const struct decimal *number, int64_t index) {
    if (index < 0 || index >= number->count) {
        return 0;
    }
    return number->text[index < number->before ? index : index + 1] - '0';
}

/* Returns the whole seconds, at most INT64_MAX. */
static int64_t whole_seconds(const struct decimal *number) {
    int64_t seconds = 0;
    for (int64_t i = 0; i < number->whole; i++) {
        int next = digit(number, i);
        if (seconds > (INT64_MAX - next) / 10) {
            return INT64_MAX;
        }
        seconds = seconds * 10 + next;
    }
    return seconds;
}

/* Returns whether a digit other than 0 follows the ninth decimal place. */
static bool has_rest(const struct decimal *number) {
    for (int64_t i = number->whole + 9 < 0 ? 0 : number->whole + 9; i < number->count; i++) {
        if (digit(number, i) != 0) {
            return true;
        }
    }
    return false;
}

bool tar_time(const char *text, size_t length, struct timespec *time) {
    struct decimal number;
    if (!read_decimal(text, text + length, &number)) {
        return false;
    }
    int64_t seconds = whole_seconds(&number);
    long nanoseconds = 0;
    for (int64_t i = 0; i < 9; i++) {
        nanoseconds = nanoseconds * 10 + digit(&number, number.whole + i);
    }
    if (number.negative && has_rest(&number)) {
        nanoseconds++;
    }
    if (seconds == INT64_MAX) {
        nanoseconds = 0;
    }
    if (number.negative) {
        seconds = -seconds - (nanoseconds > 0 ? 1 : 0);
        nanoseconds = nanoseconds > 0 ? 1000000000L - nanoseconds : 0;
    }
    *time = (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = nanoseconds};
    return true;
}

/**
 * How long a test waits for something that has to happen, in milliseconds. Longer than any machine
 * takes, however busy, and shorter than the time-out of a test, which would not say what is missing.
 */
export const patienceMs = 100_000;

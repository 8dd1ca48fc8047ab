/*
 * Files, folders and links beside the folder that a fuzzer may change, with known content, kind,
 * mode and number.
 */
#ifndef KW_FUZZ_OUTSIDE_H
#define KW_FUZZ_OUTSIDE_H

/* Creates a folder with these files in it. */
int outside_open(void);
/* Aborts unless `outer` holds `allowed` and these files, unchanged, and nothing else. */
void outside_check(int outer, const char *allowed);

#endif

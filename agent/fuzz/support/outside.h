/* What lies beside the folder that a fuzzer may change: files, folders and links whose content, kind, mode and number
 * are known. */
#ifndef KW_FUZZ_OUTSIDE_H
#define KW_FUZZ_OUTSIDE_H

/* A new folder, with the bystanders in it. */
int outside_open(void);
/* Aborts unless `outer` holds `allowed` and the bystanders, as they were, and nothing else. */
void outside_check(int outer, const char *allowed);

#endif

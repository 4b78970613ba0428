/*
 * When the end of a credential is worth a line: 30, 14, 7 and 1 days before it, and when it has come.
 */
#ifndef MX_TOKEND_THRESHOLD_H
#define MX_TOKEND_THRESHOLD_H

#include <stdint.h>

#define THRESHOLDS 5

/* How many of them are crossed with so much time left; 0: none. */
unsigned threshold_crossed(int64_t left_s);

/* The n-th of them in days, n from 1 on: 30 ... 1, and 0 for the end itself. */
unsigned threshold_days(unsigned n);

/* Whole days, rounded down: half a day is 0, half a day ago is -1. */
int64_t threshold_whole_days(int64_t left_s);

#endif

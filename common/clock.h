/*
 * Clocks in milliseconds. None of them fails.
 */
#ifndef MX_COMMON_CLOCK_H
#define MX_COMMON_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC: for deadlines within one call. */
uint64_t mx_now_ms(void);

uint64_t mx_now_us(void);		/* the same in microseconds */

/* CLOCK_BOOTTIME where there is one (counts suspend), else CLOCK_MONOTONIC: for ages of tokens. */
uint64_t mx_boot_ms(void);

/* CLOCK_REALTIME since the epoch: for comparison and for people only. */
uint64_t mx_wall_ms(void);

#endif

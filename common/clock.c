#include "config.h"

#include <time.h>

#include "common/clock.h"

static uint64_t read_ms(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t mx_now_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

uint64_t mx_now_us(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t mx_boot_ms(void)
{
#if HAVE_DECL_CLOCK_BOOTTIME
	return read_ms(CLOCK_BOOTTIME);
#else
	return read_ms(CLOCK_MONOTONIC);
#endif
}

uint64_t mx_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

#include "config.h"

#include "tokend/threshold.h"

#define DAY 86400

static const unsigned days[THRESHOLDS] = { 30, 14, 7, 1, 0 };

unsigned threshold_crossed(int64_t left_s)
{
	unsigned n = 0;

	while (n < THRESHOLDS && left_s <= (int64_t)days[n] * DAY)
		n++;
	return n;
}

unsigned threshold_days(unsigned n)
{
	return days[n - 1];
}

int64_t threshold_whole_days(int64_t left_s)
{
	return left_s / DAY - (left_s % DAY < 0);
}

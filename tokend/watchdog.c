#include "config.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "tokend/log.h"
#include "tokend/notify.h"
#include "tokend/watchdog.h"

#define USEC_MIN 2000			/* shorter ones would be nothing but load */
#define USEC_MAX (24 * UINT64_C(3600000000))

static void on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	notify("WATCHDOG=1");
}

/* Half the interval in microseconds; 0: nobody watches. */
static uint64_t half_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t u, p;

	if (usec == NULL || !mx_parse_uint(usec, strlen(usec), USEC_MIN, USEC_MAX, &u))
		return 0;
	if (pid != NULL && (!mx_parse_uint(pid, strlen(pid), 1, INT32_MAX, &p) || p != (uint64_t)getpid()))
		return 0;
	return u / 2;
}

struct event *watchdog_start(struct event_base *base)
{
	uint64_t half = half_interval();
	struct timeval tv = { (time_t)(half / 1000000), (suseconds_t)(half % 1000000) };
	struct event *ev;

	if (half == 0)
		return NULL;
	ev = event_new(base, -1, EV_PERSIST, on_time, NULL);
	if (ev == NULL || event_add(ev, &tv) == -1) {
		log_event(LOG_ERR, "no_memory", "for=watchdog");
		if (ev != NULL)
			event_free(ev);
		return NULL;
	}
	return ev;
}

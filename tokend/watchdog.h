/*
 * systemd's watchdog (sd_watchdog_enabled(3)): a timer on the loop says WATCHDOG=1 at half the interval, so that
 * a loop that no longer turns is noticed, and the daemon killed and started anew.
 */
#ifndef MX_TOKEND_WATCHDOG_H
#define MX_TOKEND_WATCHDOG_H

struct event;
struct event_base;

/*
 * The timer, which runs already; the caller frees it by event_free(). NULL: $WATCHDOG_USEC asks for none, or
 * $WATCHDOG_PID means another process, or there is no memory (a log line says so; systemd will then restart us).
 */
struct event *watchdog_start(struct event_base *base);

#endif

#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/login.h"
#include "ctl/out.h"

#define NAP_MS 500		/* a signal just before poll(2) is seen that much later */

volatile sig_atomic_t login_signal;

static void on_signal(int sig)
{
	login_signal = sig;
}

void login_catch_signals(void)
{
	static const int those[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction a = { .sa_handler = on_signal }, was;

	sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < sizeof those / sizeof those[0]; i++)
		if (sigaction(those[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)	/* as nohup(1) has it */
			(void)sigaction(those[i], &a, NULL);
}

void login_progress(struct login *l, uint64_t end_ms, const char *what)
{
	const uint64_t now = mx_boot_ms(), left = end_ms > now ? (end_ms - now + 59999) / 60000 : 0;

	if (left == l->shown_min)
		return;
	l->shown_min = left;
	printf("%s%s: %s%llu %s left%s", l->tty ? "\r" : "", what, left == 1 ? "less than " : "",
	    (unsigned long long)left, left == 1 ? "minute" : "minutes", l->tty ? "      " : "\n");
	l->line = l->tty;
	(void)fflush(stdout);
}

void login_line_end(struct login *l)
{
	if (l->line)
		putchar('\n');
	l->line = false;
	l->shown_min = 0;
	(void)fflush(stdout);
}

bool login_sleep(struct login *l, uint64_t due_ms, uint64_t end_ms, const char *what)
{
	uint64_t now;

	while (login_signal == 0 && (now = mx_boot_ms()) < due_ms) {
		if (end_ms != 0)
			login_progress(l, end_ms, what);
		(void)poll(NULL, 0, due_ms - now < NAP_MS ? (int)(due_ms - now) : NAP_MS);
	}
	return login_signal == 0;
}

void login_give_up(struct login *l)
{
	const int sig = login_signal;

	login_line_end(l);
	out_error("stopped; nothing is stored");
	(void)out_end(CTL_FINE);
	(void)sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	(void)raise(sig);
	_exit(128 + sig);
}

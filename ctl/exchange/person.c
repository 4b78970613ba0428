/*
 * Somebody at the terminal.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/secret.h"
#include "ctl/exchange/exchange.h"
#include "ctl/out.h"
#include "oauth/secretfile.h"

#define LINE_MAX_BYTES 4096
#define CTRL_C 3
#define CTRL_D 4

char *xo_line(const char *prompt, const char *otherwise)
{
	char line[LINE_MAX_BYTES], *end;

	fputs(prompt, stdout);
	if (otherwise != NULL) {
		fputs(" [", stdout);
		out_text(stdout, otherwise, strlen(otherwise));
		fputc(']', stdout);
	}
	fputs(": ", stdout);
	(void)fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL) {
		putchar('\n');
		(void)fflush(stdout);
		out_error("nothing was changed: the answer is missing");
		return NULL;
	}
	end = line + strcspn(line, "\r\n");
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return strdup(line + strspn(line, " \t"));
}

bool xo_agreed(const char *prompt, bool otherwise)
{
	char line[16];

	printf("%s [%s] ", prompt, otherwise ? "Y/n" : "y/N");
	(void)fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		return false;
	if (*line == '\n')
		return otherwise;
	return strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0;
}

/* Byte by byte, past stdio, which would keep a copy. */
static bool read_hidden(struct mx_secret *s)
{
	for (;;) {
		ssize_t n;
		unsigned char c;

		if (s->len == s->cap)
			return false;
		n = read(STDIN_FILENO, s->p + s->len, 1);
		if (n == -1 && errno == EINTR)
			continue;
		c = n > 0 ? s->p[s->len] : CTRL_D;
		if (c == CTRL_C || c == CTRL_D)
			return false;
		if (c == '\n' || c == '\r')
			return s->len > 0;
		if (c == 0x7f || c == '\b')
			s->len -= s->len > 0;
		else
			s->len++;
	}
}

int xo_hidden(const char *prompt, struct mx_secret *s)
{
	struct termios was, t;
	sigset_t stop, old;
	bool ok;

	if (!mx_secret_alloc(s, OAUTH_SECRET_MAX + 1))
		return out_failed(ENOMEM);
	if (tcgetattr(STDIN_FILENO, &was) == -1)
		return out_failed(errno);
	fputs(prompt, stdout);
	(void)fflush(stdout);
	/* Ends this only when the terminal shows what is typed again. */
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &stop, &old);
	t = was;
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);	/* no line of the terminal's: longer than those */
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	ok = tcsetattr(STDIN_FILENO, TCSAFLUSH, &t) == 0 && read_hidden(s);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	putchar('\n');
	if (ok)
		return CTL_FINE;
	mx_secret_free(s);
	out_error("nothing was changed: the secret is missing");
	return CTL_FOUND;
}

#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/out.h"
#include "ctl/setup/exim.h"

#define SOCKET_PATH_MAX 106	/* bytes */

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+"

bool ex_address(const char *s)
{
	size_t n = strspn(s, WORD);

	return n > 0 && s[n] == '@' && s[n + 1] != '\0' && s[n + 1 + strspn(s + n + 1, WORD)] == '\0';
}

bool ex_run(const struct ex *e, const char *const args[], struct su_output *o)
{
	const char *argv[SU_ARGS_MAX + 1] = { e->exim };
	size_t n = 1;

	for (; *args != NULL && n < SU_ARGS_MAX; args++)
		argv[n++] = *args;
	return su_run(argv, o) && o->status == 0;
}

/* Where a configuration of one's own is told how to be written. */
static int not_debians(const char *dir)
{
	out_error("%s is not a configuration that update-exim4.conf makes (there is no update-exim4.conf.conf in it, "
	    "or it is not " EX_DIR "), so nothing was changed; for any other Exim see " EX_PIECES "/exim.conf, and "
	    "exim.md, \"Any other Exim\"", dir);
	return CTL_CONFIG;
}

static int find_programs(struct ex *e)
{
	const struct passwd *pw = getpwnam(EX_USER);

	if ((e->exim = su_find_program("exim4")) == NULL) {
		out_error("exim4 is neither on PATH nor in /usr/sbin: is Debian's Exim installed?");
		return CTL_CONFIG;
	}
	if ((e->update = su_find_program("update-exim4.conf")) == NULL)
		return not_debians(e->dir);
	if (pw == NULL) {
		out_error("there is no user \"" EX_USER "\": is Debian's Exim installed?");
		return CTL_CONFIG;
	}
	e->uid = pw->pw_uid, e->gid = pw->pw_gid;
	return CTL_FINE;
}

int ex_open(struct ex *e, const struct call *c)
{
	const char *dir = c->instance != NULL ? c->instance : EX_DIR;
	struct stat st;
	char *conf;
	bool there;
	int r;

	*e = (struct ex){ .c = c, .account = c->account, .pieces = c->pieces != NULL ? c->pieces : EX_PIECES };
	e->socket = c->socket != NULL ? c->socket : MX_SOCKET;
	e->job = (struct su_job){ .c = c, .server = NULL, .arg = e, .config = c->config != NULL ? c->config : CTL_CONF,
		.found = &e->found };
	if (!su_plain_path(dir) || !su_plain_path(e->job.config) || !su_plain_path(e->pieces) ||
	    !su_plain_path(e->socket) || strlen(e->socket) > SOCKET_PATH_MAX)
		return out_usage(c->verb, "--instance, --config, --pieces and --socket must be absolute paths of "
		    "letters, digits and ._-+@~");
	if ((r = su_relay(c, &e->host, &e->port)) != CTL_FINE)
		return r;
	if (e->host != NULL && strchr(e->host, ':') != NULL)
		return out_usage(c->verb, "--relayhost must be a name, which the server's certificate can prove");
	if ((e->dir = realpath(dir, NULL)) == NULL) {
		out_error("%s: %s; --instance names the folder of Exim's configuration", dir, strerror(errno));
		return CTL_CONFIG;
	}
	e->job.dir = e->dir;
	conf = su_join(e->dir, "/update-exim4.conf.conf", "");
	there = conf != NULL && stat(conf, &st) == 0;
	free(conf);
	return !there || strcmp(e->dir, EX_DIR) != 0 ? not_debians(e->dir) : find_programs(e);
}

void ex_close(struct ex *e)
{
	if (e->stage != NULL)
		(void)su_remove_folder(e->stage);
	free(e->dir);
	free(e->exim);
	free(e->update);
	free(e->type);
	free(e->smarthost);
	free(e->host);
	free(e->owned_account);
	free(e->clients.names);
	free(e->stage);
	conf_free(e->conf);
	su_found_free(&e->found);
}

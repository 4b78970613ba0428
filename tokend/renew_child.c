#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "oauth/http_wait.h"
#include "oauth/refresh_file.h"
#include "tokend/log.h"
#include "tokend/renew_child.h"
#include "tokend/watch.h"

#define OUT 3			/* where the child has its end of the pair */
#define STORE_MS 10000		/* so long a new token is tried to be stored */
#define STORE_STEP_MS 250
#define MARGIN_S 5		/* beyond what its parts may take: then it hangs, and is ended */

/* Listeners, askers' connections, other providers' connections, the loop: none of them is the child's. */
static void close_others(int fd)
{
	if (fd != OUT && dup2(fd, OUT) == -1)
		_exit(1);
#ifdef HAVE_CLOSE_RANGE
	if (close_range(OUT + 1, ~0U, 0) == 0)
		return;
#endif
	struct rlimit r;
	int n = getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < 1048576 ? (int)r.rlim_cur : 1048576;

	for (int i = OUT + 1; i < n; i++)
		close(i);
}

/* What ends the daemon does not end the child; only its own clock does. */
static void calm(const struct oauth_client *c)
{
	static const int deaf[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGABRT, SIGUSR1, SIGUSR2, SIGPIPE };
	struct sigaction ign = { .sa_handler = SIG_IGN }, dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (size_t i = 0; i < sizeof deaf / sizeof deaf[0]; i++)
		(void)sigaction(deaf[i], &ign, NULL);
	(void)sigaction(SIGALRM, &dfl, NULL);
	(void)sigaction(SIGCHLD, &dfl, NULL);
	(void)alarm((c->timeout_ms + STORE_MS) / 1000 + MARGIN_S);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void fail(struct renew_word *w, const char *name, const struct mx_err *e)
{
	mx_secret_free(&w->token.access_token);
	w->ok = false;
	w->failure = (struct oauth_failure){ .permanent = e->cls == MX_CONFIG, .retry_after_s = -1 };
	mx_fail(&w->failure.err, e->cls, e->code, "client \"%.64s\": %s", name, e->text);
}

/*
 * The provider has ended the old token, so this is the moment that counts: whatever fails is tried again for a while,
 * and loudly.
 */
static void store(struct oauth_refresh_lock *l, const struct oauth_client *c, const struct mx_secret *token,
    struct renew_word *w)
{
	const struct timespec nap = { 0, STORE_STEP_MS * 1000000L };
	uint64_t until = mx_now_ms() + STORE_MS;
	char q[MX_TEXT_MAX + 40];
	bool said = false;
	struct mx_err e;

	(void)alarm(STORE_MS / 1000 + MARGIN_S);
	while (oauth_refresh_replace(l, token, (uid_t)-1, (gid_t)-1, &e) != MX_OK) {
		if (!said)
			log_event(LOG_ERR, "refresh_token_not_stored", "client=%s text=%s", c->name,
			    mx_quote(q, sizeof q, e.text, strlen(e.text)));
		said = true;
		if (mx_now_ms() >= until) {
			mx_fail(&e, MX_TEMP, "refresh-token-unwritable", "the identity provider has given a new "
			    "refresh token, which could not be stored in %.200s for %d s, so that its access token is "
			    "not used either; mend the disk, and run \"mta-xoauth2 login ACCOUNT\" if the old one is "
			    "refused now", c->refresh_token_file, STORE_MS / 1000);
			fail(w, c->name, &e);
			log_event(LOG_ERR, "refresh_token_lost", "client=%s text=%s", c->name,
			    mx_quote(q, sizeof q, e.text, strlen(e.text)));
			return;
		}
		(void)nanosleep(&nap, NULL);
	}
	w->replaced = true;
	w->files = watch_look_grant(c);
	log_event(said ? LOG_NOTICE : LOG_INFO, "refresh_token_stored", "client=%s", c->name);
}

/* What renew_prepare() has sent: it is there. */
static bool proof_of(const struct oauth_client *c, struct mx_secret *proof, struct renew_word *w)
{
	ssize_t n = recv(OUT, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	struct mx_err e;

	if (n > 0 && mx_secret_alloc(proof, (size_t)n + 1) && recv(OUT, proof->p, (size_t)n, MSG_DONTWAIT) == n) {
		proof->len = (size_t)n;
		proof->p[n] = '\0';
		return true;
	}
	mx_fail(&e, MX_TEMP, "no-memory", "no memory for a token request; look at the daemon's memory limit");
	fail(w, c->name, &e);
	return false;
}

static void renew(const struct oauth_client *c, const struct oauth_credential *k, struct renew_word *w)
{
	struct mx_secret proof = { 0 };
	struct oauth_refresh_lock *l = NULL;
	struct mx_secret old = { 0 };
	struct oauth_want want = { .refresh_token = &old };
	struct mx_err e;

	if (k->auth == OAUTH_AUTH_PRIVATE_KEY_JWT) {
		if (!proof_of(c, &proof, w))
			goto out;
		want.proof = &proof;
	}
	if (oauth_refresh_lock(c->refresh_token_file, &l, &e) != MX_OK || oauth_refresh_read(l, &old, &e) != MX_OK ||
	    oauth_refresh_prepare(l, &e) != MX_OK) {
		fail(w, c->name, &e);
		goto out;
	}
	w->ok = oauth_http_wait("mta-xoauth2/" PACKAGE_VERSION, c, k, &want, &w->token, &w->failure) == MX_OK;
	if (w->token.refresh_malformed)
		log_event(LOG_ERR, "refresh_token_malformed", "client=%s text=\"the identity provider's reply holds a "
		    "refresh token that is none; the old one stays, and may be refused from now on\"", c->name);
	if (w->token.refresh_token.len > 0 && !mx_secret_equal(&w->token.refresh_token, &old))
		store(l, c, &w->token.refresh_token, w);
out:
	mx_secret_free(&w->token.refresh_token);
	mx_secret_free(&old);
	mx_secret_free(&proof);
	oauth_refresh_unlock(l);
}

bool renew_prepare(int fd, const struct oauth_client *c, const struct oauth_credential *k, struct oauth_failure *f)
{
	struct mx_secret proof = { 0 };
	bool ok;

	if (k->auth != OAUTH_AUTH_PRIVATE_KEY_JWT)
		return true;
	if (!oauth_exchange_sign(c, k, &proof, f))
		return false;
	ok = send(fd, proof.p, proof.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)proof.len;
	if (!ok) {
		*f = (struct oauth_failure){ .retry_after_s = -1 };
		mx_fail(&f->err, MX_TEMP, "no-memory", "client \"%.64s\": no memory for a token request; look at the daemon's "
		    "memory limit", c->name);
	}
	mx_secret_free(&proof);
	return ok;
}

bool renew_tell(int fd, const struct oauth_failure *f)
{
	struct renew_word w = { .failure = *f };

	return send(fd, &w, sizeof w, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof w;
}

_Noreturn void renew_child(int fd, const struct oauth_client *c, const struct oauth_credential *k)
{
	struct renew_word w = { .ok = false };
	struct iovec part[2];
	struct msghdr m = { .msg_iov = part, .msg_iovlen = 2 };

	close_others(fd);
	log_forked();
	mx_secret_forked();
	calm(c);
	renew(c, k, &w);
	part[0] = (struct iovec){ &w, sizeof w };
	part[1] = (struct iovec){ w.token.access_token.p, w.token.access_token.len };
	(void)sendmsg(OUT, &m, MSG_NOSIGNAL);	/* nobody is there any more: the next daemon finds the file */
	mx_secret_free(&w.token.access_token);
	mx_wipe(&w, sizeof w);
	_exit(0);
}

bool renew_hear(int fd, struct renew_word *w, struct mx_secret *token)
{
	struct iovec part[2];
	struct msghdr m = { .msg_iov = part, .msg_iovlen = 2 };
	ssize_t n;

	if (!mx_secret_alloc(token, OAUTH_TOKEN_MAX + 1)) {
		errno = ENOMEM;
		return false;
	}
	part[0] = (struct iovec){ w, sizeof *w };
	part[1] = (struct iovec){ token->p, OAUTH_TOKEN_MAX };
	n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n >= (ssize_t)sizeof *w && (m.msg_flags & MSG_TRUNC) == 0) {
		token->len = (size_t)n - sizeof *w;
		token->p[token->len] = '\0';
		w->token.access_token = w->token.refresh_token = (struct mx_secret){ 0 };
		return true;
	}
	if (n >= 0)
		errno = EPIPE;
	mx_secret_free(token);
	return false;
}

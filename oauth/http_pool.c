#include "config.h"

#include <stdlib.h>

#include "common/clock.h"
#include "oauth/http-private.h"

#define HOST_CONNECTIONS 64L	/* with HTTP/1; with HTTP/2 as many requests share one */
#define IDLE_CONNECTIONS 64L	/* kept after a herd, for the next one */
#define LIFE_MS 300000u		/* no connection is used longer: who moved is followed by then */
#define QUIET_MS 10000u		/* without any request: longer than until the second try of one that failed in passing */
#define YOUNG_MS 1000u		/* what was made so recently has hardly died in silence */
#define POOLS_MAX 4u		/* with those that still end */

/* Called by libcurl, also from inside our calls into it: only arms (R10 of the house rules). */
static int on_timer(CURLM *m, long ms, void *arg)
{
	struct oauth_pool *p = arg;

	(void)m;
	/*
	 * One more than asked for: libcurl's clock is finer than ours, and early would be in vain.
	 */
	p->due = ms < 0 ? OAUTH_HTTP_NEVER : mx_now_ms() + (uint64_t)ms + (ms > 0);
	oauth_http_arm(p->h);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct oauth_pool *p = arg;
	void *slot = mine;
	int want = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? OAUTH_HTTP_IN : 0) |
	    (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? OAUTH_HTTP_OUT : 0);

	(void)easy;
	p->h->loop.watch(p->h->loop.ctx, fd, what == CURL_POLL_REMOVE ? 0 : want, &slot);
	if (what != CURL_POLL_REMOVE && slot != mine)
		curl_multi_assign(p->m, fd, slot);
	return 0;
}

static void pool_free(struct oauth_pool *p)
{
	if (p->m != NULL)
		/* closes connections: the loop is still told to forget them */
		curl_multi_cleanup(p->m);
	free(p);
}

bool oauth_pool_renew(struct oauth_http *h)
{
	struct oauth_pool *p = calloc(1, sizeof *p);

	if (p == NULL)
		return false;
	p->h = h;
	p->born = mx_now_ms();
	p->due = p->quiet = OAUTH_HTTP_NEVER;
	if ((p->m = curl_multi_init()) == NULL ||
	    curl_multi_setopt(p->m, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
	    curl_multi_setopt(p->m, CURLMOPT_SOCKETDATA, p) != CURLM_OK ||
	    curl_multi_setopt(p->m, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
	    curl_multi_setopt(p->m, CURLMOPT_TIMERDATA, p) != CURLM_OK ||
	    curl_multi_setopt(p->m, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) != CURLM_OK ||
	    curl_multi_setopt(p->m, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS) != CURLM_OK ||
	    curl_multi_setopt(p->m, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS) != CURLM_OK) {
		pool_free(p);
		return false;
	}
	p->next = h->pools;
	h->pools = p;
	return true;
}

void oauth_pool_sweep(struct oauth_http *h, bool all)
{
	struct oauth_pool **at = all ? &h->pools : &h->pools->next, *p;

	while ((p = *at) != NULL)
		if (all || p->live == 0) {
			*at = p->next;
			pool_free(p);
		} else {
			at = &p->next;
		}
}

static unsigned pools(const struct oauth_http *h)
{
	unsigned n = 0;

	for (const struct oauth_pool *p = h->pools; p != NULL; p = p->next)
		n++;
	return n;
}

bool oauth_pool_add(struct oauth_fetch *f)
{
	struct oauth_http *h = f->h;

	if (mx_now_ms() - h->pools->born >= LIFE_MS && pools(h) < POOLS_MAX)
		(void)oauth_pool_renew(h);	/* without memory the old one has to do */
	if (curl_multi_add_handle(h->pools->m, f->easy) != CURLM_OK)
		return false;
	f->pool = h->pools;
	f->pool->live++;
	f->pool->quiet = OAUTH_HTTP_NEVER;
	return true;
}

void oauth_pool_remove(struct oauth_fetch *f)
{
	if (f->pool == NULL)
		return;
	curl_multi_remove_handle(f->pool->m, f->easy);
	if (--f->pool->live == 0) {
		f->pool->quiet = mx_now_ms() + QUIET_MS;
		oauth_http_arm(f->h);
	}
	f->pool = NULL;
}

void oauth_pool_rest(struct oauth_http *h)
{
	struct oauth_pool *p = h->pools;

	if (p->quiet <= mx_now_ms() && !oauth_pool_renew(h))
		p->quiet = mx_now_ms() + QUIET_MS;
}

bool oauth_pool_distrust(struct oauth_http *h, const struct oauth_pool *failed)
{
	uint64_t now = mx_now_ms();

	if (failed != h->pools && now - h->pools->born < YOUNG_MS)
		return true;
	/* Not more often: a host that loses every connection is not to cost others theirs. */
	if (now - h->distrusted < YOUNG_MS || pools(h) >= POOLS_MAX || !oauth_pool_renew(h))
		return false;
	h->distrusted = now;
	return true;
}

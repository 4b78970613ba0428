#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "oauth/http-private.h"
#include "oauth/wipe.h"

#define HOST_CONNECTIONS 64L		/* more requests wait; HTTP/2 takes a hundred on one */
#define ALL_CONNECTIONS 512L		/* stays below the usual limit of 1024 descriptors */
#define NEVER UINT64_MAX

/* --- the loop ------------------------------------------------------------------------ */

/* The one timer serves two purposes: libcurl's own, and failures found at the start. */
static void arm(struct oauth_http *h)
{
	uint64_t now = mx_now_ms();

	if (h->failed.head != NULL)
		h->loop.timer(h->loop.ctx, 0);
	else if (h->due == NEVER)
		h->loop.timer(h->loop.ctx, -1);
	else
		h->loop.timer(h->loop.ctx, h->due > now ? (long)(h->due - now) : 0);
}

/* Called by libcurl, also from inside our calls into it: only arms (R10 of the house rules). */
static int on_timer(CURLM *m, long ms, void *arg)
{
	struct oauth_http *h = arg;

	(void)m;
	/*
	 * One more than asked for: libcurl's clock is finer than ours, and early would be in vain.
	 */
	h->due = ms < 0 ? NEVER : mx_now_ms() + (uint64_t)ms + (ms > 0);
	arm(h);
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *mine)
{
	struct oauth_http *h = arg;
	void *slot = mine;
	int want = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? OAUTH_HTTP_IN : 0) |
	    (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? OAUTH_HTTP_OUT : 0);

	(void)easy;
	h->loop.watch(h->loop.ctx, fd, what == CURL_POLL_REMOVE ? 0 : want, &slot);
	if (what != CURL_POLL_REMOVE && slot != mine)
		curl_multi_assign(h->m, fd, slot);
	return 0;
}

/* --- lists --------------------------------------------------------------------------- */

void oauth_http_link(struct list *l, struct oauth_fetch *f)
{
	f->in = l;
	if ((f->prev = l->tail) != NULL)
		f->prev->next = f;
	else
		l->head = f;
	l->tail = f;
}

void oauth_http_unlink(struct oauth_fetch *f)
{
	if (f->in == NULL)
		return;
	*(f->prev != NULL ? &f->prev->next : &f->in->head) = f->next;
	*(f->next != NULL ? &f->next->prev : &f->in->tail) = f->prev;
	f->in = NULL;
}

static void reap(struct oauth_http *h)
{
	CURLMsg *g;
	char *f;
	int left;

	while ((g = curl_multi_info_read(h->m, &left)) != NULL)
		if (g->msg == CURLMSG_DONE) {
			CURLcode code = g->data.result;

			if (curl_easy_getinfo(g->easy_handle, CURLINFO_PRIVATE, &f) == CURLE_OK)
				oauth_http_finish((struct oauth_fetch *)(void *)f, code);
		}
}

/* --- what http.h offers -------------------------------------------------------------- */

bool oauth_http_global_init(void)
{
	return oauth_wipe_install() &&
	    curl_global_init_mem(CURL_GLOBAL_DEFAULT, oauth_wipe_malloc, oauth_wipe_free,
	    oauth_wipe_realloc, oauth_wipe_strdup, oauth_wipe_calloc) == CURLE_OK;
}

/*
 * Has libcurl's directory of CAs the names by hash that OpenSSL looks for (c_rehash(1))? Then the
 * one CA that is needed is read; the bundle of all of them takes 2 MB of memory and 50 ms in the
 * loop.
 */
static bool has_ca_dir(void)
{
	CURL *easy = curl_easy_init();
	char *path = NULL;
	struct dirent *d;
	DIR *dir = NULL;
	bool found = false;

	if (easy != NULL && curl_easy_getinfo(easy, CURLINFO_CAPATH, &path) == CURLE_OK &&
	    path != NULL)
		dir = opendir(path);
	while (dir != NULL && !found && (d = readdir(dir)) != NULL)
		found =
		    strspn(d->d_name, "0123456789abcdef") == 8 && strcmp(d->d_name + 8, ".0") == 0;
	if (dir != NULL)
		closedir(dir);
	curl_easy_cleanup(easy);
	return found;
}

struct oauth_http *oauth_http_new(const struct oauth_http_loop *loop, const char *user_agent)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	struct oauth_http *h = NULL;

	if (!(v->features & CURL_VERSION_SSL) || (h = calloc(1, sizeof *h)) == NULL)
		return NULL;
	h->loop = *loop;
	h->due = NEVER;
	h->ca_dir = has_ca_dir();
	if ((h->user_agent = strdup(user_agent)) == NULL || (h->m = curl_multi_init()) == NULL ||
	    curl_multi_setopt(h->m, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_TIMERFUNCTION, on_timer) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_TIMERDATA, h) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS) != CURLM_OK ||
	    curl_multi_setopt(h->m, CURLMOPT_MAX_TOTAL_CONNECTIONS, ALL_CONNECTIONS) != CURLM_OK) {
		oauth_http_free(h);
		return NULL;
	}
	return h;
}

void oauth_http_free(struct oauth_http *h)
{
	if (h == NULL)
		return;
	while (h->live.head != NULL)
		oauth_http_fetch_free(h->live.head);
	while (h->failed.head != NULL)
		oauth_http_fetch_free(h->failed.head);
	if (h->m != NULL)
		/* closes connections: the loop is still told to forget them */
		curl_multi_cleanup(h->m);
	free(h->user_agent);
	free(h);
}

struct oauth_fetch *oauth_http_start(struct oauth_http *h, const struct oauth_client *c,
    oauth_fetch_done *done, void *arg)
{
	struct oauth_fetch *f = calloc(1, sizeof *f);
	struct mx_err e;
	CURLcode r;

	if (f == NULL)
		return NULL;
	f->h = h, f->c = c, f->done = done, f->arg = arg;
	f->started = mx_now_ms();
	if ((r = oauth_http_prepare(f, &e)) == CURLE_OK) {
		oauth_http_link(&h->live, f);
		return f;
	}
	if ((f->early = calloc(1, sizeof *f->early)) == NULL) {
		oauth_http_fetch_free(f);
		return NULL;
	}
	if (e.cls != MX_OK)
		*f->early = (struct oauth_failure){
			.err = e, .permanent = e.cls == MX_CONFIG, .retry_after_s = -1,
		};
	else
		oauth_http_failed(f, r, f->early);
	oauth_http_link(&h->failed, f);
	arm(h);
	return f;
}

void oauth_http_cancel(struct oauth_fetch *f)
{
	oauth_http_fetch_free(f);
}

void oauth_http_ready(struct oauth_http *h, int fd, int what)
{
	int running;

	curl_multi_socket_action(h->m, fd, (what & OAUTH_HTTP_IN ? CURL_CSELECT_IN : 0) |
	    (what & OAUTH_HTTP_OUT ? CURL_CSELECT_OUT : 0), &running);
	reap(h);
}

/* Those that are there now; what a callback adds waits for the next round. */
static void deliver_failed(struct oauth_http *h)
{
	struct oauth_fetch *f, *last = h->failed.tail;
	bool more = last != NULL;

	while (more && (f = h->failed.head) != NULL) {
		more = f != last;
		oauth_http_finish(f, CURLE_OK);
	}
}

void oauth_http_timeout(struct oauth_http *h)
{
	int running;
	long ms = -1;

	deliver_failed(h);
	if (h->due <= mx_now_ms()) {
		h->due = NEVER;
		curl_multi_socket_action(h->m, CURL_SOCKET_TIMEOUT, 0, &running);
		reap(h);
		/*
		 * libcurl tells of changes only; ask, so that nothing is lost between its clock
		 * and ours.
		 */
		if (h->due == NEVER && curl_multi_timeout(h->m, &ms) == CURLM_OK && ms >= 0)
			h->due = mx_now_ms() + (uint64_t)ms + 1;
	}
	arm(h);
}

#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "oauth/http-private.h"
#include "oauth/wipe.h"

/* --- the loop ------------------------------------------------------------------------ */

/* The one timer serves three purposes: libcurl's own, failures found at the start, and connections that rest. */
void oauth_http_arm(struct oauth_http *h)
{
	uint64_t now = mx_now_ms(), due = OAUTH_HTTP_NEVER;

	for (const struct oauth_pool *p = h->pools; p != NULL; p = p->next)
		if (p->due < due)
			due = p->due;
	if (h->pools != NULL && h->pools->quiet < due)
		due = h->pools->quiet;
	if (h->failed.head != NULL)
		h->loop.timer(h->loop.ctx, 0);
	else if (due == OAUTH_HTTP_NEVER)
		h->loop.timer(h->loop.ctx, -1);
	else
		h->loop.timer(h->loop.ctx, due > now ? (long)(due - now) : 0);
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

static void reap(struct oauth_pool *p)
{
	CURLMsg *g;
	int left;

	while ((g = curl_multi_info_read(p->m, &left)) != NULL)
		if (g->msg == CURLMSG_DONE) {
			CURLcode code = g->data.result;
			struct oauth_fetch *f;
			char *arg;

			if (curl_easy_getinfo(g->easy_handle, CURLINFO_PRIVATE, &arg) != CURLE_OK)
				continue;
			f = (struct oauth_fetch *)(void *)arg;
			/* libcurl takes a head that was cut, or none at all, for a whole one. */
			if (code == CURLE_OK && !f->headed)
				code = f->begun ? CURLE_PARTIAL_FILE : CURLE_GOT_NOTHING;
			if (code == CURLE_OK || !oauth_http_repeat(f, code))
				oauth_http_finish(f, code);
		}
}

/* --- what http.h offers -------------------------------------------------------------- */

bool oauth_http_global_init(void)
{
	static bool done;

	return done || (done = oauth_wipe_install() &&
	    curl_global_init_mem(CURL_GLOBAL_DEFAULT, oauth_wipe_malloc, oauth_wipe_free,
	    oauth_wipe_realloc, oauth_wipe_strdup, oauth_wipe_calloc) == CURLE_OK);
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

const char *oauth_http_version(void)
{
	return curl_version();
}

struct oauth_http *oauth_http_new(const struct oauth_http_loop *loop, const char *user_agent)
{
	const curl_version_info_data *v = curl_version_info(CURLVERSION_NOW);
	struct oauth_http *h = NULL;

	if (!(v->features & CURL_VERSION_SSL) || (h = calloc(1, sizeof *h)) == NULL)
		return NULL;
	h->loop = *loop;
	h->ca_dir = has_ca_dir();
	if ((h->user_agent = strdup(user_agent)) == NULL || !oauth_pool_renew(h)) {
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
	oauth_pool_sweep(h, true);
	free(h->user_agent);
	free(h);
}

struct oauth_fetch *oauth_http_start(struct oauth_http *h, const struct oauth_client *c,
    const struct oauth_credential *k, const struct oauth_want *w, oauth_fetch_done *done, void *arg)
{
	struct oauth_fetch *f = calloc(1, sizeof *f);
	struct oauth_failure why;
	CURLcode r = CURLE_OK;

	if (f == NULL)
		return NULL;
	f->h = h, f->done = done, f->arg = arg;
	f->started = mx_now_ms();
	if (oauth_exchange_begin(&f->x, c, k, w, &why)) {
		if ((r = oauth_http_send(f)) == CURLE_OK) {
			oauth_http_link(&h->live, f);
			return f;
		}
		oauth_http_failed(f, r, &why);
	}
	if ((f->early = calloc(1, sizeof *f->early)) == NULL) {
		oauth_http_fetch_free(f);
		return NULL;
	}
	*f->early = why;
	oauth_http_link(&h->failed, f);
	oauth_http_arm(h);
	return f;
}

void oauth_http_cancel(struct oauth_fetch *f)
{
	oauth_http_fetch_free(f);
}

void oauth_http_ready(struct oauth_http *h, int fd, int what)
{
	int running;

	/* A pool that does not know the descriptor takes no notice; new ones come in front. */
	for (struct oauth_pool *p = h->pools; p != NULL; p = p->next) {
		curl_multi_socket_action(p->m, fd, (what & OAUTH_HTTP_IN ? CURL_CSELECT_IN : 0) |
		    (what & OAUTH_HTTP_OUT ? CURL_CSELECT_OUT : 0), &running);
		reap(p);
	}
	oauth_pool_sweep(h, false);
}

/* Those that are there now; what a callback adds waits for the next round. */
static void deliver_failed(struct oauth_http *h)
{
	struct oauth_fetch *f, *last = h->failed.tail;
	bool more = last != NULL;

	while (more && (f = h->failed.head) != NULL) {
		more = f != last;
		oauth_http_finish(f, CURLE_OUT_OF_MEMORY);	/* if nothing else is known */
	}
}

void oauth_http_timeout(struct oauth_http *h)
{
	int running;
	long ms = -1;

	deliver_failed(h);
	for (struct oauth_pool *p = h->pools; p != NULL; p = p->next) {
		if (p->due > mx_now_ms())
			continue;
		p->due = OAUTH_HTTP_NEVER;
		curl_multi_socket_action(p->m, CURL_SOCKET_TIMEOUT, 0, &running);
		reap(p);
		/*
		 * libcurl tells of changes only; ask, so that nothing is lost between its clock
		 * and ours.
		 */
		if (p->due == OAUTH_HTTP_NEVER && curl_multi_timeout(p->m, &ms) == CURLM_OK &&
		    ms >= 0)
			p->due = mx_now_ms() + (uint64_t)ms + 1;
	}
	oauth_pool_rest(h);
	oauth_pool_sweep(h, false);
	oauth_http_arm(h);
}

#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYS_VFS_H
#include <sys/vfs.h>
#endif

#include "common/clock.h"
#include "common/text.h"
#include "engine/store.h"
#include "tokend/cache.h"
#include "tokend/log.h"
#include "tokend/notify.h"

#define FILE_NAME "tokens"		/* beside the first socket */
#define LOCK_MS 2000			/* a daemon that is being replaced has the file that long */
#define TMPFS 0x01021994		/* statfs(2) */
#define RAMFS 0x858458f6
#define REVIEW_S 300			/* tokens of mailboxes that nobody asks for are looked at so often */

struct cache {
	struct store *store;
	size_t restored;
	bool in_file;
	struct event *review;		/* NULL: nothing is left that nobody has asked for */
	bool full;			/* said so, and it has not changed */
};

static void failed(const char *path, const char *why, const char *mend)
{
	char q[300], text[400];

	log_event(LOG_WARNING, "cache_failed", "path=%s reason=%s text=%s",
	    mx_quote(q, sizeof q, path, strlen(path)), why, mx_quote(text, sizeof text, mend, strlen(mend)));
}

static void ignored(const char *where, const char *why)
{
	log_event(LOG_NOTICE, "cache_ignored", "where=%s reason=%s text=\"the tokens of an earlier process cannot be "
	    "used; each client fetches one anew\"", where, why);
}

/* "" where it cannot be read, as below systemd's ProcSubset=pid: what is kept in memory ends with the boot anyway. */
static void boot_id(char out[STORE_BOOT_MAX])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, out, STORE_BOOT_MAX - 1);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (fd != -1)
		close(fd);
}

/* --- under systemd ------------------------------------------------------------------------ */

#ifdef HAVE_MEMFD_CREATE
static struct store *new_memfd(const char *boot)
{
	struct store *st = NULL;
	enum store_why why;
	int fd = memfd_create("mta-xoauth2-tokens", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == -1) {
		failed("memfd", "no-memfd", strerror(errno));
		if (fd != -1)
			close(fd);
		return NULL;
	}
	if ((why = store_open(fd, boot, &st)) != STORE_FINE)
		failed("memfd", store_why(why), "no memory for kept tokens; look at the daemon's memory limit");
	return st;
}

/* Of those that came back (one, unless something went wrong before) the one written last. */
static struct store *inherited(const char *boot, int nfds, int *came)
{
	struct store *best = NULL, *st;
	enum store_why why;
	int i, seals;

	*came = 0;
	for (i = 0; i < nfds; i++) {
		int fd = NOTIFY_FD_FIRST + i;

		if (strcmp(notify_fd_name(i), CACHE_FD_NAME) != 0)
			continue;
		++*came;
		seals = fcntl(fd, F_GET_SEALS);
		if (seals == -1 || (seals & F_SEAL_SHRINK) == 0) {
			ignored("fdstore", "not-sealed");
			close(fd);
			continue;
		}
		if ((why = store_open(fd, boot, &st)) != STORE_FINE) {
			ignored("fdstore", store_why(why));
			continue;
		}
		if (best == NULL || store_generation(st) > store_generation(best)) {
			store_close(best);
			best = st;
		} else {
			store_close(st);
		}
	}
	return best;
}

static struct store *open_fdstore(int nfds)
{
	char boot[STORE_BOOT_MAX];
	struct store *st;
	int came;

	boot_id(boot);
	st = inherited(boot, nfds, &came);
	if (st != NULL && came == 1)
		return st;			/* and systemd has it still */
	if (came > 0)
		notify("FDSTOREREMOVE=1\nFDNAME=" CACHE_FD_NAME);
	if (st == NULL)
		st = new_memfd(boot);
	if (st != NULL)
		notify_with_fd("FDSTORE=1\nFDNAME=" CACHE_FD_NAME, store_fd(st));
	return st;
}
#else
static struct store *open_fdstore(int nfds)
{
	(void)nfds;
	failed("memfd", "no-memfd", "this system has no memfd_create(2)");
	return NULL;
}
#endif

/* --- elsewhere ---------------------------------------------------------------------------- */

static bool in_memory(int fd)
{
#ifdef HAVE_SYS_VFS_H
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && ((unsigned long)fs.f_type == TMPFS || (unsigned long)fs.f_type == RAMFS);
#else
	(void)fd;
	return false;			/* nothing known that would tell */
#endif
}

/* The file is ours alone, in memory alone, and nobody else's process has it. -1: said why not. */
static int open_file(const char *path, int tries)
{
	const struct timespec nap = { 0, 20 * 1000 * 1000 };
	uint64_t until = mx_now_ms() + LOCK_MS;
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	struct stat st, named;
	char text[200];

	if (fd == -1) {
		snprintf(text, sizeof text, "it cannot be opened (%s): its directory must be the daemon's user's; or "
		    "set token_cache to another path on tmpfs, or to none", strerror(errno));
		failed(path, "open", text);
		return -1;
	}
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0 ||
	    st.st_nlink != 1) {
		failed(path, "not-ours", "it must be a plain file of the daemon's user, with mode 0600 and one name; "
		    "remove it");
		goto fail;
	}
	if (!in_memory(fd)) {
		failed(path, "not-tmpfs", "tokens are not written to a disk: set token_cache to a path on tmpfs, such "
		    "as below /run, or to none");
		if (st.st_size == 0)
			(void)unlink(path);
		goto fail;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		if (mx_now_ms() >= until) {
			failed(path, "in-use", "another daemon has it; give each its own token_cache");
			goto fail;
		}
		(void)nanosleep(&nap, NULL);
	}
	if (stat(path, &named) == 0 && named.st_ino == st.st_ino && named.st_dev == st.st_dev)
		return fd;
	close(fd);			/* whoever had it has put another one in its place */
	if (tries > 1)
		return open_file(path, tries - 1);
	failed(path, "in-use", "other daemons exchange it all the time; give each its own token_cache");
	return -1;
fail:
	close(fd);
	return -1;
}

/* the one whose file can be made shorter; NULL: none, or it is being opened */
static struct store *volatile mapped;
static volatile sig_atomic_t opening;

/*
 * Somebody has made the file shorter while it is mapped, which only root and the daemon's user can. What was in it is
 * gone, and with it what the instruction at hand wanted: there is no way on, but one to say why. Any other SIGBUS
 * (a program file exchanged in place, broken memory, kill(1)) is left to the system, whose action counts again.
 */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	static const char text[] = "cache_truncated text=\"the file of token_cache was made shorter while in use; the "
	    "daemon ends and is to be started again: remove that file, never truncate it\"\n";

	(void)context;
	if (info->si_code <= 0) {	/* sent by somebody: it would not come again by itself */
		(void)raise(sig);
		return;
	}
	if (!opening && !store_has(mapped, info->si_addr))
		return;
	if (write(STDERR_FILENO, text, sizeof text - 1) == -1)
		(void)errno;
	_exit(75);
}

static struct store *open_on_tmpfs(const char *path)
{
	struct sigaction act = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND };
	char boot[STORE_BOOT_MAX];
	struct store *st = NULL;
	enum store_why why;
	int fd = open_file(path, 3);

	if (fd == -1)
		return NULL;
	(void)sigaction(SIGBUS, &act, NULL);
	boot_id(boot);
	opening = 1;
	why = store_open(fd, boot, &st);
	if (why == STORE_VERSION || why == STORE_BOOT || why == STORE_DAMAGED) {
		ignored("file", store_why(why));
		(void)unlink(path);	/* another file, never the same one made shorter: somebody may have it mapped */
		if ((fd = open_file(path, 3)) == -1) {
			opening = 0;
			return NULL;
		}
		why = store_open(fd, boot, &st);
	}
	mapped = st;
	opening = 0;
	if (why == STORE_FOREIGN)
		failed(path, "foreign", "this file is something else and is left alone; set token_cache to another "
		    "path, or remove the file");
	else if (why == STORE_NO_ROOM)
		failed(path, "no-room", "its file system is full; make room there and restart the daemon, which works "
		    "without meanwhile");
	else if (why != STORE_FINE)
		failed(path, store_why(why), "no memory for kept tokens; look at the daemon's memory limit. It works "
		    "without");
	return st;
}

/* token_cache, or "tokens" beside the first socket. NULL: no memory. */
static char *file_path(const struct conf *c)
{
	const char *first = c->nlisten > 0 ? c->listen[0].path : MX_SOCKET, *slash = strrchr(first, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - first) + 1;
	char *path;

	if (c->token_cache != NULL)
		return strdup(c->token_cache);
	if ((path = malloc(n + sizeof FILE_NAME)) != NULL) {
		memcpy(path, first, n);
		memcpy(path + n, FILE_NAME, sizeof FILE_NAME);
	}
	return path;
}

/* --- what cache.h offers ------------------------------------------------------------------ */

void cache_open(struct server *s, const struct conf *c, int nfds)
{
	bool none = c->token_cache != NULL && strcmp(c->token_cache, "none") == 0;
	const char *kept = getenv("FDSTORE");	/* systemd 254 says how many it keeps */
	bool in_file = c->token_cache != NULL || !notify_manager() || (kept != NULL && strcmp(kept, "0") == 0);
	struct store *st;
	char *path;

	if (none)
		return;
	if (!in_file) {
		st = open_fdstore(nfds);
	} else {
		if ((path = file_path(c)) == NULL)
			return;
		st = open_on_tmpfs(path);
		free(path);
	}
	if (st == NULL)
		return;
	if ((s->cache = calloc(1, sizeof *s->cache)) == NULL) {
		mapped = NULL;
		store_close(st);
	} else
		*s->cache = (struct cache){ .store = st, .in_file = in_file };
}

/* Whose tokens wait: the fingerprints, sorted, of the clients that have one for each mailbox. */
struct wants { uint64_t now, *v; size_t n; };

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* A mailbox's token waits until its mailbox is asked for, as long as its client is there and it lives. */
static bool wanted(void *ctx, uint64_t fingerprint, const struct engine_saved *d)
{
	const struct wants *w = ctx;

	return d->sent_boot_ms <= w->now && w->now - d->sent_boot_ms < (uint64_t)d->life_s * 1000 && w->n > 0 &&
	    bsearch(&fingerprint, w->v, w->n, sizeof *w->v, by_number) != NULL;
}

/* Without memory none waits: each costs a request. */
static size_t review(struct server *s)
{
	const struct conf *c = s->conf->conf;
	struct wants w = { .now = mx_boot_ms() };
	size_t dropped;

	for (size_t i = 0; i < c->nclients; i++)
		w.n += oauth_grant_each(c->clients[i].oc.grant);
	if (w.n > 0 && (w.v = calloc(w.n, sizeof *w.v)) == NULL)
		w.n = 0;
	for (size_t i = 0, k = 0; i < c->nclients && k < w.n; i++)
		if (oauth_grant_each(c->clients[i].oc.grant))
			w.v[k++] = c->clients[i].fingerprint;
	if (w.n > 0)
		qsort(w.v, w.n, sizeof *w.v, by_number);
	dropped = store_review(s->cache->store, wanted, &w);
	free(w.v);
	return dropped;
}

static void on_review(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	cache_review(arg);
}

void cache_review(struct server *s)
{
	static const struct timeval rare = { REVIEW_S, 0 };
	struct cache *k = s->cache;

	if (k == NULL || store_unclaimed(k->store) == 0)
		return;
	(void)review(s);
	if (store_unclaimed(k->store) == 0)
		return;
	if (k->review == NULL)
		k->review = event_new(s->base, -1, 0, on_review, s);
	if (k->review != NULL)
		(void)event_add(k->review, &rare);
}

void cache_settle(struct server *s)
{
	struct cache *k = s->cache;
	char waiting[32] = "";
	size_t dropped, left;

	if (k == NULL)
		return;
	dropped = review(s);
	if ((left = store_unclaimed(k->store)) > 0)
		snprintf(waiting, sizeof waiting, " waiting=%zu", left);
	cache_review(s);
	log_event(LOG_NOTICE, "cache_opened", "where=%s restored=%zu dropped=%zu torn=%zu%s",
	    k->in_file ? "file" : "fdstore", k->restored, dropped, store_torn(k->store), waiting);
}

void cache_close(struct server *s)
{
	mapped = NULL;
	if (s->cache != NULL) {
		store_close(s->cache->store);
		if (s->cache->review != NULL)
			event_free(s->cache->review);
	}
	free(s->cache);
	s->cache = NULL;
}

static void *keep(void *ctx, const char *name, uint64_t fingerprint, const struct engine_saved *d, const void *token,
    size_t n, unsigned char **where)
{
	struct cache *k = ((struct server *)ctx)->cache;
	void *kept;

	if (k == NULL)
		return NULL;
	kept = store_keep(k->store, name, fingerprint, d, token, n, where);
	if ((kept == NULL) != k->full) {
		k->full = kept == NULL;
		if (k->full)
			log_event(LOG_WARNING, "cache_full", "client=%s text=\"no room to keep the token over a "
			    "restart; it is used all the same: make room on the tmpfs, or raise the memory limit\"",
			    name);
		else
			log_event(LOG_NOTICE, "cache_has_room", "client=%s", name);
	}
	return kept;
}

static void *recall(void *ctx, const char *name, uint64_t fingerprint, struct engine_saved *d, unsigned char **where,
    size_t *n)
{
	struct cache *k = ((struct server *)ctx)->cache;
	void *kept = k == NULL ? NULL : store_recall(k->store, name, fingerprint, d, where, n);

	if (kept != NULL)
		k->restored++;
	return kept;
}

static void forget(void *ctx, void *kept)
{
	store_forget(((struct server *)ctx)->cache->store, kept);
}

void cache_hooks(struct engine_ops *ops)
{
	ops->keep = keep;
	ops->recall = recall;
	ops->forget = forget;
}

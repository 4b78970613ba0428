#include "config.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/text.h"
#include "oauth/file.h"
#include "oauth/key.h"
#include "tokend/expiry.h"
#include "tokend/log.h"
#include "tokend/server.h"
#include "tokend/side.h"
#include "tokend/threshold.h"

/* Beside each credential of a client, as long as the client's list is the same (its fingerprint is). */
struct side_end {
	uint64_t ends, stamp;		/* learned since the configuration was read; stamp 0: not */
	unsigned told;			/* thresholds that have their line */
};

static struct side_end *find(struct engine_client *c, size_t i)
{
	struct side *side = side_find(c);

	return side != NULL && side->ends != NULL ? &side->ends[i] : NULL;
}

static struct side_end *make(struct engine_client *c, size_t i)
{
	const struct conf_client *cc = engine_client_of(c);
	struct side *side = side_make(c);

	if (side != NULL && side->ends == NULL)
		side->ends = calloc(cc->oc.ncredentials, sizeof *side->ends);
	return find(c, i);
}

struct expiry expiry_of(struct engine_client *c, size_t i)
{
	const struct conf_client *cc = engine_client_of(c);
	const struct side_end *s = find(c, i);

	return (struct expiry){ i, s != NULL && s->stamp != 0 ? s->ends : cc->cred[i].expires,
		cc->oc.credential[i].key != NULL ? "certificate" : "secret" };
}

struct expiry expiry_first(struct engine_client *c)
{
	const struct conf_client *cc = engine_client_of(c);
	struct expiry first = { 0, 0, "" }, x;

	for (size_t i = 0; i < cc->oc.ncredentials; i++) {
		x = expiry_of(c, i);
		if (x.ends != 0 && (first.ends == 0 || x.ends < first.ends))
			first = x;
	}
	return first;
}

/* Of one certificate that many clients share the file is read once: its stamp says which one it is. */
static bool ends_of(const struct oauth_credential *k, uint64_t stamp, uint64_t *ends)
{
	static uint64_t had, known;
	struct mx_err e;

	if (had != stamp) {
		had = 0;
		if (oauth_certificate_ends(k, &known, &e) != MX_OK)
			return false;		/* being written, or the next token request says what is wrong */
		had = stamp;
	}
	*ends = known;
	return true;
}

/* Has the certificate been exchanged since the configuration was read? */
static void learn(struct engine_client *c, size_t i)
{
	const struct conf_client *cc = engine_client_of(c);
	const struct oauth_credential *k = &cc->oc.credential[i];
	struct side_end *s = find(c, i);
	uint64_t stamp, ends;

	if (k->key == NULL)
		return;
	stamp = oauth_credential_stamp(MX_FNV_BASIS, k);
	if (stamp == cc->cred[i].stamp) {
		if (s != NULL)
			s->stamp = 0;
	} else if ((s == NULL || s->stamp != stamp) && ends_of(k, stamp, &ends) && (s = make(c, i)) != NULL) {
		s->ends = ends;
		s->stamp = stamp;
	}
}

static void say(struct engine_client *c, const struct expiry *x, int64_t left, unsigned crossed)
{
	const struct oauth_credential *k =
	    &((const struct conf_client *)engine_client_of(c))->oc.credential[x->credential];
	const char *file = k->key == NULL ? k->secret_file : k->certificate_file != NULL ? k->certificate_file :
	    "its file";
	time_t ends = (time_t)x->ends;
	char day[32] = "?", text[MX_TEXT_MAX], quoted[MX_TEXT_MAX + 40];
	struct mx_buf b;
	struct tm tm;

	if (gmtime_r(&ends, &tm) != NULL)
		(void)strftime(day, sizeof day, "%Y-%m-%d", &tm);
	mx_buf_init(&b, text, sizeof text);
	mx_buf_addf(&b, "the %s %s on %s: make a new one%s, put it into %.200s%s", x->kind, left > 0 ? "ends" : "ended",
	    day, k->key != NULL ? ", register it with the provider" : "", file,
	    k->key == NULL ? ", and write its day into secret_expires" : "");
	(void)mx_buf_str(&b);
	log_event(left > 0 ? LOG_WARNING : LOG_ERR, "credential_expires",
	    "client=%s credential=%zu kind=%s days=%" PRId64
	    " threshold=%u text=%s", engine_client_name(c), x->credential + 1, x->kind, threshold_whole_days(left),
	    threshold_days(crossed), mx_quote(quoted, sizeof quoted, text, strlen(text)));
}

void expiry_look(struct engine_client *c)
{
	const struct conf_client *cc = engine_client_of(c);

	for (size_t i = 0; i < cc->oc.ncredentials; i++) {
		struct side_end *s;
		struct expiry x;
		unsigned crossed;
		int64_t left;

		learn(c, i);
		x = expiry_of(c, i);
		left = (int64_t)x.ends - (int64_t)(mx_wall_ms() / 1000);
		crossed = x.ends == 0 ? 0 : threshold_crossed(left);
		s = crossed > 0 ? make(c, i) : find(c, i);
		if (s == NULL)
			continue;		/* far away; or no memory, then the next hour */
		if (crossed > s->told)
			say(c, &x, left, crossed);
		s->told = crossed;		/* less than before: it was renewed */
	}
}

static void again(struct server *s, time_t seconds)
{
	const struct timeval tv = { seconds, 0 };

	(void)event_add(s->expiry_timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	uint64_t until = mx_now_us() + EXPIRY_SLICE_US;
	size_t n;

	(void)fd, (void)what;
	for (n = 0; n < EXPIRY_SLICE && s->expiry_next < engine_count(s->engine) && mx_now_us() < until; n++)
		expiry_look(engine_at(s->engine, s->expiry_next++));
	if (s->expiry_next < engine_count(s->engine)) {
		again(s, 0);
		return;
	}
	s->expiry_next = 0;
	again(s, EXPIRY_EVERY_S);
}

void expiry_start(struct server *s)
{
	if (s->expiry_timer == NULL)
		s->expiry_timer = event_new(s->base, -1, 0, on_timer, s);
	if (s->expiry_timer == NULL)
		return;
	s->expiry_next = 0;
	again(s, 0);
}

void expiry_stop(struct server *s)
{
	if (s->expiry_timer != NULL)
		event_free(s->expiry_timer);
	s->expiry_timer = NULL;
}

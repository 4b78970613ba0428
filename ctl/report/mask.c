#include "config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/buf.h"
#include "common/hash.h"
#include "ctl/report/mask.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same(const char *a, const char *s, size_t n)	/* a: in lower case */
{
	size_t i;

	for (i = 0; i < n && a[i] != '\0' && a[i] == lower(s[i]); i++)
		;
	return i == n && a[n] == '\0';
}

bool rp_begin(struct rp *r, FILE *out)
{
	*r = (struct rp){ .out = out };
	return getrandom(&r->seed, sizeof r->seed, 0) == (ssize_t)sizeof r->seed;
}

void rp_end(struct rp *r)
{
	mx_wipe(r->gram, r->gram_cap * sizeof *r->gram);
	mx_wipe(r->seen, r->seen_cap * sizeof *r->seen);
	free(r->gram);
	free(r->seen);
	rp_set_free(&r->name);
	rp_set_free(&r->local);
	rp_set_free(&r->file);
	*r = (struct rp){ 0 };
}

/* Room for one more; the old place is wiped. NULL: no memory. */
static void *grow(struct rp *r, void *p, size_t n, size_t *cap, size_t size)
{
	size_t more = *cap == 0 ? 256 : *cap * 2;
	void *q;

	if (n < *cap)
		return p;
	if ((q = calloc(more, size)) == NULL) {
		r->no_memory = true;
		return NULL;
	}
	if (n > 0)
		memcpy(q, p, n * size);
	mx_wipe(p, n * size);
	free(p);
	*cap = more;
	return q;
}

/* Without regard to case. Nobody outside can choose values that meet: the seed is random. */
static uint64_t hash(const struct rp *r, const char *s, size_t n)
{
	uint64_t h = mx_fnv(MX_FNV_BASIS, &r->seed, sizeof r->seed);

	for (size_t i = 0; i < n; i++) {
		char c = lower(s[i]);

		h = mx_fnv(h, &c, 1);
	}
	return h;
}

static void keep(struct rp *r, struct rp_set *set, const char *s, size_t n)
{
	bool is_new;

	if (!rp_set_add(set, hash(r, s, n), &is_new))
		r->no_memory = true;
}

void rp_name(struct rp *r, const char *s, size_t n)
{
	keep(r, &r->name, s, n);
}

void rp_local(struct rp *r, const char *s, size_t n)
{
	/* A short or common word in a sentence, masked, would show what the mask of the address hides. */
	static const char *const common[] = { "admin", "alert", "alerts", "backup", "contact", "monitoring", "noreply", "postmaster", "relay",
		"server", "service", "support", NULL };

	for (size_t i = 0; common[i] != NULL; i++)
		if (same(common[i], s, n))
			return;
	if (n >= 5)
		keep(r, &r->local, s, n);
}

bool rp_is_name(const struct rp *r, const char *s, size_t n)
{
	return rp_set_has(&r->name, hash(r, s, n)) && !rp_is_known(r, s, n);
}

bool rp_is_local(const struct rp *r, const char *s, size_t n)
{
	return rp_set_has(&r->local, hash(r, s, n));
}

/* Of RP_GRAM bytes, without regard to case: hex has both. */
static uint64_t gram(const char *s)
{
	uint64_t g = 0;

	for (int i = 0; i < RP_GRAM; i++)
		g = g << 8 | (unsigned char)lower(s[i]);
	return g;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Each of them once: the alphabets of base64 have most letters in common, and several clients a secret. */
static void sort_grams(struct rp *r)
{
	size_t k = 0;

	if (r->ngrams > 1)
		qsort(r->gram, r->ngrams, sizeof *r->gram, by_number);
	for (size_t i = 0; i < r->ngrams; i++)
		if (k == 0 || r->gram[i] != r->gram[k - 1])
			r->gram[k++] = r->gram[i];
	r->ngrams = k;
}

static void add_grams(struct rp *r, const char *s, size_t n)
{
	for (size_t i = 0; i + RP_GRAM <= n; i++) {
		uint64_t *p;

		if (r->ngrams == r->gram_cap && r->ngrams > 0) {
			sort_grams(r);
			p = r->ngrams * 4 > r->gram_cap * 3 ? grow(r, r->gram, r->ngrams, &r->gram_cap, sizeof *r->gram) : r->gram;
		} else {
			p = grow(r, r->gram, r->ngrams, &r->gram_cap, sizeof *r->gram);
		}
		if (p == NULL)
			return;
		r->gram = p;
		p[r->ngrams++] = gram(s + i);
	}
}

#define CHUNK 3072

static void add_base64(struct rp *r, const unsigned char *s, size_t n, const char *alphabet)
{
	char out[CHUNK / 3 * 4 + 4];
	size_t k = 0;

	for (size_t i = 0; i + 2 < n; i += 3) {	/* what a last group is padded to is too short to matter */
		unsigned v = (unsigned)s[i] << 16 | (unsigned)s[i + 1] << 8 | s[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			out[k++] = alphabet[v >> shift & 63];
	}
	add_grams(r, out, k);
	mx_wipe(out, sizeof out);
}

static void add_encoded(struct rp *r, const unsigned char *s, size_t n)
{
	static const char std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static const char hex[] = "0123456789abcdef";
	char out[CHUNK * 3];
	size_t k = 0;

	for (size_t i = 0; i < 3 && i < n; i++) {	/* it may stand anywhere in what was encoded */
		add_base64(r, s + i, n - i, std);
		add_base64(r, s + i, n - i, url);
	}
	for (size_t i = 0; i < n; i++) {
		out[k++] = hex[s[i] >> 4];
		out[k++] = hex[s[i] & 15];
	}
	add_grams(r, out, k);
	for (size_t i = k = 0; i < n; i++) {
		bool plain = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] != '\0' && strchr("-._~", s[i]) != NULL);

		if (!plain)
			out[k++] = '%', out[k++] = hex[s[i] >> 4], out[k++] = hex[s[i] & 15];
		else
			out[k++] = (char)s[i];
	}
	add_grams(r, out, k);
	mx_wipe(out, sizeof out);
}

void rp_known(struct rp *r, const void *secret, size_t n)
{
	const unsigned char *s = secret;

	add_grams(r, secret, n);
	for (size_t i = 0; i < n; i += CHUNK - 16)	/* pieces overlap */
		add_encoded(r, s + i, n - i < CHUNK ? n - i : CHUNK);
}

bool rp_known_room(const struct rp *r)
{
	return r->ngrams < RP_GRAMS_MAX - RP_GRAMS_MAX / 64;
}

bool rp_first_time(struct rp *r, const char *path)
{
	bool is_new;

	if (!rp_set_add(&r->file, mx_fnv(mx_fnv(MX_FNV_BASIS, &r->seed, sizeof r->seed), path, strlen(path)), &is_new))
		r->no_memory = true;
	return is_new;
}

void rp_known_done(struct rp *r)
{
	sort_grams(r);
}

bool rp_is_known(const struct rp *r, const char *s, size_t n)
{
	uint64_t g;

	for (size_t i = 0; r->ngrams > 0 && i + RP_GRAM <= n; i++) {
		g = gram(s + i);
		if (bsearch(&g, r->gram, r->ngrams, sizeof *r->gram, by_number) != NULL)
			return true;
	}
	return false;
}

void rp_mask(struct rp *r, enum rp_kind kind, const char *s, size_t n)
{
	static const char *const words[RP_KIND_N] = { "user", "id", "ip", "secret", "masked" };
	uint64_t h = hash(r, s, n);
	struct rp_seen *p;
	size_t i;

	for (i = 0; i < r->nseen && (r->seen[i].hash != h || r->seen[i].kind != kind); i++)
		;
	if (i == r->nseen) {
		if ((p = grow(r, r->seen, r->nseen, &r->seen_cap, sizeof *p)) == NULL) {
			fprintf(r->out, "[%s]", words[kind]);
			return;
		}
		r->seen = p;
		p[r->nseen++] = (struct rp_seen){ h, kind, ++r->last[kind] };
	}
	fprintf(r->out, "[%s:%u]", words[kind], r->seen[i].number);
}

void rp_show(struct rp *r, const char *s, size_t n)
{
	if (rp_is_known(r, s, n))
		rp_mask(r, RP_SECRET, s, n);
	else
		fwrite(s, 1, n, r->out);
}

void rp_id(struct rp *r, const char *s, size_t n)
{
	bool plain = r->plain_ids && n <= 128;

	for (size_t i = 0; plain && i < n; i++)
		plain = (s[i] >= '0' && s[i] <= '9') || (lower(s[i]) >= 'a' && lower(s[i]) <= 'z') || s[i] == '-' || s[i] == '.';
	if (plain && !rp_is_known(r, s, n))
		rp_show(r, s, n);
	else
		rp_mask(r, RP_ID, s, n);
}

void rp_address(struct rp *r, const char *s, size_t n)
{
	size_t at = n;

	while (at > 0 && s[at - 1] != '@')
		at--;
	if (n == 1 && *s == '*') {
		rp_show(r, s, n);
	} else if (at == 0) {
		rp_mask(r, RP_USER, s, n);
	} else {
		if (at == 2 && *s == '*')
			rp_show(r, "*", 1);
		else
			rp_mask(r, RP_USER, s, at - 1);
		fputc('@', r->out);
		if (rp_word_host(s + at, n - at))
			rp_show(r, s + at, n - at);
		else
			rp_mask(r, RP_WORD, s + at, n - at);
	}
}

void rp_line(struct rp *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(r->out, fmt, ap);
	va_end(ap);
	fputc('\n', r->out);
}

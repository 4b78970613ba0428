/*
 * What a report shows instead of what nobody else should see: "[user:3]", the third user met. The same value has the
 * same number within one report. Numbers say nothing of a value, so that no list of guesses can be tried on them.
 */
#ifndef MX_CTL_REPORT_MASK_H
#define MX_CTL_REPORT_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl/report/set.h"

enum rp_kind {
	RP_USER,	/* the local part of an address */
	RP_ID,		/* of a tenant, an application, an object: no secret, but it says whose */
	RP_ADDRESS,	/* of IPv4 */
	RP_SECRET,	/* known to be one, or standing where one stands */
	RP_WORD,	/* nothing that is known to be harmless */
	RP_KIND_N
};

#define RP_GRAM 6	/* bytes of a secret that are enough to know it by */
#define RP_GRAMS_MAX ((size_t)16 << 20)	/* pieces to be known: some fifty thousand secrets, 128 MiB */

struct rp {
	FILE *out;
	bool plain_ids;
	uint64_t seed;			/* of the hashes below: values themselves are not kept */
	struct rp_seen { uint64_t hash; enum rp_kind kind; unsigned number; } *seen;
	size_t nseen, seen_cap;
	unsigned last[RP_KIND_N];
	uint64_t *gram;			/* pieces of secrets, sorted by rp_known_done() */
	size_t ngrams, gram_cap;
	struct rp_set name;		/* of clients: shown, though they look like nothing */
	struct rp_set local;		/* local parts that the configuration knows */
	struct rp_set file;		/* paths of secrets that were looked at */
	size_t secrets, unread, beyond;	/* files of secrets that were read, that could not be, and that were too many */
	bool no_memory;
};

bool rp_begin(struct rp *r, FILE *out);		/* false: no random numbers */
void rp_end(struct rp *r);			/* wipes and frees what is r's own; not out */

/* A secret of n bytes: it is known from here on, also in base64, hex and URL encoding, and by parts. */
void rp_known(struct rp *r, const void *secret, size_t n);
bool rp_known_room(const struct rp *r);		/* for one more? */
bool rp_first_time(struct rp *r, const char *path);	/* of rp.file */
void rp_known_done(struct rp *r);		/* behind the last one, before anything is shown */
bool rp_is_known(const struct rp *r, const char *s, size_t n);	/* does it hold RP_GRAM bytes in a row of a secret? */

void rp_name(struct rp *r, const char *s, size_t n);
void rp_local(struct rp *r, const char *s, size_t n);
bool rp_is_name(const struct rp *r, const char *s, size_t n);
bool rp_is_local(const struct rp *r, const char *s, size_t n);

/* Each writes to out. */
void rp_mask(struct rp *r, enum rp_kind kind, const char *s, size_t n);
void rp_show(struct rp *r, const char *s, size_t n);		/* as it is, unless it is a known secret */
void rp_id(struct rp *r, const char *s, size_t n);		/* by plain_ids */
void rp_address(struct rp *r, const char *s, size_t n);		/* user@domain, "*@domain", "*" */
void rp_text(struct rp *r, const char *s, size_t n);		/* words that may be anything: text.c */
void rp_texts(struct rp *r, const char *s);			/* NUL-terminated; NULL is fine */
void rp_line(struct rp *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));	/* our own words */

/* word.c: what a word is, by its look. */
bool rp_word_harmless(const char *s, size_t n);
bool rp_word_guid(const char *s, size_t n);
bool rp_word_ipv4(const char *s, size_t n);
bool rp_word_host(const char *s, size_t n);	/* a domain name, in lower case */

#endif

/*
 * Text that somebody wrote: log lines, errors, settings. Each word is shown if it is harmless by its look, or masked by
 * what it is; what stands where a secret stands is masked whatever it looks like.
 */
#include "config.h"

#include <string.h>

#include "ctl/report/announce.h"

#define APART " \t\"'()[]{}<>,;|`"	/* between words; shown as they are, a tab as a blank */

static bool apart(char c)
{
	return c != '\0' && strchr(APART, c) != NULL;
}

static void word(struct rp *r, const char *s, size_t n);

/* s holds an '@'. */
static void address(struct rp *r, const char *s, size_t n)
{
	const char *at = memchr(s, '@', n), *eq = memchr(s, '=', (size_t)(at - s)), *slash = memchr(s, '/', (size_t)(at - s));
	size_t skip = 0;

	if (eq != NULL && rp_address_key(s, (size_t)(eq - s)))
		skip = (size_t)(eq - s) + 1;
	else if (slash != NULL && rp_is_name(r, s, (size_t)(slash - s)))
		skip = (size_t)(slash - s) + 1;		/* CLIENT/MAILBOX */
	rp_show(r, s, skip);
	rp_address(r, s + skip, n - skip);
}

/* scheme://[user@]host[:port][/path][?query]; colon is where "://" begins. */
static void url(struct rp *r, const char *s, size_t n, const char *colon)
{
	const char *host = colon + 3, *end = s + n, *slash, *port, *at = NULL, *query;

	word(r, s, (size_t)(colon - s));
	fputs("://", r->out);
	for (const char *p = host; p < end; p++)	/* a password may hold any of "/?#@" */
		at = *p == '@' ? p : at;
	if (at != NULL) {
		rp_mask(r, RP_SECRET, host, (size_t)(at - host));
		fputc('@', r->out);
		host = at + 1;
	}
	if ((query = memchr(host, '?', (size_t)(end - host))) == NULL && (query = memchr(host, '#', (size_t)(end - host))) == NULL)
		query = end;
	if ((slash = memchr(host, '/', (size_t)(query - host))) == NULL)
		slash = query;
	if ((port = memchr(host, ':', (size_t)(slash - host))) == NULL)
		port = slash;
	word(r, host, (size_t)(port - host));
	if (port < slash) {
		fputc(':', r->out);
		word(r, port + 1, (size_t)(slash - port - 1));
	}
	while (slash < query) {
		const char *next = memchr(slash + 1, '/', (size_t)(query - slash - 1));

		next = next == NULL ? query : next;
		fputc('/', r->out);
		word(r, slash + 1, (size_t)(next - slash - 1));
		slash = next;
	}
	if (query < end) {
		fputc(*query, r->out);
		rp_mask(r, RP_SECRET, query + 1, (size_t)(end - query - 1));
	}
}

/* A part of a path, a host or a compound may be somebody's name. */
static bool holds_local(struct rp *r, const char *s, size_t n)
{
	size_t i = 0, len;

	while (i < n) {
		for (len = 0; i + len < n && strchr("/:=.+", s[i + len]) == NULL; len++)
			;
		if (rp_is_local(r, s + i, len))
			return true;
		i += len + 1;
	}
	return false;
}

/* Where such paths begin, a part of them that is masked says that it is one. */
static bool path(const char *s, size_t n)
{
	static const char *const top[] = { "/etc/", "/usr/", "/var/", "/run/", "/home/", "/root/", "/tmp/", "/opt/", "/srv/", "/dev/", "/proc/",
		"/lib/", "/sys/", "/mnt/", NULL };

	for (size_t i = 0; top[i] != NULL; i++)
		if (n > strlen(top[i]) && memcmp(s, top[i], strlen(top[i])) == 0)
			return true;
	return false;
}

/* In "host:port", "hash:/path": what stands before the colon. Of anything else ("user:password") neither half is shown. */
static bool typed(const char *s, size_t n)
{
	static const char *const types[] = { "hash", "btree", "lmdb", "cdb", "texthash", "regexp", "pcre", "proxy", "socketmap", "unix", "inet", "file",
		"smtp", "maildrop", "lsearch", "nwildlsearch", NULL };

	return rp_is_word(s, n, types) || rp_word_host(s, n) || rp_word_ipv4(s, n);
}

/* The beginning of a token, or of a login's response, as base64 has it; the rest may be lost on another line. */
static bool piece_of_token(const char *s, size_t n)
{
	return n >= 6 && (memcmp(s, "eyJ", 3) == 0 || memcmp(s, "dXNlcj", 6) == 0);
}

/* "somebody=40contoso.com": how a delivery report's addresses write an "@". */
static bool xtext_at(const char *eq, const char *end)
{
	return end - eq > 4 && memcmp(eq, "=40", 3) == 0 && rp_word_host(eq + 3, (size_t)(end - eq - 3));
}

static void word(struct rp *r, const char *s, size_t n)
{
	static const char *const schemes[] = { "http", "https", "socks4", "socks4a", "socks5", "socks5h", "file", "pkcs11", "handle", NULL };
	static const char *const loopback[] = { "127.0.0.1", "0.0.0.0", NULL };
	const char *colon, *eq;

	if (n == 0)
		return;
	if (rp_is_known(r, s, n) || piece_of_token(s, n)) {
		rp_mask(r, RP_SECRET, s, n);
	} else if (rp_is_local(r, s, n)) {
		rp_mask(r, RP_USER, s, n);
	} else if (rp_is_name(r, s, n) || rp_is_word(s, n, schemes)) {
		rp_show(r, s, n);
	} else if ((colon = memmem(s, n, "://", 3)) != NULL && colon > s) {
		url(r, s, n, colon);
	} else if (memchr(s, '@', n) != NULL) {
		address(r, s, n);
	} else if ((eq = memchr(s, '=', n)) != NULL && eq > s && rp_word_harmless(s, (size_t)(eq - s))) {
		if (xtext_at(eq, s + n)) {
			rp_mask(r, RP_USER, s, (size_t)(eq - s));
			fputs("=40", r->out);
			word(r, eq + 3, (size_t)(s + n - eq - 3));
			return;
		}
		rp_show(r, s, (size_t)(eq - s) + 1);
		if (rp_secret_name(s, (size_t)(eq - s)) && eq + 1 < s + n)
			rp_mask(r, RP_SECRET, eq + 1, (size_t)(s + n - eq - 1));
		else if (rp_exim_login(s, (size_t)(eq - s), eq + 1, s + n))
			rp_mask(r, RP_USER, eq + 1, (size_t)(s + n - eq - 1));
		else if (rp_person_key(s, (size_t)(eq - s)) && eq + 1 < s + n)
			rp_mask(r, RP_USER, eq + 1, (size_t)(s + n - eq - 1));
		else
			word(r, eq + 1, (size_t)(s + n - eq - 1));
	} else if ((colon = memchr(s, ':', n)) != NULL && colon > s && colon + 1 < s + n && rp_secret_key(s, (size_t)(colon - s))) {
		word(r, s, (size_t)(colon - s));
		fputc(':', r->out);
		rp_mask(r, RP_SECRET, colon + 1, (size_t)(s + n - colon - 1));
	} else if (rp_word_guid(s, n)) {
		rp_id(r, s, n);
	} else if (rp_word_ipv4(s, n) && !rp_is_word(s, n, loopback)) {
		rp_mask(r, RP_ADDRESS, s, n);
	} else if (!holds_local(r, s, n) && (rp_word_host(s, n) || rp_word_harmless(s, n))) {
		rp_show(r, s, n);
	} else if (path(s, n)) {
		for (const char *end = s + n, *slash; s < end; s = slash) {
			fputc('/', r->out);
			for (slash = ++s; slash < end && *slash != '/'; slash++)
				;
			word(r, s, (size_t)(slash - s));
		}
	} else if ((colon = memchr(s, ':', n)) != NULL && colon > s && colon + 1 < s + n && typed(s, (size_t)(colon - s))) {
		word(r, s, (size_t)(colon - s));
		fputc(':', r->out);
		word(r, colon + 1, (size_t)(s + n - colon - 1));
	} else {
		rp_mask(r, RP_WORD, s, n);
	}
}

/* "x y"@domain: *end is behind it. */
static bool quoted_local(struct rp *r, const char *s, const char *stop, const char **end)
{
	const char *quote = memchr(s + 1, '"', (size_t)(stop - s - 1)), *p;

	if (quote == NULL || quote + 1 == stop || quote[1] != '@')
		return false;
	for (p = quote + 2; p < stop && !apart(*p); p++)
		;
	rp_address(r, s, (size_t)(p - s));
	*end = p;
	return true;
}

/* What comes next is of that kind, whatever it looks like: to the end of its quotes, or one word. Behind it. */
static const char *masked(struct rp *r, const char *s, const char *stop, enum rp_kind kind)
{
	char close = *s == '"' || *s == '\'' ? *s : *s == '<' ? '>' : '\0';
	size_t open = close != '\0', inner = 0;
	const char *p, *begin;

	if (rp_inner_quote(s, stop))
		open = inner = RP_INNER_N;
	else if (stop - s > 1 && *s == '\\' && s[1] == '"')
		open = inner = 2;
	for (p = begin = s + open; p < stop; p++)
		if (inner != 0 ? (size_t)(stop - p) >= inner && memcmp(p, s, inner) == 0 : close != '\0' ? *p == close : apart(*p))
			break;
	fwrite(s, 1, open, r->out);
	if (p > begin && kind == RP_USER)
		rp_address(r, begin, (size_t)(p - begin));
	else if (p > begin)
		rp_mask(r, kind, begin, (size_t)(p - begin));
	return p;
}

/* "Bearer " and "Basic " themselves, behind "Authorization:"; 0: it is neither. */
static size_t scheme(const char *s, const char *stop)
{
	size_t n = (size_t)(stop - s);

	return n > 7 && strncasecmp(s, "bearer ", 7) == 0 ? 7 : n > 6 && strncasecmp(s, "basic ", 6) == 0 ? 6 : 0;
}

void rp_text(struct rp *r, const char *s, size_t n)
{
	const char *stop = s + n, *p, *behind;
	enum rp_kind next = RP_WORD;
	size_t len;

	while (s < stop) {
		if (*s == '"' && next == RP_WORD && quoted_local(r, s, stop, &p)) {
			s = p;
		} else if (next == RP_SECRET && (len = scheme(s, stop)) != 0) {
			fwrite(s, 1, len, r->out);
			s += len;
		} else if (next != RP_WORD && strchr(" \t=:", *s) == NULL) {
			s = masked(r, s, stop, next);
			next = RP_WORD;
		} else if (apart(*s)) {
			fputc(*s == '\t' ? ' ' : *s, r->out);
			s++;
		} else if (rp_inner_quote(s, stop)) {
			fputs(RP_INNER, r->out);
			s += RP_INNER_N;
		} else if (next != RP_WORD) {	/* "=" or ":" on its own */
			fputc(*s++, r->out);
		} else {
			for (p = s; p < stop && !apart(*p) && !rp_inner_quote(p, stop); p++)
				;
			for (len = (size_t)(p - s); len > 1 && strchr(".:?!", s[len - 1]) != NULL; len--)	/* of the sentence */
				;
			next = rp_announces(s, len, stop, &behind);
			word(r, s, len);
			p = behind > p ? behind : p;
			fwrite(s + len, 1, (size_t)(p - s) - len, r->out);
			s = p;
		}
	}
}

void rp_texts(struct rp *r, const char *s)
{
	if (s != NULL)
		rp_text(r, s, strlen(s));
}

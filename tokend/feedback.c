#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "settings/account.h"
#include "tokend/feedback.h"

#define SETS 128		/* a power of two */
#define WAYS 4

static struct handout table[SETS][WAYS];

static uint64_t relay_hash(const char *s, size_t n)
{
	char key[MX_HOST_MAX];

	return mx_fnv(MX_FNV_BASIS, key, cf_host_key(key, s, n < sizeof key ? n : sizeof key));
}

void feedback_note(uid_t uid, const char *relay, size_t n, const char *client, const char *mailbox,
    const char *token_id, const void *account, uint64_t epoch, uint64_t now_ms)
{
	uint64_t of_relay = relay != NULL ? relay_hash(relay, n) : 0;
	uint64_t h = mx_fnv(mx_fnv(of_relay ^ MX_FNV_BASIS, client, strlen(client)), token_id, strlen(token_id));
	struct handout *set = table[(h ^ h >> 32) & (SETS - 1)], *to = &set[0];
	size_t i;

	for (i = 0; i < WAYS; i++) {
		if (set[i].uid == uid && set[i].relay == of_relay && set[i].any_relay == (relay == NULL) &&
		    set[i].epoch == epoch && set[i].account == account &&
		    strcmp(set[i].client, client) == 0 && strcmp(set[i].token_id, token_id) == 0) {
				set[i].at_ms = now_ms;
			return;
		}
		if (set[i].at_ms < to->at_ms)
			to = &set[i];
	}
	*to = (struct handout){ .at_ms = now_ms, .relay = of_relay, .any_relay = relay == NULL, .uid = uid,
	    .account = account, .epoch = epoch };
	snprintf(to->client, sizeof to->client, "%s", client);
	snprintf(to->mailbox, sizeof to->mailbox, "%s", mailbox);
	snprintf(to->token_id, sizeof to->token_id, "%s", token_id);
}

size_t feedback_each(uid_t uid, const char *relay, size_t n, uint64_t now_ms,
    void (*fn)(void *arg, const struct handout *h), void *arg)
{
	uint64_t of_relay = relay_hash(relay, n);
	size_t i, found = 0;

	for (i = 0; i < (size_t)SETS * WAYS; i++) {
		const struct handout *h = &table[i / WAYS][i % WAYS];

		if (h->at_ms == 0 || now_ms - h->at_ms >= FEEDBACK_AGE_MS || h->uid != uid ||
		    (!h->any_relay && h->relay != of_relay))
			continue;
		found++;
		fn(arg, h);
	}
	return found;
}

bool feedback_parse(const char *text, size_t n, struct mx_span *relay, struct mx_span *said)
{
	static const char server[] = "server ", says[] = " said: 535";
	const char *end = text + n, *name = memmem(text, n, server, sizeof server - 1), *p;

	if (name == NULL)
		return false;
	name += sizeof server - 1;
	for (p = name; p < end && *p != '[' && *p != '(' && *p != ' '; p++)
		;
	if (p == name || (size_t)(p - name) > MX_HOST_MAX)
		return false;
	*relay = (struct mx_span){ name, (size_t)(p - name) };
	/* The address stands between: no blank in it, so that nothing the server said is taken for the frame. */
	while (p < end && *p != ' ')
		p++;
	if ((size_t)(end - p) < sizeof says - 1 || memcmp(p, says, sizeof says - 1) != 0)
		return false;
	p += sizeof says - 1 - 3;
	if (p + 3 < end && p[3] >= '0' && p[3] <= '9')
		return false;
	*said = (struct mx_span){ p, (size_t)(end - p) };
	return true;
}

void feedback_reset(void)
{
	memset(table, 0, sizeof table);
}

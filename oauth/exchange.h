/*
 * The way from a client and one of its credentials to an access token: the requests it takes, one after the
 * other, and what is made of their replies. Knows neither HTTP nor a loop.
 */
#ifndef MX_OAUTH_EXCHANGE_H
#define MX_OAUTH_EXCHANGE_H

#include <signal.h>
#include <stdbool.h>

#include "oauth/bearer.h"
#include "oauth/client.h"
#include "oauth/code.h"
#include "oauth/device.h"
#include "oauth/reply.h"
#include "oauth/request.h"
#include "oauth/seen.h"

enum oauth_purpose {
	OAUTH_FOR_TOKEN = 0,		/* by the client's own grant */
	OAUTH_FOR_DEVICE,		/* a device code, and no token (RFC 8628 section 3.1) */
	OAUTH_FOR_DEVICE_TOKEN,		/* the token for it, once somebody has agreed (section 3.4) */
	OAUTH_FOR_CODE			/* the token for an authorization code (RFC 6749 section 4.1.3) */
};

/* What is wanted beside what the client says. Pointers outlive the exchange. */
struct oauth_want {
	const char *subject;		/* mailbox, where a token is made for one; NULL: none */
	const struct mx_secret *refresh_token;	/* of that grant; NULL: it is another one */
	const struct mx_secret *proof;	/* beside it: oauth_exchange_sign()'s; NULL: it is made with the request */
	enum oauth_purpose purpose;
	struct oauth_device *device;	/* OAUTH_FOR_DEVICE: what is got; the caller's to free */
	const struct mx_secret *code;	/* OAUTH_FOR_DEVICE_TOKEN, OAUTH_FOR_CODE: that code */
	const struct oauth_code *asked;	/* OAUTH_FOR_CODE: how it was asked for */
	const volatile sig_atomic_t *stop;	/* who waits for it waits no more once it is not 0; NULL: none such */
	struct oauth_seen *seen;		/* filled with how far it came, good or not; NULL: nobody wants to know */
};

enum oauth_step {
	OAUTH_STEP_TOKEN = 0,		/* req goes to the token endpoint */
	OAUTH_STEP_PLATFORM,		/* to what knows the machine's managed identity */
	OAUTH_STEP_CHALLENGED		/* there again, with the answer to its challenge */
};

struct oauth_exchange {
	const struct oauth_client *c;
	const struct oauth_credential *k;
	struct oauth_want want;
	struct oauth_request req;	/* the one to be sent now */
	char account_id[OAUTH_ACCOUNT_ID_MAX];	/* of a service account; "": none */
	enum oauth_step step;
	enum oauth_platform platform;	/* the one that is there, not AUTO; NONE: none is asked */
};

enum oauth_next {
	OAUTH_GOT = 1,			/* a token */
	OAUTH_REFUSED,			/* the failure says why there is none */
	OAUTH_MORE			/* req is another one, to be sent now */
};

/*
 * Makes the first request. c, k and what w points to outlive x; w NULL: nothing beside. false: *f says why not, x is
 * inert.
 */
bool oauth_exchange_begin(struct oauth_exchange *x, const struct oauth_client *c, const struct oauth_credential *k,
    const struct oauth_want *w, struct oauth_failure *f) __attribute__((warn_unused_result));

/*
 * The assertion by which k, a key, proves the client, made apart from its request: for a process that cannot use what
 * keys are in. One request is made with it. false: *f says why not, as oauth_exchange_begin() would.
 */
bool oauth_exchange_sign(const struct oauth_client *c, const struct oauth_credential *k, struct mx_secret *proof,
    struct oauth_failure *f) __attribute__((warn_unused_result));

/*
 * Takes the reply to req. OAUTH_GOT: *t is filled, else inert but for a refresh token (oauth_reply_parse()).
 * OAUTH_REFUSED: *f is filled.
 */
enum oauth_next oauth_exchange_reply(struct oauth_exchange *x, const struct oauth_http_reply *h, struct oauth_token *t,
    struct oauth_failure *f) __attribute__((warn_unused_result));

/* req brought no reply: *f, which says so as of a token endpoint, is worded anew where it went elsewhere. */
void oauth_exchange_failed(const struct oauth_exchange *x, struct oauth_failure *f);

/*
 * req was sent and perhaps lost, unanswered. true: it may be sent once more, and has been made anew where it must be.
 */
bool oauth_exchange_again(struct oauth_exchange *x) __attribute__((warn_unused_result));

void oauth_exchange_free(struct oauth_exchange *x);

#endif

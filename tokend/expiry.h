/*
 * When credentials end: secrets by their secret_expires, certificates by themselves. All clients are looked at once an
 * hour, after a start and after a reload; a certificate that was renewed in its file also when a token was got with it.
 */
#ifndef MX_TOKEND_EXPIRY_H
#define MX_TOKEND_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine_client;
struct server;

#define EXPIRY_EVERY_S 3600
#define EXPIRY_SLICE 200		/* clients for each turn of the loop ... */
#define EXPIRY_SLICE_US 1000		/* ... or so much time */

/* Looks at all clients, from the next turn of the loop on, and then every hour. Without memory: not at all. */
void expiry_start(struct server *s);
void expiry_stop(struct server *s);

/* One client's files may have changed: learns when its certificates end, and logs what is to be logged. */
void expiry_look(struct engine_client *c);

struct expiry {
	size_t credential;		/* from 0 on */
	uint64_t ends;			/* seconds since the epoch; 0: not known, or never */
	const char *kind;		/* "secret" or "certificate" */
};
struct expiry expiry_of(struct engine_client *c, size_t credential);	/* one of engine_client_of()'s */
struct expiry expiry_first(struct engine_client *c);		/* of the one that ends first */

#endif

/*
 * A scripted peer on a UNIX socket, in a process of its own: it does what its turns say, one
 * connection after the other, and remembers what it was sent. For tests only.
 */
#ifndef MX_TESTS_FAKEDAEMON_H
#define MX_TESTS_FAKEDAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum fake_act {
	FAKE_ANSWER,		/* reads the request, sends the reply, closes */
	FAKE_DRIBBLE,		/* the same, a byte at a time, pause_ms between two */
	FAKE_CLOSE,		/* reads the request, closes */
	FAKE_RESET,		/* closes with the request unread: ECONNRESET at the peer */
	FAKE_EARLY,		/* sends the reply without reading, closes */
	FAKE_HANG,		/* reads the request, never answers */
	FAKE_HALF,		/* sends the reply, never closes */
	FAKE_FLOOD		/* sends bytes until the peer is gone */
};

struct fake_turn {
	enum fake_act act;
	const char *reply;	/* may be NULL */
	size_t len;		/* 0: strlen(reply) */
	unsigned pause_ms;	/* before the answer; FAKE_DRIBBLE: between two bytes */
};

enum fake_how {
	FAKE_NOW,		/* listening when fake_start() returns */
	FAKE_ABSENT,		/* no socket for delay_ms */
	FAKE_STALE,		/* for delay_ms a socket nobody listens on */
	FAKE_BUSY		/* listening with the least backlog, accepting after delay_ms */
};

#define FAKE_NEVER 100000u	/* a delay no test waits for */
#define FAKE_SEEN_MAX 64

struct fake_seen {
	unsigned n;				/* connections so far */
	size_t len[FAKE_SEEN_MAX];
	char line[FAKE_SEEN_MAX][9000];		/* what came, NUL-terminated */
	bool low_fd[FAKE_SEEN_MAX];		/* the peer had a descriptor 0, 1 or 2 open then */
};

struct fake_daemon {
	char dir[40], path[64];
	pid_t pid;
	volatile struct fake_seen *seen;	/* shared with the peer's process */
};

/* The last turn repeats; turns and replies are copied by fork. A failing system ends the test. */
void fake_start(struct fake_daemon *d, const struct fake_turn *turns, size_t n, enum fake_how how,
    unsigned delay_ms);

/* What connection i sent, LF included; waits up to 2 s for it. Fails the test if there was none. */
const char *fake_request(struct fake_daemon *d, unsigned i);

/* Connections so far. */
unsigned fake_count(const struct fake_daemon *d);

/* Ends the peer and removes the socket. Any number of times, and on a zeroed one. */
void fake_stop(struct fake_daemon *d);

/* Writes the line OK, expires_in, token_id and base64 of raw (n bytes) into out; its length. */
size_t fake_ok(char *out, size_t cap, const char *token_id, const void *raw, size_t n);

#endif

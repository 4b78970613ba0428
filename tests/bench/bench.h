/*
 * Pieces of mxbench, the program behind tests/bench/run: a small Cyrus SASL client as a mail program is one.
 * Every subcommand prints lines "key value..." for the script; anything unexpected ends the program (die).
 */
#ifndef MX_BENCH_H
#define MX_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sasl/sasl.h>

/* main.c */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
long number(const char *s, long min, long max);
uint64_t now_ns(void);
/* Sorts v; the value below which p percent of the n (at least 1) lie. */
uint64_t percentile(uint64_t *v, size_t n, unsigned p);

/* sasl.c: dir is the only place libsasl2 looks for plugins in; account is what AUTHNAME answers. */
void sasl_begin(const char *dir);
void sasl_end(void);
void sasl_account(const char *name);
/* One authentication up to its initial response, and its end; returns that response's size, 0 for a failure. */
unsigned sasl_first(const char *mechanism);
/* Why the last one failed. */
const char *sasl_why(void);

/* floor.c: the cheapest server there could be, in a child process, and one request to it. */
pid_t floor_serve(const char *path);
void floor_ask(const char *path);

/* raw.c: the daemon's socket from MTA_XOAUTH2_SOCKET; flags as of socket(2). raw_connect: -1 with errno. */
const char *raw_socket(void);
int raw_connect(const char *path, int flags);
/* The request line: SASL for userN@example.com, or PING where account is negative. raw_ask: and its whole answer. */
void raw_send(int fd, long account);
void raw_ask(const char *path, long account);

int cmd_warm(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_footprint(int argc, char **argv);
int cmd_askers(int argc, char **argv);
int cmd_crowd(int argc, char **argv);
int cmd_turns(int argc, char **argv);
int cmd_probe(int argc, char **argv);

#endif

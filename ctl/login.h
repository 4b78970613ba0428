/*
 * What the files of "login" share.
 */
#ifndef MX_CTL_LOGIN_H
#define MX_CTL_LOGIN_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl/verb.h"
#include "oauth/code.h"
#include "oauth/exchange.h"
#include "settings/conf.h"

#define LOGIN_AGENT "mta-xoauth2/" PACKAGE_VERSION
#define LOGIN_STOPPED (-1)		/* by a signal; not an exit status yet, as CTL_* are */
#define LOGIN_ANEW (-2)			/* the codes have run out, and somebody is there to use new ones */

struct login {
	const struct call *call;
	const char *path;			/* of the configuration */
	struct conf *conf;
	const char *mailbox;			/* who is to agree */
	const struct oauth_client *oc;
	const struct oauth_credential *k;	/* the one in use */
	struct oauth_token t;			/* once there is consent */
	bool tty;				/* a person is there to read and to answer */
	bool line;				/* the terminal's last line is the progress */
	uint64_t shown_min;
};

/* --- login_wait.c: time and signals ------------------------------------------------------ */

/* Not 0: a signal has said that this is to end. */
extern volatile sig_atomic_t login_signal;

void login_catch_signals(void);

/* What is left of the codes' life, as a line that is renewed on a terminal and said once a minute elsewhere. */
void login_progress(struct login *l, uint64_t end_ms, const char *what);
void login_line_end(struct login *l);	/* what is printed next begins a line of its own */

/* Until that time of mx_boot_ms(). false: a signal came first. */
bool login_sleep(struct login *l, uint64_t due_ms, uint64_t end_ms, const char *what);

/* Says that nothing is stored, and ends by the signal that came. */
void login_give_up(struct login *l) __attribute__((noreturn));

/* --- login_user.c: whose files these are ------------------------------------------------- */

/* Root acts as the daemon's user from here on, until login_user_back(). Not CTL_FINE: it has been said why not. */
int login_user_become(const struct login *l);
void login_user_back(void);

/* Can the refresh token be stored? Asks nobody for anything. Not CTL_FINE: it has been said why not. */
int login_store_ready(struct login *l);

/* Stores l->t.refresh_token in place of the old one. */
int login_store(struct login *l);

/* --- login.c ----------------------------------------------------------------------------- */

/*
 * One request with the client's credentials, tried in order from l->k on; l->k is then the one that was not refused.
 * MX_OK: l->t, or *w->device, is filled.
 */
enum mx_class login_ask(struct login *l, const struct oauth_want *w, struct oauth_failure *f);

/* --- login_device.c: RFC 8628 ------------------------------------------------------------ */

/* From the request for a code to l->t. LOGIN_STOPPED, or an exit status: then it has been said why. */
int login_device(struct login *l);

/* --- login_browser.c, login_listen.c: RFC 8252 -------------------------------------------- */

/* The same by a browser that comes back to this host, or whose last address is pasted. */
int login_browser(struct login *l);

/* Browsers that come back, on a port of 127.0.0.1. */
struct login_door;
struct login_door *login_door_open(unsigned *port, struct mx_err *e);	/* NULL: *e says why not */
void login_door_close(struct login_door *d);	/* NULL is fine */

/* Fills fd (room for LOGIN_DOOR_FDS) with what to poll(2) for; how many. */
#define LOGIN_DOOR_FDS 9
size_t login_door_fds(const struct login_door *d, struct pollfd *fd);

/* After poll(2): takes part of requests; each whole one is judged by it, and answered so. */
typedef enum oauth_code_answer login_door_judge(void *arg, const char *query, size_t n);
enum oauth_code_answer login_door_turn(struct login_door *d, login_door_judge *judge, void *arg);

/* --- login_tell.c ------------------------------------------------------------------------ */

/* Tells the daemon, and sees whether it gets a token. */
int login_tell(const struct login *l);

#endif

/*
 * The answer to STATUS: one line about the daemon, one for each client, each mailbox with a token of its own and each
 * user.
 */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/clock.h"
#include "engine/engine.h"
#include "tokend/expiry.h"
#include "tokend/report.h"
#include "tokend/sandbox.h"
#include "tokend/server.h"
#include "tokend/side.h"
#include "tokend/uids.h"

static void daemon_line(const struct server *s, struct mx_buf *b)
{
	const struct reload_result *r = &s->last_reload;
	size_t mapped, unlocked;

	mx_secret_stats(&mapped, &unlocked);
	mx_buf_addf(b, "daemon\tversion=%s\tpid=%ld\tuptime=%" PRIu64 "\tconfiguration=%s\tloaded_ago=%" PRIu64
	    "\tclients=%zu\tmailboxes=%zu\taccounts=%zu\tconnections=%zu\tsecret_bytes=%zu"
	    "\tsecret_bytes_not_locked=%zu",
	    PACKAGE_VERSION, (long)getpid(), (mx_boot_ms() - s->started_boot_ms) / 1000, s->conf_path,
	    (mx_boot_ms() - s->loaded_boot_ms) / 1000, engine_count(s->engine), engine_sub_count(s->engine),
	    s->conf->conf->naccounts, s->nconns,
	    mapped, unlocked);
	mx_buf_adds(b, "\tsandbox=");
	for (int i = 0, n = 0; i < SANDBOX_PARTS; i++)
		if (sandbox_has((enum sandbox_part)i))
			mx_buf_addf(b, "%s%s", n++ > 0 ? "," : "", sandbox_part_name((enum sandbox_part)i));
	if (r->any)
		mx_buf_addf(b, "\treload_ago=%" PRIu64, (mx_boot_ms() - r->at_boot_ms) / 1000);
	if (r->any && r->failed)
		mx_buf_addf(b, "\treload_code=%s\treload_error=%s", r->err.code, r->err.text);
	mx_buf_addc(b, '\n');
}

/* Also of a mailbox that has a token of its own. */
static void client_line(const char *word, struct engine_client *c, struct mx_buf *b)
{
	const struct conf_client *conf = engine_client_of(c);
	const struct side *side = side_find(c);
	const struct expiry first = expiry_first(c);
	struct engine_status st;

	engine_status(c, &st);
	mx_buf_addf(b, "%s\tname=%s\tstate=%s\twaiting=%zu\tfetches=%" PRIu64 "\tfailures=%" PRIu64
	    "\tanswers=%" PRIu64 "\trejections=%" PRIu64, word, st.name, engine_state_name(st.state), st.waiting,
	    st.fetches, st.failures, st.answers, st.rejections);
	mx_buf_addf(b, "\tfetches_ok=%" PRIu64 "\tfetches_temporary=%" PRIu64 "\tfetches_permanent=%" PRIu64, st.oks,
	    st.failures - st.permanents, st.permanents);
	if (st.token_id != NULL)
		mx_buf_addf(b, "\ttoken=%s\texpires_in=%" PRId64 "\tmargin=%" PRId64, st.token_id,
		    st.expires_in_ms / 1000, (st.margin_ms + 999) / 1000);
	if (st.next_in_ms != 0)
		mx_buf_addf(b, "\tnext_in=%" PRIu64, (st.next_in_ms + 999) / 1000);
	if (st.ever_ok)
		mx_buf_addf(b, "\tlast_success_ago=%" PRIu64, st.ok_ago_ms / 1000);
	if (st.err != NULL)
		mx_buf_addf(b, "\tfailed_ago=%" PRIu64 "\tclass=%s\tcode=%s\terror=%s", st.failed_ago_ms / 1000,
		    mx_class_info(st.err->cls)->name, st.err->code, st.err->text);
	else if (st.past != NULL)
		mx_buf_addf(b, "\tlast_failure_ago=%" PRIu64 "\tlast_failure_class=%s\tlast_failure_code=%s"
		    "\tlast_failure_error=%s", st.failed_ago_ms / 1000, mx_class_info(st.past->cls)->name,
		    st.past->code, st.past->text);
	if (engine_client_subject(c) != NULL) {		/* a mailbox has its client's credentials */
		mx_buf_addc(b, '\n');
		return;
	}
	mx_buf_addf(b, "\tcredential_failures=%" PRIu64, side != NULL ? side->failed : 0);
	if (conf->oc.ncredentials > 1)
		mx_buf_addf(b, "\tcredential=%zu", side != NULL ? side->credential + 1 : 1);
	if (first.ends != 0)
		mx_buf_addf(b, "\tcredential_expires_in=%" PRId64 "\tcredential_expires=%zu\tcredential_kind=%s",
		    (int64_t)first.ends - (int64_t)(mx_wall_ms() / 1000), first.credential + 1, first.kind);
	mx_buf_addc(b, '\n');
}

static void user_line(const struct uid_entry *u, struct mx_buf *b)
{
	if (uids_is_others(u))
		mx_buf_adds(b, "others");
	else
		mx_buf_addf(b, "user\tuid=%lu", (unsigned long)u->uid);
	mx_buf_addf(b, "\tconnections=%u\trequests=%" PRIu64 "\tanswers=%" PRIu64 "\tdenied=%" PRIu64
	    "\tturned_away=%" PRIu64 "\n", u->open, u->requests, u->answers, u->denied, u->turned_away);
}

enum { DAEMON, CLIENTS, MAILBOXES, USERS, PARTS };

static size_t count(const struct server *s, size_t part)
{
	return part == DAEMON ? 1 : part == CLIENTS ? engine_count(s->engine) :
	    part == MAILBOXES ? engine_sub_places(s->engine) : UIDS_MAX + 1;
}

static void write_line(struct server *s, size_t part, size_t i, struct mx_buf *b)
{
	if (part == DAEMON)
		daemon_line(s, b);
	else if (part == CLIENTS)
		client_line("client", engine_at(s->engine, i), b);
	else if (part == MAILBOXES) {
		if (engine_sub_at(s->engine, i) != NULL)
			client_line("mailbox", engine_sub_at(s->engine, i), b);
	}
	else if (uids_at(i) != NULL)
		user_line(uids_at(i), b);
}

const struct report_kind report_status = { PARTS, count, write_line };

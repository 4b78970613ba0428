#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_SYS_PRCTL_H
#include <sys/prctl.h>
#endif
#ifdef HAVE_LINUX_CAPABILITY_H
#include <linux/capability.h>
#endif

#include "common/status.h"
#include "common/text.h"
#include "tokend/log.h"
#include "tokend/sandbox-private.h"
#include "tokend/sandbox.h"

static bool in_force[SANDBOX_PARTS];

bool sandbox_has(enum sandbox_part part)
{
	return in_force[part];
}

const char *sandbox_part_name(enum sandbox_part part)
{
	static const char *const names[SANDBOX_PARTS] = {
		[SANDBOX_CAPABILITIES] = "no_capabilities", [SANDBOX_NO_NEW_PRIVILEGES] = "no_new_privileges",
		[SANDBOX_LANDLOCK] = "landlock", [SANDBOX_SECCOMP] = "seccomp"
	};

	return names[part];
}

/* A service manager may have handed some over (AmbientCapabilities=); none is of use. "user: root" keeps root's. */
static const char *drop_capabilities(void)
{
#if defined(HAVE_LINUX_CAPABILITY_H) && defined(SYS_capset)
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } }, has[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() == 0)
		return "the daemon runs as root";
	if (syscall(SYS_capget, &head, has) == 0 && memcmp(has, none, sizeof none) == 0)
		return NULL;
#ifdef PR_CAP_AMBIENT
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
#endif
	return syscall(SYS_capset, &head, none) == 0 ? NULL : strerror(errno);
#else
	return geteuid() == 0 ? "the daemon runs as root" : NULL;
#endif
}

static const char *no_new_privileges(void)
{
#if defined(HAVE_SYS_PRCTL_H) && defined(PR_SET_NO_NEW_PRIVS)
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? NULL : strerror(errno);
#else
	return "not known to this system";
#endif
}

static const char *yes_no(enum sandbox_part part)
{
	return in_force[part] ? "yes" : "no";
}

void sandbox_enter(const struct conf *c, bool wanted)
{
	static const char off[] = "switched off by --no-sandbox";
	const char *why[SANDBOX_PARTS], *first = NULL;
	char q[MX_TEXT_MAX + 40] = "";
	int i;

	why[SANDBOX_CAPABILITIES] = drop_capabilities();
	why[SANDBOX_NO_NEW_PRIVILEGES] = no_new_privileges();
	why[SANDBOX_LANDLOCK] = wanted ? sandbox_files(c) : off;
	why[SANDBOX_SECCOMP] = wanted ? sandbox_calls() : off;		/* the last one: it forbids the calls of the others */
	for (i = 0; i < SANDBOX_PARTS; i++) {
		in_force[i] = why[i] == NULL;
		if (first == NULL)
			first = why[i];
	}
	if (first != NULL)
		(void)mx_quote(q, sizeof q, first, strlen(first));
	log_event(wanted ? LOG_NOTICE : LOG_WARNING, "sandbox", "no_capabilities=%s no_new_privileges=%s "
	    "landlock=%s seccomp=%s%s%s", yes_no(SANDBOX_CAPABILITIES), yes_no(SANDBOX_NO_NEW_PRIVILEGES),
	    yes_no(SANDBOX_LANDLOCK), yes_no(SANDBOX_SECCOMP), first != NULL ? " text=" : "", q);
}

static bool review(void *arg, const char *folder, const char *what)
{
	char q[MX_TEXT_MAX + 40];

	(void)arg;
	if (!sandbox_covers(folder))
		log_event(LOG_WARNING, "restart_needed", "folder=%s text=\"%s: this folder was not there, or not in the "
		    "configuration, when the daemon closed itself to all others, and nothing can be written in it before the "
		    "next start\"", mx_quote(q, sizeof q, folder, strlen(folder)), what);
	return true;
}

void sandbox_review(const struct conf *c)
{
	if (in_force[SANDBOX_LANDLOCK])
		(void)sandbox_folders(c, review, NULL);
}

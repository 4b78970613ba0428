/*
 * mta-xoauth2: from the command line to a verb of the table in verbs.c.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/args.h"
#include "ctl/help.h"
#include "ctl/out.h"
#include "oauth/wipe.h"

/*
 * A closed standard descriptor must not become a socket or a file by chance. It is taken the wrong
 * way round, so that using it fails: what cannot be printed is an error.
 */
static void take_standard_fds(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			(void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	struct call c;
	int r;

	take_standard_fds();
	if (!oauth_wipe_install()) {	/* before any verb opens a key */
		out_error("OpenSSL cannot be set up");
		return CTL_TEMP;
	}
	if ((r = args_parse(argc, argv, &c)) != CTL_FINE)
		return r;
	if (c.help)
		help_print(c.verb);
	else if (c.version)
		puts("mta-xoauth2 " PACKAGE_VERSION);
	else
		r = c.verb->run(&c);
	return out_end(r);
}

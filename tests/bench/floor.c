/*
 * What a request costs at the least: a socket, a connection, a question, an answer, the end of file. The
 * server reads straight after accept, looks at nothing and answers with bytes it had at hand.
 */
#include "config.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define QUESTION 160			/* bytes, about what the plugin asks with */
#define ANSWER 2200

static void address(struct sockaddr_un *sa, const char *path)
{
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof sa->sun_path)
		die("%s: too long for a socket", path);
	memcpy(sa->sun_path, path, strlen(path) + 1);
}

static void serve(int fd)
{
	static char in[8192], out[ANSWER];
	int c;

	memset(out, 'A', sizeof out);
	out[sizeof out - 1] = '\n';
	while ((c = accept(fd, NULL, NULL)) != -1) {
		if (read(c, in, sizeof in) > 0 && write(c, out, sizeof out) != sizeof out)
			die("floor: short write");
		close(c);
	}
	die("floor: accept");
}

pid_t floor_serve(const char *path)
{
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t pid;

	address(&sa, path);
	unlink(path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof sa) == -1 || listen(fd, 128) == -1)
		die("floor: cannot listen on %s", path);
	if ((pid = fork()) == -1)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
	}
	close(fd);
	return pid;
}

void floor_ask(const char *path)
{
	static char question[QUESTION], answer[ANSWER * 2];
	struct sockaddr_un sa;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t got = 0;
	ssize_t r;

	address(&sa, path);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sa, sizeof sa) == -1 ||
	    write(fd, question, sizeof question) != sizeof question)
		die("floor: connect or write");
	while ((r = read(fd, answer + got, sizeof answer - got)) > 0)
		got += (size_t)r;
	if (r != 0 || got != ANSWER)
		die("floor: %zu bytes instead of %d", got, ANSWER);
	close(fd);
}

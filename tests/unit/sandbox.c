#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "sandbox.h"

static volatile long denied;

#if defined(__linux__) && defined(__GLIBC__) && !defined(MX_SANITIZED)

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define RESULT(u) ((u)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define RESULT(u) ((u)->uc_mcontext.regs[0])
#endif

#endif

#ifdef ARCH

/* The call comes back as if it had failed, and is known. */
static void on_denied(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	denied = info->si_syscall;
	RESULT(u) = (__typeof__(RESULT(u)))-EPERM;
}

#define ALLOW(name) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (name), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

bool sandbox_enter(void)
{
	static struct sock_filter calls[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		/* the plugin's own: see plugin/README.md */
		ALLOW(SYS_connect), ALLOW(SYS_sendto), ALLOW(SYS_recvfrom), ALLOW(SYS_close), ALLOW(SYS_fcntl),
		ALLOW(SYS_getsockopt), ALLOW(SYS_clock_gettime),
#ifdef SYS_poll
		ALLOW(SYS_poll),
#endif
		ALLOW(SYS_ppoll),
		/* the C library's allocator, which is the host's */
		ALLOW(SYS_brk), ALLOW(SYS_mmap), ALLOW(SYS_munmap),
		/* the test's */
		ALLOW(SYS_exit_group), ALLOW(SYS_rt_sigreturn),
		/* a socket has to be one of this machine */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		ALLOW(AF_UNIX),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	const struct sock_fprog program = { .len = sizeof calls / sizeof calls[0], .filter = calls };
	struct sigaction sa = { .sa_sigaction = on_denied, .sa_flags = SA_SIGINFO };

	return getenv("MX_VALGRIND") == NULL && sigaction(SIGSYS, &sa, NULL) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#else

bool sandbox_enter(void)
{
	return false;
}

#endif

long sandbox_denied(void)
{
	return denied;
}

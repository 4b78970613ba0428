/*
 * seccomp: the calls that the daemon, its libraries and their modules (names of users and hosts, keys in
 * devices) make.
 *
 * What is not in the list fails with ENOSYS, as on a kernel that is older than the call: a C library that is
 * newer than this list then takes the older way, and the daemon lives. What only a burglar would try fails
 * with EPERM. Nothing is killed. With the kernel's audit the log has a line, type SECCOMP, for each.
 */
#include "config.h"

#include "tokend/sandbox-private.h"

#ifdef HAVE_LIBSECCOMP

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* By name, since no two machines have the same ones; unknown ones are passed over. */
static const char *const wanted[] = {
	/* memory and time; mmap and mprotect: below */
	"brk", "madvise", "membarrier", "mincore", "mlock", "mlock2", "mremap", "msync",
	"munlock", "munmap", "riscv_flush_icache", "cacheflush", "clock_getres",
	"clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
	"clock_nanosleep_time64", "gettimeofday", "nanosleep", "time", "times", "alarm",
	"getitimer", "setitimer", "timerfd_create", "timerfd_gettime", "timerfd_gettime64",
	"timerfd_settime", "timerfd_settime64", "timer_create", "timer_delete", "timer_settime",
	"timer_settime64",
	/* threads, processes, signals; clone: below */
	"arch_prctl", "exit", "exit_group", "fork", "futex", "futex_time64", "futex_waitv",
	"get_robust_list", "get_thread_area", "getpgid", "getpgrp", "getpid", "getppid", "getsid",
	"gettid", "pause", "prctl", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending",
	"rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
	"rt_sigtimedwait_time64", "sched_getaffinity", "sched_getparam", "sched_get_priority_max",
	"sched_get_priority_min", "sched_getscheduler", "sched_yield", "set_robust_list",
	"set_thread_area", "set_tid_address", "set_tls", "setsid", "sigaction", "sigaltstack",
	"signalfd", "signalfd4", "sigprocmask", "sigreturn", "sigsuspend", "tgkill", "vfork",
	"wait4", "waitid", "waitpid",
	/* who and where */
	"capget", "getcpu", "getcwd", "getegid", "getegid32", "geteuid", "geteuid32", "getgid",
	"getgid32", "getgroups", "getgroups32", "getpriority", "getrandom", "getresgid",
	"getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage", "getuid", "getuid32",
	"prlimit64", "setrlimit", "sysinfo", "ugetrlimit", "umask", "uname",
	/* descriptors */
	"_llseek", "close", "close_range", "copy_file_range", "dup", "dup2", "dup3",
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
	"epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "fcntl", "fcntl64",
	"ioctl", "lseek", "memfd_create", "_newselect", "pipe", "pipe2", "poll", "ppoll",
	"ppoll_time64", "pread64", "preadv", "preadv2", "pselect6", "pselect6_time64", "pwrite64",
	"pwritev", "pwritev2", "read", "readv", "select", "sendfile", "sendfile64", "write",
	"writev",
	/* files */
	"access", "chdir", "chmod", "chown", "chown32", "creat", "faccessat", "faccessat2",
	"fadvise64", "fadvise64_64", "arm_fadvise64_64", "fallocate", "fchdir", "fchmod",
	"fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fdatasync", "flock", "fstat",
	"fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64",
	"futimesat", "getdents", "getdents64", "inotify_add_watch", "inotify_init",
	"inotify_init1", "inotify_rm_watch", "lchown", "lchown32", "link", "linkat", "lstat",
	"lstat64", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "readahead",
	"readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat", "stat64",
	"statfs", "statfs64", "statx", "symlink", "symlinkat", "truncate", "truncate64", "unlink",
	"unlinkat", "utime", "utimensat", "utimensat_time64", "utimes", "fgetxattr", "flistxattr",
	"getxattr", "lgetxattr", "listxattr", "llistxattr",
	/* sockets (socket, socketpair: below); semaphores and shared memory are for modules of keys in devices */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send",
	"sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketcall", "semctl",
	"semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt",
	"shmget", "ipc",
#ifdef MX_SANITIZED
	"kill", "personality", "ptrace", "process_vm_readv", "readlink", "sched_setscheduler",	/* leaks are looked for at the end */
#endif
};

static const char *const quietly[] = { "clone3" };

/* Running programs, looking into others, other privileges, other places, the machine. */
static const char *const refused[] = {
	"execve", "execveat", "uselib", "process_vm_writev", "process_madvise", "pidfd_getfd",
	"pidfd_open", "pidfd_send_signal", "kcmp", "setuid", "setuid32", "setgid", "setgid32",
	"setreuid", "setreuid32", "setregid", "setregid32", "setresuid", "setresuid32",
	"setresgid", "setresgid32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32",
	"setgroups", "setgroups32", "capset", "unshare", "setns", "chroot", "pivot_root", "mount",
	"umount", "umount2", "open_tree", "move_mount", "fsopen", "fsmount", "mount_setattr",
	"mknod", "mknodat", "name_to_handle_at", "open_by_handle_at", "add_key", "keyctl",
	"request_key", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "init_module",
	"finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon",
	"swapoff", "quotactl", "acct", "settimeofday", "clock_settime", "clock_settime64",
	"clock_adjtime", "clock_adjtime64", "adjtimex", "sethostname", "setdomainname", "iopl",
	"ioperm", "modify_ldt", "vhangup", "syslog", "lookup_dcookie", "pkey_mprotect",
	"setxattr", "lsetxattr", "fsetxattr",
#ifndef MX_SANITIZED
	"kill", "tkill", "personality", "ptrace", "process_vm_readv",
#endif
};

#define N(a) (sizeof (a) / sizeof (a)[0])
/* clone() with any of these begins another world. The low byte is a signal. */
#define NAMESPACES ((scmp_datum_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	CLONE_NEWPID | CLONE_NEWNET))

static int each(scmp_filter_ctx f, uint32_t action, const char *const *name, size_t n)
{
	int call, r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		if ((call = seccomp_syscall_resolve_name(name[i])) != __NR_SCMP_ERROR)
			r = seccomp_rule_add(f, action, call, 0);
	return r == -EEXIST ? 0 : r;
}

static int when(scmp_filter_ctx f, uint32_t action, const char *name, struct scmp_arg_cmp cmp)
{
	const int call = seccomp_syscall_resolve_name(name);
	int r = call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(f, action, call, 1, &cmp);

	return r == -EEXIST ? 0 : r;
}

#define DO(expression) if ((r = (expression)) != 0) return r

/* Memory is written or run, never both: what is brought in cannot be run. Libraries still load. */
static int memory(scmp_filter_ctx f)
{
	static const char *const maps[] = { "mmap", "mmap2" };
	const scmp_datum_t both = PROT_WRITE | PROT_EXEC;
	int r;

	for (size_t i = 0; i < N(maps); i++) {
		DO(when(f, SCMP_ACT_ALLOW, maps[i], SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0)));
		DO(when(f, SCMP_ACT_ALLOW, maps[i], SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
		DO(when(f, SCMP_ACT_ERRNO(EPERM), maps[i], SCMP_A2(SCMP_CMP_MASKED_EQ, both, both)));
	}
	DO(when(f, SCMP_ACT_ALLOW, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
	return when(f, SCMP_ACT_ERRNO(EPERM), "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
}

/* AF_NETLINK: the C library looks at this host's addresses before it orders those of the provider. */
static int sockets(scmp_filter_ctx f)
{
	static const char *const calls[] = { "socket", "socketpair" };
	scmp_datum_t family;
	int r;

	for (size_t i = 0; i < N(calls); i++) {
		for (family = 0; family <= AF_NETLINK; family++)
			DO(when(f, family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK ?
			    SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT), calls[i], SCMP_A0(SCMP_CMP_EQ, family, 0)));
		DO(when(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), calls[i], SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0)));
	}
	return 0;
}

/* Threads, and the process that renews a refresh token. */
static int processes(scmp_filter_ctx f)
{
#ifdef __s390x__
	return when(f, SCMP_ACT_ALLOW, "clone", SCMP_A1(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
#else
	return when(f, SCMP_ACT_ALLOW, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
#endif
}

/*
 * clone3's flags cannot be seen, and with ENOSYS the C library takes clone. It tries with each thread, that is
 * with each name of a host: a filter of its own refuses it, which is not told to the log.
 */
static int quiet(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (f == NULL)
		return -ENOMEM;
	if ((r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1)) == 0 &&
	    (r = each(f, SCMP_ACT_ERRNO(ENOSYS), quietly, N(quietly))) == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	return r;
}

static int rules(scmp_filter_ctx f)
{
	int r;

#if SCMP_VER_MAJOR > 2 || SCMP_VER_MINOR >= 5
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);		/* a tree, not a list: each call passes through */
#endif
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_LOG, 1);		/* kernels before 4.14 cannot */
	DO(seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1));
	DO(memory(f));
	DO(sockets(f));
	DO(processes(f));
	DO(quiet());
	DO(each(f, SCMP_ACT_ALLOW, quietly, N(quietly)));
	DO(each(f, SCMP_ACT_ALLOW, wanted, N(wanted)));
	DO(each(f, SCMP_ACT_ERRNO(EPERM), refused, N(refused)));
	return seccomp_load(f);
}

const char *sandbox_calls(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (f == NULL)
		return "no memory for seccomp's filter";
	r = rules(f);
	seccomp_release(f);
	return r == 0 ? NULL : strerror(-r);
}

#else

const char *sandbox_calls(void)
{
	return "built without libseccomp";
}

#endif

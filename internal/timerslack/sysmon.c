//go:build linux

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Only a thread itself may change its slack, or whoever has CAP_SYS_NICE. So it is made
// to, by a signal that nobody else uses here.
static atomic_int answered;
static unsigned long wanted;

static void change_slack(int sig)
{
	int e = errno;
	syscall(SYS_prctl, PR_SET_TIMERSLACK, wanted, 0UL, 0UL, 0UL);
	errno = e;
	atomic_store(&answered, 1);
}

// 0, or −1 if the thread is not there or does not take the signal within a second.
int ringtail_slack_of(int tid, unsigned long ns)
{
	struct sigaction change = {.sa_handler = change_slack, .sa_flags = SA_ONSTACK | SA_RESTART}, before;
	struct timespec moment = {.tv_nsec = 1000000};
	sigfillset(&change.sa_mask);
	atomic_store(&answered, 0);
	wanted = ns;
	if (sigaction(SIGRTMAX, &change, &before) != 0)
		return -1;
	if (syscall(SYS_tgkill, getpid(), tid, SIGRTMAX) == 0)
		for (int i = 0; i < 1000 && !atomic_load(&answered); i++)
			nanosleep(&moment, NULL);
	sigaction(SIGRTMAX, &before, NULL);
	return atomic_load(&answered) ? 0 : -1;
}

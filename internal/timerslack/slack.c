//go:build linux

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// Runs before Go's runtime, whose first thread is sysmon: a thread has the slack of
// the one that made it, and only itself can change it. The command line is read from
// /proc since not every libc passes it to constructors.
__attribute__((constructor)) static void ringtail_timer_slack(void)
{
	char line[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, line, sizeof line - 1);
	close(fd);
	if (n <= 0)
		return;
	line[n] = 0;
	const char *verb = line + strlen(line) + 1;
	unsigned long slack = 0;
	if (verb < line + n && strcmp(verb, "serve") == 0)
		slack = 1000000;
	else if (verb < line + n && strcmp(verb, "bench") == 0)
		slack = 200000;
	if (slack)
		prctl(PR_SET_TIMERSLACK, slack, 0UL, 0UL, 0UL);
}

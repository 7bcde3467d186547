/*
 * notify.c - telling the service manager how we are: one datagram to the socket it named; and how often it wants to
 * hear that we live.
 *
 * The supervisor's, but for that. Nobody waits for an answer and nothing depends on it, so errors stay silent.
 */
#include "config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "serve/private.h"

enum {
	PLEA_MS = 10000,		/* between two pleas; less where the watchdog wants it so */
	PLEA_FOR_S = 30			/* what one pleads for */
};

static bool is_heard(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* A number in the environment; 0 when there is none. */
static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	uint64_t value = 0;

	return text != NULL && str_to_u64(str_c(text), 0, INT64_MAX, &value) ? value : 0;
}

uint64_t notify_watchdog_us(pid_t pid)
{
	uint64_t whose = number_of("WATCHDOG_PID");

	if (!is_heard() || (getenv("WATCHDOG_PID") != NULL && whose != (uint64_t)pid))
		return 0;
	return number_of("WATCHDOG_USEC");
}

void notify_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = path == NULL ? 0 : strlen(path);
	socklen_t size;
	int fd;

	if (n < 2 || n >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, n);
	if (path[0] == '@')
		address.sun_path[0] = '\0';	/* an abstract address */
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
	close(fd);
}

void notify_reloading(void)
{
	char text[80];

	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading", clock_mono_us());
	notify_systemd(text);
}

/* --- patience --- */

void notify_plea_begin(struct notify_plea *plea, int64_t limit_ms)
{
	uint64_t now = clock_mono_us();

	plea->at_us = is_heard() ? now : UINT64_MAX;
	plea->until_us = now + (uint64_t)limit_ms * 1000;
}

void notify_plea_end(struct notify_plea *plea)
{
	plea->at_us = UINT64_MAX;
}

void notify_plea(struct notify_plea *plea)
{
	uint64_t watchdog_us = notify_watchdog_us(getpid()), every_us = PLEA_MS * 1000;
	char text[80];

	if (watchdog_us != 0 && watchdog_us / 2 < every_us)
		every_us = watchdog_us / 2;
	plea->at_us = clock_mono_us() + every_us;
	if (plea->at_us >= plea->until_us)
		notify_plea_end(plea);
	snprintf(text, sizeof text, "EXTEND_TIMEOUT_USEC=%d000000%s", PLEA_FOR_S, watchdog_us != 0 ? "\nWATCHDOG=1" : "");
	notify_systemd(text);
}

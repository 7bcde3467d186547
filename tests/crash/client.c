/*
 * client.c - see client.h. A client belongs to one thread.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

/*
 * What is longer than the front server's buffer is on its way to the client before the server has sent all of it.
 * When the server dies then, nobody can ask again but the client: the answer breaks off, and is seen to.
 */
enum { PATIENCE_S = 30, HEAD_MAX = 4096, FRONT_BUFFER = 64 * 1024 };

bool tokens_read(struct tokens *tokens, const char *path)
{
	FILE *file = path == NULL ? NULL : fopen(path, "r");

	if (file == NULL)
		return false;
	while (tokens->n < TOKENS_MAX && fgets(tokens->at[tokens->n], TOKEN_MAX, file) != NULL) {
		tokens->at[tokens->n][strcspn(tokens->at[tokens->n], "\n")] = '\0';
		tokens->n++;
	}
	fclose(file);
	return tokens->n != 0;
}

void client_init(struct client *client, const char *socket)
{
	client->socket = socket;
	client->headers = "";
	client->fd = -1;
	client->n = 0;
}

void client_clear(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static bool client_connect(struct client *client)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (client->fd >= 0)
		return true;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", client->socket);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	return connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n != 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* More of the answer. The last byte of the buffer stays free for a NUL. */
static bool receive_some(struct client *client)
{
	ssize_t n = -1;

	if (client->n < ANSWER_MAX - 1)
		do
			n = recv(client->fd, client->buf + client->n, ANSWER_MAX - 1 - client->n, 0);
		while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	client->n += (size_t)n;
	client->buf[client->n] = '\0';
	return true;
}

/* The value of a header that begins a line of HEAD; NULL when there is none. */
static const char *header(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " ");
	}
	return NULL;
}

static uint64_t header_number(const char *head, const char *name)
{
	const char *value = header(head, name);

	return value == NULL ? 0 : strtoull(value + (*value == '"'), NULL, 10);
}

/* Read one answer. False when there is no whole one. */
static bool receive(struct client *client, struct answer *answer)
{
	const char *connection;
	char *end;
	size_t n_head;

	client->n = 0;
	do {
		if (!receive_some(client))
			return false;
	} while ((end = strstr(client->buf, "\r\n\r\n")) == NULL);
	end[2] = '\0';
	n_head = (size_t)(end + 4 - client->buf);
	if (sscanf(client->buf, "HTTP/1.1 %d", &answer->status) != 1)
		return false;
	/* 304 may tell a length, and has no body all the same. */
	answer->n_body = answer->status == 304 ? 0 : header_number(client->buf, "Content-Length");
	answer->version = header_number(client->buf, "ETag");
	answer->writes = header_number(client->buf, "X-KV-Writes");
	connection = header(client->buf, "Connection");
	answer->broke_off = answer->n_body > FRONT_BUFFER;
	while (client->n < n_head + answer->n_body)
		if (!receive_some(client))
			return false;
	answer->broke_off = false;
	answer->body = client->buf + n_head;
	/* After some requests the front server wants a new connection. */
	if (connection != NULL && strncasecmp(connection, "close", 5) == 0)
		client_clear(client);
	return true;
}

static bool send_request(struct client *client, const char *method, const char *path, const char *token,
			 const char *body, size_t n)
{
	char head[HEAD_MAX];
	int n_head = snprintf(head, sizeof head,
			      "%s %s HTTP/1.1\r\nHost: tmakv\r\nAuthorization: Bearer %s\r\nContent-Length: %zu\r\n%s\r\n",
			      method, path, token, n, client->headers);

	return n_head > 0 && (size_t)n_head < sizeof head && client_connect(client) &&
	       send_all(client->fd, head, (size_t)n_head) && (n == 0 || send_all(client->fd, body, n));
}

void client_ask(struct client *client, const char *method, const char *path, const char *token,
		const char *body, size_t n, struct answer *answer)
{
	*answer = (struct answer){ .status = 0 };
	if (send_request(client, method, path, token, body, n) && receive(client, answer))
		return;
	*answer = (struct answer){ .status = 0, .broke_off = answer->broke_off };
	client_clear(client);
}

void client_ask_and_leave(struct client *client, const char *method, const char *path, const char *token,
			  const char *body, size_t n, unsigned patience_us)
{
	if (send_request(client, method, path, token, body, n))
		usleep(patience_us);
	client_clear(client);
}

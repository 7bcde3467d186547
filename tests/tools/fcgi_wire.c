/*
 * fcgi_wire.c - see fcgi_wire.h.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi_wire.h"

void bytes_add(struct bytes *bytes, const void *p, size_t n)
{
	if (n > bytes->room - bytes->n) {
		bytes->room = (bytes->n + n) * 2 + 64;
		bytes->p = realloc(bytes->p, bytes->room);
		if (bytes->p == NULL)
			abort();
	}
	if (n != 0)
		memcpy(bytes->p + bytes->n, p, n);
	bytes->n += n;
}

void bytes_free(struct bytes *bytes)
{
	free(bytes->p);
	*bytes = (struct bytes){ .n = 0 };
}

void wire_record(struct bytes *out, int type, int id, const void *p, size_t n, size_t padding)
{
	static const unsigned char zeros[255];
	const unsigned char head[8] = {
		1, (unsigned char)type,
		(unsigned char)(id >> 8), (unsigned char)id,
		(unsigned char)(n >> 8), (unsigned char)n,
		(unsigned char)padding, 0
	};

	assert(n <= 65535 && padding <= sizeof zeros);
	bytes_add(out, head, sizeof head);
	bytes_add(out, p, n);
	bytes_add(out, zeros, padding);
}

void wire_begin(struct bytes *out, int id, bool keep)
{
	const unsigned char body[8] = { 0, 1, keep ? 1 : 0 };

	wire_record(out, FCGI_TYPE_BEGIN, id, body, sizeof body, 0);
}

static void add_length(struct bytes *params, size_t n)
{
	const unsigned char length[4] = {
		(unsigned char)(0x80 | n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n
	};

	if (n < 128)
		bytes_add(params, &length[3], 1);
	else
		bytes_add(params, length, sizeof length);
}

void wire_param(struct bytes *params, const char *name, const void *value, size_t n_value)
{
	add_length(params, strlen(name));
	add_length(params, n_value);
	bytes_add(params, name, strlen(name));
	bytes_add(params, value, n_value);
}

void wire_stream(struct bytes *out, int type, int id, const void *p, size_t n)
{
	const unsigned char *rest = p;

	while (n != 0) {
		size_t piece = n < 32768 ? n : 32768;

		wire_record(out, type, id, rest, piece, (8 - piece % 8) % 8);
		rest += piece;
		n -= piece;
	}
	wire_record(out, type, id, NULL, 0, 0);
}

static size_t head_length(const struct bytes *out)
{
	const unsigned char *end = out->n == 0 ? NULL : memmem(out->p, out->n, "\r\n\r\n", 4);

	return end == NULL ? 0 : (size_t)(end - out->p) + 4;
}

/* One record of the answer; false when it has no place there. */
static bool read_record(struct wire_answer *answer, int type, const unsigned char *p, size_t n)
{
	if (type == FCGI_TYPE_STDOUT && n == 0) {
		if (answer->out_ended)
			return false;
		answer->out_ended = true;
	} else if (type == FCGI_TYPE_STDOUT) {
		if (answer->out_ended)
			return false;
		bytes_add(&answer->out, p, n);
		answer->n_records++;
	} else if (type == FCGI_TYPE_END) {
		if (n != 8)
			return false;
		answer->ended = true;
		answer->protocol_status = p[4];
	} else {
		return false;
	}
	return true;
}

bool wire_answer_read(struct wire_answer *answer, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	*answer = (struct wire_answer){ .padded = true };
	while (n != 0 && !answer->ended) {
		size_t content, padding;
		int id;

		if (n < 8 || p[0] != 1)
			return false;
		id = p[2] << 8 | p[3];
		content = (size_t)p[4] << 8 | p[5];
		padding = p[6];
		if (n - 8 < content + padding || (id != 0 && answer->id != 0 && answer->id != id))
			return false;
		answer->padded = answer->padded && (content + padding) % 8 == 0;
		if (id == 0)
			answer->n_management++;
		else if (!read_record(answer, p[1], p + 8, content))
			return false;
		answer->id |= id;
		p += 8 + content + padding;
		n -= 8 + content + padding;
	}
	answer->behind = n;
	answer->head = head_length(&answer->out);
	return true;
}

void wire_answer_free(struct wire_answer *answer)
{
	bytes_free(&answer->out);
}

bool wire_header(const struct wire_answer *answer, const char *name, char *out, size_t size)
{
	const char *line = (const char *)answer->out.p;
	const char *end = line + answer->head;
	size_t n_name = strlen(name);

	while (line < end) {
		const char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);
		size_t n = (size_t)(stop - line);

		if (n > n_name + 1 && line[n_name] == ':' && strncasecmp(line, name, n_name) == 0) {
			const char *value = line + n_name + 1;

			value += strspn(value, " ");
			n = (size_t)(stop - value);
			if (n >= size)
				return false;
			memcpy(out, value, n);
			out[n] = '\0';
			return true;
		}
		line = stop + 2;
	}
	return false;
}

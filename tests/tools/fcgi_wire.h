/*
 * fcgi_wire.h - FastCGI records, written and read byte by byte, for tests: what the front
 * server sends, and what it would make of the answer.
 *
 * Nothing here is shared with app/: a mistake there must not be repeated here.
 */
#ifndef TOOLS_FCGI_WIRE_H
#define TOOLS_FCGI_WIRE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	FCGI_TYPE_BEGIN = 1,
	FCGI_TYPE_ABORT = 2,
	FCGI_TYPE_END = 3,
	FCGI_TYPE_PARAMS = 4,
	FCGI_TYPE_STDIN = 5,
	FCGI_TYPE_STDOUT = 6,
	FCGI_TYPE_STDERR = 7,
	FCGI_TYPE_GET_VALUES = 9,
	FCGI_TYPE_UNKNOWN = 11
};

/* Bytes that grow; the program ends when there is no memory. */
struct bytes {
	unsigned char *p;
	size_t n, room;
};

void bytes_add(struct bytes *bytes, const void *p, size_t n);
void bytes_free(struct bytes *bytes);

/* wire_record - one record, exactly as told; N up to 65535. */
void wire_record(struct bytes *out, int type, int id, const void *p, size_t n, size_t padding);

/* wire_begin - BEGIN_REQUEST for a responder. */
void wire_begin(struct bytes *out, int id, bool keep);

/* wire_param - a name and a value, as PARAMS holds them. */
void wire_param(struct bytes *params, const char *name, const void *value, size_t n_value);

/* wire_stream - P as records of TYPE, and the empty one that ends the stream. */
void wire_stream(struct bytes *out, int type, int id, const void *p, size_t n);

/* An answer taken apart. */
struct wire_answer {
	struct bytes out;	/* all STDOUT content: head and body */
	size_t head;		/* length of the head with its empty line; 0: there is none */
	size_t n_records;	/* STDOUT records with content */
	size_t n_management;	/* records of no request, before its end */
	bool padded;		/* every record's length with its padding is a multiple of 8 */
	bool out_ended;		/* by an empty STDOUT record */
	bool ended;		/* END_REQUEST was there */
	int protocol_status;	/* and said this */
	int id;			/* the request id all records agree on */
	size_t behind;		/* bytes after END_REQUEST */
};

/*
 * wire_answer_read - take the N bytes at P apart. False when they are not whole, well-formed records
 * of one request. wire_answer_free() in any case.
 */
bool wire_answer_read(struct wire_answer *answer, const void *p, size_t n);
void wire_answer_free(struct wire_answer *answer);

/* wire_header - the value of header NAME in the head, NUL-terminated in OUT of SIZE; false when absent. */
bool wire_header(const struct wire_answer *answer, const char *name, char *out, size_t size);

#endif

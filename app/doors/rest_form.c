/*
 * rest_form.c - a value and its metadata as multipart/form-data, which is how Cloudflare's SDK sends every value.
 *
 * The part `value` is the value, whatever bytes it has. The part `metadata` is JSON text, and "null" is none. When
 * metadata is given to their SDK as an object it arrives taken apart, as parts metadata[a][b] with texts in
 * them: they are put together again, so that it is not lost. Other parts mean nothing here.
 */
#include "config.h"

#include "base/jdoc.h"
#include "call.h"
#include "doors/private.h"
#include "http/multipart.h"

enum {
	PIECE_SIZE = 64 * 1024,
	TEXT_MAX = 4 * KV_METADATA_MAX,	/* of a metadata part: with much white space it may still be a short JSON */
	SEGMENTS_MAX = 32,
	/* What a form has besides its value: boundaries, and metadata taken apart. */
	FORM_EXTRA = 256 * 1024
};

enum part { PART_OTHER, PART_VALUE, PART_METADATA, PART_MEMBER };

struct form {
	struct call *call;
	struct multipart multipart;
	enum part part;			/* the one under way */
	struct door_value *value;	/* NULL until there is one */
	bool has_metadata;
	struct buf text;		/* of the metadata part, or of the member under way */
	struct str metadata;		/* the whole text of the metadata part */
	char name[MULTIPART_NAME_MAX + 1];	/* of the member under way, behind "metadata" */
	json_object *members;		/* metadata as an object, when it came in parts */
};

static enum rc say(struct form *form, enum rc rc, const char *why)
{
	form->call->detail = str_c(why);
	return rc;
}

/* ---- metadata[a][b][]: the place of a text in an object ---- */

/* The segments of "[a][b][]", cut apart where they stand; 0: it is none, or has too many. */
static size_t cut_segments(char *name, const char *segments[SEGMENTS_MAX])
{
	size_t n = 0;

	while (*name != '\0') {
		char *end = *name == '[' ? strchr(name, ']') : NULL;

		if (end == NULL || n == SEGMENTS_MAX)
			return 0;
		*end = '\0';
		segments[n++] = name + 1;
		name = end + 1;
	}
	return n;
}

/* Put VALUE (taken over) into AT as SEGMENT says: a member's name, or empty for the end of an array. */
static bool attach(json_object *at, const char *segment, json_object *value)
{
	bool is_array = json_object_is_type(at, json_type_array);

	if (value != NULL && is_array == (segment[0] == '\0') &&
	    (is_array ? json_object_array_add(at, value) : json_object_object_add(at, segment, value)) == 0)
		return true;
	json_object_put(value);
	return false;
}

/*
 * What stands in AT under SEGMENT, made when it is not there: an array when NEXT is empty, else an object. Each
 * element of an array is a new one. NULL: it does not go together with the parts before.
 */
static json_object *enter(json_object *at, const char *segment, const char *next)
{
	json_object *inner = NULL;

	if (json_object_is_type(at, json_type_object) && segment[0] != '\0' &&
	    json_object_object_get_ex(at, segment, &inner))
		return json_object_is_type(inner, next[0] == '\0' ? json_type_array : json_type_object) ? inner : NULL;
	inner = next[0] == '\0' ? json_object_new_array_ext(1) : json_object_new_object();
	return attach(at, segment, inner) ? inner : NULL;
}

static enum rc member_end(struct form *form)
{
	struct str text = buf_str(&form->text);
	const char *segments[SEGMENTS_MAX];
	size_t n = cut_segments(form->name, segments);
	json_object *at;

	if (n == 0 || !buf_ok(&form->text) || !str_is_utf8(text))
		return RC_BAD_METADATA;
	if (form->members == NULL)
		form->members = segments[0][0] == '\0' ? json_object_new_array_ext(1) : json_object_new_object();
	at = form->members;
	for (size_t i = 0; i + 1 < n && at != NULL; i++)
		at = enter(at, segments[i], segments[i + 1]);
	if (at == NULL || !attach(at, segments[n - 1], json_object_new_string_len(text.p == NULL ? "" : text.p, (int)text.n)))
		return say(form, RC_BAD_METADATA, "metadata must be valid json: its parts do not go together");
	return RC_OK;
}

/* ---- what the parser tells ---- */

static enum rc on_part(void *arg, struct str name, bool has_filename)
{
	const struct str prefix = STR_LIT("metadata[");
	struct form *form = arg;

	(void)has_filename;
	form->part = PART_OTHER;
	if (str_eq(name, STR_LIT("value"))) {
		if (form->value != NULL)
			return say(form, RC_BAD_VALUE, "the form has two parts \"value\"");
		form->part = PART_VALUE;
		form->value = door_value_begin(form->call);
		return form->value == NULL ? RC_NO_MEMORY : RC_OK;
	}
	if (str_eq(name, STR_LIT("metadata"))) {
		if (form->has_metadata)
			return say(form, RC_BAD_METADATA, "the form has two parts \"metadata\"");
		form->part = PART_METADATA;
		form->has_metadata = true;
	} else if (str_starts(name, prefix) && memchr(name.p, '\0', name.n) == NULL) {
		form->part = PART_MEMBER;
		memcpy(form->name, name.p + prefix.n - 1, name.n - prefix.n + 1);
		form->name[name.n - prefix.n + 1] = '\0';
	}
	buf_init(&form->text, form->call->arena, TEXT_MAX);
	return RC_OK;
}

static enum rc on_data(void *arg, struct str piece)
{
	struct form *form = arg;

	if (form->part == PART_VALUE)
		return door_value_add(form->value, piece);
	if (form->part == PART_OTHER)
		return RC_OK;
	buf_add(&form->text, piece);
	return buf_ok(&form->text) ? RC_OK : say(form, RC_METADATA_TOO_LARGE, "Metadata length exceeds limit of 1024.");
}

static enum rc on_end(void *arg)
{
	struct form *form = arg;

	if (form->part == PART_METADATA)
		form->metadata = buf_str(&form->text);
	return form->part == PART_MEMBER ? member_end(form) : RC_OK;
}

static const struct multipart_events events = { on_part, on_data, on_end };

/* ---- the body ---- */

static enum rc parse_small(struct form *form)
{
	struct body *body = &form->call->body;
	struct str whole;
	enum rc rc = body_read(body, (size_t)body->declared, form->call->arena, &whole);

	return rc == RC_OK ? multipart_add(&form->multipart, whole) : rc;
}

static enum rc parse_pieces(struct form *form)
{
	char *buf = arena_alloc(form->call->arena, PIECE_SIZE);
	struct str piece;
	enum rc rc = buf == NULL ? RC_NO_MEMORY : RC_OK;

	while (rc == RC_OK && (rc = body_next(&form->call->body, buf, PIECE_SIZE, &piece)) == RC_OK && piece.n != 0)
		rc = multipart_add(&form->multipart, piece);
	return rc;
}

static enum rc parse(struct form *form)
{
	struct call *call = form->call;
	enum rc rc = multipart_init(&form->multipart, call->request.content_type, &events, form);

	if (rc == RC_OK)
		rc = call->slow ? parse_pieces(form) : parse_small(form);
	if (rc == RC_OK)
		rc = multipart_end(&form->multipart);
	if (rc == RC_BAD_REQUEST && call->detail.n == 0)
		call->detail = str_c(multipart_problem(&form->multipart));
	return rc == RC_BAD_REQUEST ? RC_BAD_VALUE : rc;
}

/* The metadata of the form, in whichever way it came. */
static enum rc metadata_of(struct form *form, struct kv_put *put)
{
	struct str text = form->metadata;

	if (form->members != NULL) {
		text = jdoc_text(form->members, form->call->arena);
		if (text.p == NULL)
			return RC_NO_MEMORY;
	}
	return cf_metadata(form->call, text, &put->metadata);
}

enum rc rest_form(struct call *call, struct kv_put *put)
{
	struct form *form;
	enum rc rc;

	if (call->body.declared > call->caller.project->value_limit + FORM_EXTRA)
		return cf_value_too_large(call, (uint64_t)call->body.declared);
	form = arena_zero(call->arena, sizeof *form);
	if (form == NULL)
		return RC_NO_MEMORY;
	form->call = call;
	rc = parse(form);
	if (rc == RC_OK && form->value == NULL)
		rc = say(form, RC_BAD_VALUE, "malformed value: the form has no part \"value\"");
	if (rc == RC_OK)
		rc = door_value_end(form->value, put);
	if (rc == RC_OK)
		rc = metadata_of(form, put);
	json_object_put(form->members);
	return rc;
}

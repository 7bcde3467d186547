/*
 * multipart.c - the pushed parser of multipart/form-data.
 *
 * A delimiter is CR LF "--" boundary. The boundary holds no CR, so a delimiter can begin only
 * at a CR, and where a piece ends inside one, how many bytes of it were seen is all there is
 * to remember: the bytes are known. In the middle of a piece it is looked for as Horspool did:
 * the byte where its last one would be tells how far to go on, mostly by its whole length.
 *
 *   CONTENT -delimiter-> BEHIND -CRLF-> HEAD -empty line-> CONTENT (of a part)
 *     ^____ something else ___|  -"--"-> CLOSING -CRLF-> EPILOGUE
 *
 * The body begins in CONTENT (the preamble, nobody's) as if behind a CR LF; so does each
 * part, because an empty one may have its delimiter right behind its header.
 *
 * A longer line than "--boundary" is content, as in the parsers of Go and Node: it is no
 * boundary of ours. But what begins as one and then breaks the rules (a bare LF, words behind
 * the padding or behind the closing "--") is refused: to read it one way or the other would
 * be a guess about somebody's bytes.
 *
 * Pure: the fuzzer calls it.
 */
#include "config.h"

#include "base/hex.h"
#include "http/multipart.h"

enum state {
	CONTENT,	/* a part's, or the preamble */
	BEHIND,		/* a whole delimiter was seen */
	BEHIND_DASH,	/* and one '-' */
	PADDING,	/* white space behind it */
	PADDING_CR,
	HEAD,
	CLOSING,	/* behind "--" */
	CLOSING_CR,
	EPILOGUE
};

static const char no_boundary[] = "the Content-Type has no boundary of 1 to 70 allowed bytes";
static const char bare_line_end[] = "a line does not end with CR LF";
static const char behind_boundary[] = "something stands behind a boundary";
static const char no_closing[] = "the body ends before its closing boundary";
static const char too_many[] = "there are more than 2000 parts";
static const char head_too_long[] = "the header of a part has more than 8192 bytes";
static const char head_malformed[] = "the header of a part cannot be read";
static const char no_name[] = "a part has no name";
static const char name_too_long[] = "the name of a part has more than 1024 bytes";
static const char name_not_utf8[] = "the name of a part is not UTF-8";
static const char bad_encoding[] = "a part has a Content-Transfer-Encoding; send its bytes as they are";

static void refuse(struct multipart *m, const char *problem)
{
	m->rc = RC_BAD_REQUEST;
	m->problem = problem;
}

/* --- header values --- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* All of S alphanumeric or one of OTHERS, and at least one byte. */
static bool is_made_of(struct str s, const char *others)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (s.p[i] == '\0' || strchr(others, s.p[i]) == NULL))
			return false;
	return s.n != 0;
}

static bool is_token(struct str s)
{
	return is_made_of(s, "!#$%&'*+-.^_`|~");
}

struct parameter {
	struct str name, value;
	bool quoted;		/* the value stood in quotes; its backslashes are still there */
};

/*
 * The value at the front of *REST; false when there is none. A quote behind a backslash does
 * not end it, unless it is the last byte: browsers write a backslash as it is, and then this
 * is the one that ends.
 */
static bool take_value(struct str *rest, struct parameter *parameter)
{
	size_t n = 0;

	parameter->quoted = rest->n != 0 && rest->p[0] == '"';
	if (parameter->quoted) {
		*rest = str_skip(*rest, 1);
		while (n < rest->n && rest->p[n] != '"')
			n += rest->p[n] == '\\' && rest->n - n > 2 ? 2 : 1;
		if (n >= rest->n)
			return false;
	} else {
		while (n < rest->n && rest->p[n] != ';' && rest->p[n] != '"' && !is_space(rest->p[n]))
			n++;
		if (n == 0)
			return false;
	}
	parameter->value = str_make(rest->p, n);
	*rest = str_skip(*rest, parameter->quoted ? n + 1 : n);
	return true;
}

enum found { FOUND, NO_MORE, MALFORMED };

/* The next "; name=value" at the front of *REST. */
static enum found take_parameter(struct str *rest, struct parameter *parameter)
{
	struct str head;

	do {
		*rest = str_trim_front(*rest);
		if (rest->n == 0)
			return NO_MORE;
		if (rest->p[0] != ';')
			return MALFORMED;
		*rest = str_trim_front(str_skip(*rest, 1));
	} while (rest->n == 0 || rest->p[0] == ';');
	if (!str_cut(*rest, '=', &head, rest))
		return MALFORMED;
	parameter->name = str_trim(head);
	*rest = str_trim_front(*rest);
	return is_token(parameter->name) && take_value(rest, parameter) ? FOUND : MALFORMED;
}

/* What stands before the first ';', and *REST, the parameters. */
static struct str take_word(struct str value, struct str *rest)
{
	size_t n = 0;

	while (n < value.n && value.p[n] != ';')
		n++;
	*rest = str_skip(value, n);
	return str_trim(str_make(value.p, n));
}

static bool is_percent(const char *p, size_t n, const char *digits)
{
	return n >= 3 && str_eq_nocase(str_make(p, 3), str_make(digits, 3));
}

/*
 * A name in place, as it was before it was written: %22, %0D and %0A are how browsers write
 * what would end the line or the quotes, \" and \\ how others do. Any other backslash or
 * percent sign is itself.
 */
static struct str unquote(char *p, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; ) {
		if (is_percent(p + i, n - i, "%22") || is_percent(p + i, n - i, "%0d") || is_percent(p + i, n - i, "%0a")) {
			uint8_t byte = 0;

			hex_decode(str_make(p + i + 1, 2), &byte, 1);
			p[to++] = (char)byte;
			i += 3;
		} else {
			if (p[i] == '\\' && n - i > 1 && (p[i + 1] == '"' || p[i + 1] == '\\'))
				i++;
			p[to++] = p[i++];
		}
	}
	return str_make(p, to);
}

/* --- the boundary --- */

static bool is_boundary(struct str s, bool quoted)
{
	return s.n <= MULTIPART_BOUNDARY_MAX && is_made_of(s, quoted ? "'()+_,-./:=? " : "'()+_,-./:=?") &&
		s.p[s.n - 1] != ' ';
}

static bool find_boundary(struct str content_type, struct str *boundary)
{
	struct parameter parameter = { .quoted = false };
	enum found found;
	struct str rest;

	*boundary = str_make(NULL, 0);
	take_word(content_type, &rest);
	while ((found = take_parameter(&rest, &parameter)) == FOUND) {
		if (!str_eq_nocase(parameter.name, STR_LIT("boundary")))
			continue;
		if (boundary->n != 0 || !is_boundary(parameter.value, parameter.quoted))
			return false;
		*boundary = parameter.value;
	}
	return found == NO_MORE && boundary->n != 0;
}

bool multipart_is(struct str content_type)
{
	struct str rest;

	return str_eq_nocase(take_word(content_type, &rest), STR_LIT("multipart/form-data"));
}

/* For find_delimiter(): how far on the delimiter could begin, by the byte where its last one would be. */
static void set_skips(struct multipart *m)
{
	uint8_t last = m->n_delimiter - 1;

	memset(m->skip, m->n_delimiter, sizeof m->skip);
	for (uint8_t i = 0; i < last; i++)
		m->skip[(unsigned char)m->delimiter[i]] = last - i;
	m->again = m->skip[(unsigned char)m->delimiter[last]];
	m->skip[(unsigned char)m->delimiter[last]] = 0;
}

/* Content begins, as if behind a line's end. */
static void begin_content(struct multipart *m)
{
	m->state = CONTENT;
	m->matched = m->borrowed = 2;
}

enum rc multipart_init(struct multipart *m, struct str content_type, const struct multipart_events *events, void *arg)
{
	struct str boundary;

	*m = (struct multipart){ .events = events, .arg = arg, .rc = RC_OK, .problem = "" };
	if (!multipart_is(content_type) || !find_boundary(content_type, &boundary)) {
		refuse(m, no_boundary);
		return m->rc;
	}
	m->n_delimiter = (uint8_t)(4 + boundary.n);
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary.p, boundary.n);
	m->delimiter[m->n_delimiter] = '-';
	set_skips(m);
	begin_content(m);
	return RC_OK;
}

/* --- content --- */

static void give(struct multipart *m, const char *p, size_t n)
{
	if (m->in_part && n != 0)
		m->rc = m->events->data(m->arg, str_make(p, n));
}

/* The N bytes that seemed to begin a delimiter were content. */
static void give_back(struct multipart *m, size_t n)
{
	give(m, m->delimiter + m->borrowed, n - m->borrowed);
	m->matched = m->borrowed = 0;
}

/* The first whole delimiter, or NULL. */
static const char *find_delimiter(const struct multipart *m, const char *p, const char *end)
{
	size_t n = m->n_delimiter;

	while ((size_t)(end - p) >= n) {
		size_t skip = m->skip[(unsigned char)p[n - 1]];

		if (skip == 0) {
			if (memcmp(p, m->delimiter, n - 1) == 0)
				return p;
			skip = m->again;
		}
		p += skip;
	}
	return NULL;
}

/* Bytes at the end of P..END that begin a delimiter. */
static size_t begun_delimiter(const struct multipart *m, const char *p, const char *end)
{
	size_t n = (size_t)(end - p) < m->n_delimiter - 1u ? (size_t)(end - p) : m->n_delimiter - 1u;
	const char *cr = memrchr(end - n, '\r', n);

	if (cr == NULL || memcmp(cr, m->delimiter, (size_t)(end - cr)) != 0)
		return 0;
	return (size_t)(end - cr);
}

/* The rest of a delimiter that began in the piece before. */
static const char *go_on_matching(struct multipart *m, const char *p, const char *end)
{
	while (p < end && m->matched < m->n_delimiter && *p == m->delimiter[m->matched])
		p++, m->matched++;
	if (m->matched == m->n_delimiter)
		m->state = BEHIND;
	else if (p < end)
		give_back(m, m->matched);
	return p;
}

static const char *take_content(struct multipart *m, const char *p, const char *end)
{
	const char *found;

	if (m->matched != 0)
		return go_on_matching(m, p, end);
	found = find_delimiter(m, p, end);
	if (found != NULL) {
		m->matched = m->n_delimiter;
		m->state = BEHIND;
		give(m, p, (size_t)(found - p));
		return found + m->n_delimiter;
	}
	m->matched = (uint8_t)begun_delimiter(m, p, end);
	give(m, p, (size_t)(end - p) - m->matched);
	return end;
}

/* --- the header of a part --- */

struct part {
	struct str name;
	bool disposed, has_name, has_filename;
};

static void read_disposition(struct multipart *m, struct str value, struct part *part)
{
	struct parameter parameter = { .quoted = false };
	struct str rest, word = take_word(value, &rest);
	enum found found;

	if (part->disposed) {
		refuse(m, head_malformed);
		return;
	}
	part->disposed = true;
	if (!str_eq_nocase(word, STR_LIT("form-data"))) {
		refuse(m, no_name);
		return;
	}
	while ((found = take_parameter(&rest, &parameter)) == FOUND) {
		if (str_eq_nocase(parameter.name, STR_LIT("name"))) {
			if (part->has_name || (!parameter.quoted && !is_token(parameter.value)))
				break;
			part->has_name = true;
			part->name = parameter.value;
		} else if (str_eq_nocase(parameter.name, STR_LIT("filename")) ||
			   str_eq_nocase(parameter.name, STR_LIT("filename*"))) {
			part->has_filename = true;
		}
	}
	if (found != NO_MORE)
		refuse(m, head_malformed);
}

static void read_line(struct multipart *m, struct str line, struct part *part)
{
	static const struct str plain[] = { STR_LIT("binary"), STR_LIT("8bit"), STR_LIT("7bit") };
	struct str name, value;

	if (!str_cut(line, ':', &name, &value) || !is_token(name)) {
		refuse(m, head_malformed);
		return;
	}
	value = str_trim(value);
	if (str_eq_nocase(name, STR_LIT("Content-Disposition"))) {
		read_disposition(m, value, part);
	} else if (str_eq_nocase(name, STR_LIT("Content-Transfer-Encoding"))) {
		for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
			if (str_eq_nocase(value, plain[i]))
				return;
		refuse(m, bad_encoding);
	}
}

/* A line that begins with white space goes on the one before. */
static void unfold(char *p, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++)
		if (p[i] == '\r' && is_space(p[i + 2]))
			p[i] = p[i + 1] = ' ';
}

static void begin_part(struct multipart *m, struct part *part)
{
	struct str name;

	if (!part->has_name) {
		refuse(m, no_name);
		return;
	}
	name = unquote(m->head + (part->name.p - m->head), part->name.n);
	if (name.n > MULTIPART_NAME_MAX)
		refuse(m, name_too_long);
	else if (!str_is_utf8(name))
		refuse(m, name_not_utf8);
	else
		m->rc = m->events->part(m->arg, name, part->has_filename);
}

/* The lines are all there, each with its end. */
static void read_head(struct multipart *m)
{
	struct part part = { .disposed = false };
	struct str rest = str_make(m->head, m->n_head), line;

	unfold(m->head, m->n_head);
	while (rest.n != 0 && m->rc == RC_OK) {
		str_cut(rest, '\r', &line, &rest);
		rest = str_skip(rest, 1);
		read_line(m, line, &part);
	}
	if (m->rc == RC_OK)
		begin_part(m, &part);
	m->in_part = true;
	begin_content(m);
}

static bool head_ends_with(const struct multipart *m, struct str end)
{
	return m->n_head >= end.n && memcmp(m->head + m->n_head - end.n, end.p, end.n) == 0;
}

static void take_head(struct multipart *m, char c)
{
	if ((c == '\n') != head_ends_with(m, STR_LIT("\r"))) {
		refuse(m, bare_line_end);
	} else if ((unsigned char)c < 0x20 && c != '\t' && c != '\r' && c != '\n') {
		refuse(m, head_malformed);
	} else if (m->n_head == sizeof m->head) {
		refuse(m, head_too_long);
	} else {
		m->head[m->n_head++] = c;
		if (c == '\n' && (m->n_head == 2 || head_ends_with(m, STR_LIT("\r\n\r\n")))) {
			m->n_head -= 2;
			read_head(m);
		}
	}
}

/* --- behind a delimiter --- */

/* A part is whole: a delimiter was seen behind it. */
static void end_part(struct multipart *m)
{
	if (m->in_part)
		m->rc = m->events->end(m->arg);
}

static void begin_head(struct multipart *m)
{
	end_part(m);
	m->n_head = 0;
	m->state = HEAD;
	if (m->rc == RC_OK && m->parts++ == MULTIPART_PARTS_MAX)
		refuse(m, too_many);
}

/* Padding, then the end of the line. */
static void take_padding(struct multipart *m, char c, enum state behind_cr)
{
	if (c == '\r')
		m->state = behind_cr;
	else if (c == '\n')
		refuse(m, bare_line_end);
	else if (!is_space(c))
		refuse(m, behind_boundary);
}

/* One byte behind a whole delimiter; false when it was none, and C is content. */
static bool take_behind(struct multipart *m, char c)
{
	switch (c) {
	case '-':
		m->state = BEHIND_DASH;
		return true;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		m->state = PADDING;
		take_padding(m, c, PADDING_CR);
		return true;
	default:
		m->state = CONTENT;
		give_back(m, m->n_delimiter);
		return false;
	}
}

static bool take_behind_dash(struct multipart *m, char c)
{
	if (c == '-') {
		m->state = CLOSING;
		end_part(m);
		return true;
	}
	m->state = CONTENT;
	give_back(m, m->n_delimiter + 1u);
	return false;
}

/* One byte outside content; false when it has to be looked at again. */
static bool take_byte(struct multipart *m, char c)
{
	switch ((enum state)m->state) {
	case BEHIND:
		return take_behind(m, c);
	case BEHIND_DASH:
		return take_behind_dash(m, c);
	case PADDING:
		take_padding(m, c, PADDING_CR);
		break;
	case CLOSING:
		take_padding(m, c, CLOSING_CR);
		break;
	case PADDING_CR:
	case CLOSING_CR:
		if (c != '\n')
			refuse(m, bare_line_end);
		else if (m->state == PADDING_CR)
			begin_head(m);
		else
			m->state = EPILOGUE;
		break;
	case HEAD:
		take_head(m, c);
		break;
	case CONTENT:
	case EPILOGUE:
		break;
	}
	return true;
}

enum rc multipart_add(struct multipart *m, struct str piece)
{
	const char *p = piece.p, *end = piece.n == 0 ? p : p + piece.n;

	while (p < end && m->rc == RC_OK && m->state != EPILOGUE) {
		if (m->state == CONTENT)
			p = take_content(m, p, end);
		else
			p += take_byte(m, *p);
	}
	return m->rc;
}

enum rc multipart_end(struct multipart *m)
{
	if (m->rc == RC_OK && m->state == CLOSING_CR)
		refuse(m, bare_line_end);
	else if (m->rc == RC_OK && m->state != CLOSING && m->state != EPILOGUE)
		refuse(m, no_closing);
	return m->rc;
}

const char *multipart_problem(const struct multipart *m)
{
	return m->problem;
}

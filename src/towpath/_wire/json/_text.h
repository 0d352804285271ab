/* The text of JSON: numbers, strings and base64 as msgspec writes them, into memory that grows as it has to.
 *
 * A part of _writer.c, which is the only one to include it. Whatever returns false here has set an exception, or gives up.
 */

#define COSTLY_NUMERALS 16
#define LARGEST_FLOAT 3.4028235677973366e38 /* half a unit beyond the largest float32 rounds to infinity */

/* Bytes that are somebody else's. */
typedef struct {
    const uint8_t *at, *end;
} Span;

typedef struct {
    char *start, *at, *end;
    int costly; /* numerals that took long so far */
    char small[1024]; /* most documents fit here, and need no memory but their own */
} Out;

static bool grow(Out *out, size_t size) {
    size_t used = (size_t)(out->at - out->start), wanted = 2 * (used + size);
    char *made = PyMem_Realloc(out->start == out->small ? NULL : out->start, wanted);
    if (made == NULL) {
        PyErr_NoMemory();
        return false;
    }
    if (out->start == out->small)
        memcpy(made, out->small, used);
    out->start = made;
    out->at = made + used;
    out->end = made + wanted;
    return true;
}

/* Make room for `size` more bytes. */
static inline bool reserve(Out *out, size_t size) {
    return (size_t)(out->end - out->at) >= size || grow(out, size);
}

static inline bool put(Out *out, const char *text, size_t size) {
    if (!reserve(out, size))
        return false;
    memcpy(out->at, text, size);
    out->at += size;
    return true;
}

static inline bool put_char(Out *out, char character) {
    return put(out, &character, 1);
}

/* The digits of a number, written so that they end before `end`; returns where they begin. There are at most 20. */
static char *digits_of(uint64_t value, char *end) {
    do
        *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}

static bool put_unsigned(Out *out, uint64_t value) {
    char digits[20], *end = digits + sizeof digits, *first = digits_of(value, end);
    return put(out, first, (size_t)(end - first));
}

static bool put_signed(Out *out, int64_t value) {
    return value < 0 ? put_char(out, '-') && put_unsigned(out, 0 - (uint64_t)value) : put_unsigned(out, (uint64_t)value);
}

/* A number with leading zeros. */
static bool put_padded(Out *out, unsigned int value, int width) {
    char digits[10];
    for (int index = width; index-- > 0; value /= 10)
        digits[index] = (char)('0' + value % 10);
    return put(out, digits, (size_t)width);
}

/* Digits after the point of a second: 0, 3, 6 or 9 of them. */
static bool put_nanos(Out *out, unsigned int nanos) {
    if (nanos == 0)
        return true;
    if (!put_char(out, '.'))
        return false;
    if (nanos % 1000000 == 0)
        return put_padded(out, nanos / 1000000, 3);
    return nanos % 1000 == 0 ? put_padded(out, nanos / 1000, 6) : put_padded(out, nanos, 9);
}

/* The digits of a decimal and the place of its point, `point` digits from the left, laid out as msgspec does: with an exponent where it
 * would take more than 16 digits before the point, or more than four zeros after it. */
static bool put_decimal(Out *out, const char *digits, int size, int point) {
    static const char zeros[] = "0000000000000000";
    if (size <= point && point <= 16)
        return put(out, digits, (size_t)size) && put(out, zeros, (size_t)(point - size)) && put(out, ".0", 2);
    if (0 < point && point <= 16)
        return put(out, digits, (size_t)point) && put_char(out, '.') && put(out, digits + point, (size_t)(size - point));
    if (-5 < point && point <= 0)
        return put(out, "0.", 2) && put(out, zeros, (size_t)-point) && put(out, digits, (size_t)size);
    if (!put_char(out, digits[0]) || (size > 1 && !(put_char(out, '.') && put(out, digits + 1, (size_t)size - 1))))
        return false;
    return put_char(out, 'e') && put_signed(out, point - 1);
}

/* How many places after its point a number such as 19.95 has, and its digits as a whole number; -1 if it is not short. It is `whole`
 * divided by a power of ten and rounded, and no two decimals of at most 15 digits are rounded to the same double: so none are shorter. */
static int decimal_places(double value, uint64_t *whole) {
    static const double powers[] = {1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    for (int places = 0; places < 10 && value * powers[places] < 1e15; places++) {
        *whole = (uint64_t)(value * powers[places] + 0.5);
        if ((double)*whole / powers[places] == value)
            return places;
    }
    return -1;
}

/* A finite double, by the shortest digits that come back as the same. With `impatient` gives up where many are not short: CPython takes so
 * much longer for their digits than msgspec that all else is lost. */
static bool put_finite(Out *out, double value, bool impatient) {
    if (signbit(value)) {
        if (!put_char(out, '-'))
            return false;
        value = -value;
    }
    uint64_t whole;
    int places = decimal_places(value, &whole);
    if (places >= 0) {
        char short_digits[20], *first = digits_of(whole, short_digits + sizeof short_digits);
        int length = (int)(short_digits + sizeof short_digits - first);
        return put_decimal(out, first, length, length - places);
    }
    if (impatient && out->costly++ == COSTLY_NUMERALS)
        return false;
    char *text = PyOS_double_to_string(value, 'r', 0, 0, NULL);
    if (text == NULL)
        return false;
    /* As in 1234.5, 0.00012 or 1.5e-07: of it the digits that count, and where the point is. */
    char digits[32];
    int size = 0, point = 0;
    bool behind = false;
    const char *at = text;
    for (; *at != '\0' && *at != 'e' && size < (int)sizeof digits; at++) {
        if (*at == '.') {
            behind = true;
            continue;
        }
        if (size > 0 || *at != '0')
            digits[size++] = *at;
        if (!behind && size > 0)
            point++;
        else if (behind && size == 0)
            point--;
    }
    if (*at == 'e')
        point += (int)strtol(at + 1, NULL, 10);
    PyMem_Free(text);
    while (size > 1 && digits[size - 1] == '0')
        size--;
    return put_decimal(out, digits, size, point);
}

static bool put_double(Out *out, double value) {
    if (isfinite(value))
        return put_finite(out, value, true);
    return isnan(value) ? put(out, "\"NaN\"", 5) : value > 0 ? put(out, "\"Infinity\"", 10) : put(out, "\"-Infinity\"", 11);
}

/* A float, by the shortest digits that come back as the same float32; nine tell any two of them apart. */
static bool put_float(Out *out, float value) {
    if (!isfinite(value))
        return put_double(out, (double)value);
    for (int precision = 6; precision <= 9; precision++) {
        char *text = PyOS_double_to_string((double)value, 'g', precision, 0, NULL);
        if (text == NULL)
            return false;
        double shorter = PyOS_string_to_double(text, NULL, NULL);
        PyMem_Free(text);
        if (shorter == -1.0 && PyErr_Occurred())
            return false;
        if (fabs(shorter) < LARGEST_FLOAT && (float)shorter == value)
            return put_finite(out, shorter, false); /* which is still faster than in Python */
    }
    return false;
}

/* How many bytes the character at `at` takes in UTF-8; 0 if it is none (the table of Unicode, "Well-Formed UTF-8 Byte Sequences"). */
static int character(const uint8_t *at, const uint8_t *end) {
    uint8_t lead = at[0];
    int size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (end - at < size)
        return 0;
    for (int index = 1; index < size; index++)
        if ((at[index] & 0xc0) != 0x80)
            return 0;
    bool low = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool high = (lead == 0xed && at[1] > 0x9f) || (lead == 0xf4 && at[1] > 0x8f);
    return low || high ? 0 : size;
}

/* Whether none of eight bytes has to be looked at alone: no control character, quote or backslash, and nothing beyond ASCII. A byte that is
 * lower than n borrows from its own highest bit when n is taken from each (Hacker's Delight, 6-1). */
static inline bool is_plain(const uint8_t *at) {
    const uint64_t ones = 0x0101010101010101u, high = ones << 7;
    uint64_t word;
    memcpy(&word, at, 8);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    return ((word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & high) == 0;
}

static bool put_string(Out *out, Span in) {
    static const char hex[] = "0123456789abcdef";
    const uint8_t *run = in.at, *at = in.at;
    if (!put_char(out, '"'))
        return false;
    while (at < in.end) {
        if (in.end - at >= 8 && is_plain(at)) {
            at += 8;
            continue;
        }
        if (*at >= 0x20 && *at != '"' && *at != '\\') {
            int size = character(at, in.end);
            if (size == 0)
                return false;
            at += size;
            continue;
        }
        char escaped[6] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};
        size_t size = 2;
        switch (*at) {
        case '"': case '\\': escaped[1] = (char)*at; break;
        case '\b': escaped[1] = 'b'; break;
        case '\t': escaped[1] = 't'; break;
        case '\n': escaped[1] = 'n'; break;
        case '\f': escaped[1] = 'f'; break;
        case '\r': escaped[1] = 'r'; break;
        default: size = 6;
        }
        if (!put(out, (const char *)run, (size_t)(at - run)) || !put(out, escaped, size))
            return false;
        run = ++at;
    }
    return put(out, (const char *)run, (size_t)(at - run)) && put_char(out, '"');
}

static bool put_base64(Out *out, Span in) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t left = (size_t)(in.end - in.at);
    if (!reserve(out, left / 3 * 4 + 6))
        return false;
    char *to = out->at;
    const uint8_t *at = in.at;
    *to++ = '"';
    for (; left > 0; left -= 3, at += 3) {
        unsigned int three = (unsigned int)at[0] << 16 | (left > 1 ? (unsigned int)at[1] << 8 : 0) | (left > 2 ? at[2] : 0);
        *to++ = letters[three >> 18];
        *to++ = letters[three >> 12 & 63];
        *to++ = left > 1 ? letters[three >> 6 & 63] : '=';
        *to++ = left > 2 ? letters[three & 63] : '=';
        if (left < 3)
            break;
    }
    *to++ = '"';
    out->at = to;
    return true;
}

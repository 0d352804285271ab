/* The JSON of a message, written from its protobuf bytes by tables.
 *
 * Optional: without this module towpath._wire.json.encoding writes the same (docs/adr/0009). Reading a field of a upb message costs Python
 * more than writing its JSON does, and that is what this saves: upb serialises the message, and its bytes are gone through here once.
 *
 * It writes what is plain and gives up on all else by ValueError, without saying what is wrong: the writer in Python then decides what is
 * an error and what it is called. So it gives up on fields out of order (upb writes them by number), on what nests deeper than DEEPEST, on
 * text that is no UTF-8, on a time that is out of range, and on every field that its table marks as REFUSED. Fields that the table does not
 * have are skipped. The bytes are upb's own, and are trusted no more for that: none is read that was not first compared with their end.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "_text.h"

#define DEEPEST 150
#define LARGEST_NUMBER ((1u << 29) - 1)

/* Kinds of a field: 1 to 18 are the types of descriptor.proto, and the others are numbered by towpath._wire.json.plans. */
enum {
    REFUSED, DOUBLE, FLOAT, INT64, UINT64, INT32, FIXED64, FIXED32, BOOL, STRING, GROUP, MESSAGE, BYTES, UINT32, ENUM, SFIXED32, SFIXED64,
    SINT32, SINT64, MAP, NULL_VALUE, FINITE, KINDS
};

/* Wire types, and the one of each kind; GROUP and REFUSED have NONE, so that whatever comes for them is given up on. */
enum { VARINT = 0, EIGHT_BYTES = 1, LENGTH = 2, GROUP_START = 3, GROUP_END = 4, FOUR_BYTES = 5, NONE = 8 };
static const uint8_t WIRE[KINDS] = {
    [REFUSED] = NONE, [DOUBLE] = EIGHT_BYTES, [FLOAT] = FOUR_BYTES, [INT64] = VARINT, [UINT64] = VARINT, [INT32] = VARINT,
    [FIXED64] = EIGHT_BYTES, [FIXED32] = FOUR_BYTES, [BOOL] = VARINT, [STRING] = LENGTH, [GROUP] = NONE, [MESSAGE] = LENGTH,
    [BYTES] = LENGTH, [UINT32] = VARINT, [ENUM] = VARINT, [SFIXED32] = FOUR_BYTES, [SFIXED64] = EIGHT_BYTES, [SINT32] = VARINT,
    [SINT64] = VARINT, [MAP] = LENGTH, [NULL_VALUE] = VARINT, [FINITE] = EIGHT_BYTES,
};

/* What a message becomes: an object, the one value that it holds, an entry of a map, or a text of its own. Numbered by plans.py, too. */
enum { OBJECT, BARE, ENTRY, TIMESTAMP, DURATION, FIELD_MASK, FORMS };

typedef struct {
    const char *text;
    size_t size;
} Text;

typedef struct {
    int32_t number;
    Text name; /* with its quotes */
} Name;

typedef struct Message Message;

typedef struct {
    unsigned int number;
    unsigned char kind;
    int repeated;
    Text key;    /* with quotes and colon */
    Text absent; /* the value to write if the field is not there; without size if none is */
    const Message *message; /* of MESSAGE and MAP */
    Name *names;            /* of ENUM, by number */
    Py_ssize_t name_count;
} Field;

struct Message {
    int form;
    Field *fields; /* by number */
    Py_ssize_t count;
};

typedef struct {
    PyObject_HEAD
    PyObject *table; /* immutable, and the owner of every text below */
    Message *messages;
    Py_ssize_t count;
} Plan;

/* ------------------------------------------------------------------------------------------------------------------ bytes in */

static bool read_varint(Span *in, uint64_t *value) {
    uint64_t found = 0;
    for (int shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        found |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = found;
            return true;
        }
    }
    return false;
}

static bool read_fixed(Span *in, int size, uint64_t *value) {
    if (in->end - in->at < size)
        return false;
    uint64_t found = 0;
    for (int index = 0; index < size; index++)
        found |= (uint64_t)in->at[index] << (8 * index);
    in->at += size;
    *value = found;
    return true;
}

static bool read_span(Span *in, Span *inner) {
    uint64_t size;
    if (!read_varint(in, &size) || size > (uint64_t)(in->end - in->at))
        return false;
    inner->at = in->at;
    in->at = inner->end = in->at + size;
    return true;
}

static bool read_tag(Span *in, unsigned int *number, int *wire) {
    uint64_t tag;
    if (!read_varint(in, &tag) || tag >> 3 < 1 || tag >> 3 > LARGEST_NUMBER)
        return false;
    *number = (unsigned int)(tag >> 3);
    *wire = (int)(tag & 7);
    return true;
}

static bool skip(Span *in, unsigned int number, int wire, int depth) {
    uint64_t ignored;
    Span inner;
    unsigned int inner_number;
    switch (wire) {
    case VARINT:
        return read_varint(in, &ignored);
    case EIGHT_BYTES:
        return read_fixed(in, 8, &ignored);
    case FOUR_BYTES:
        return read_fixed(in, 4, &ignored);
    case LENGTH:
        return read_span(in, &inner);
    case GROUP_START:
        while (depth < DEEPEST && read_tag(in, &inner_number, &wire)) {
            if (wire == GROUP_END)
                return inner_number == number;
            if (!skip(in, inner_number, wire, depth + 1))
                return false;
        }
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------- messages with a text of their own */

/* The seconds and nanoseconds of a Timestamp or Duration. */
static bool read_time(Span in, int64_t *seconds, int32_t *nanos) {
    unsigned int number, last = 0;
    int wire;
    uint64_t value;
    *seconds = *nanos = 0;
    for (; in.at < in.end; last = number) {
        if (!read_tag(&in, &number, &wire) || number <= last || number > 2 || wire != VARINT || !read_varint(&in, &value))
            return false;
        if (number == 1)
            *seconds = (int64_t)value;
        else
            *nanos = (int32_t)value;
    }
    return true;
}

/* Dates by Howard Hinnant's civil_from_days: years that begin in March, in eras of 400 years. */
static bool put_timestamp(Out *out, Span in) {
    int64_t seconds;
    int32_t nanos;
    if (!read_time(in, &seconds, &nanos) || seconds < -62135596800LL || seconds > 253402300799LL || nanos < 0 || nanos > 999999999)
        return false;
    uint64_t since = (uint64_t)(seconds + 719468LL * 86400); /* 0000-03-01 */
    unsigned int days = (unsigned int)(since / 86400), rest = (unsigned int)(since % 86400);
    unsigned int era = days / 146097, day_of_era = days % 146097;
    unsigned int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned int month_from_march = (5 * day_of_year + 2) / 153, day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    unsigned int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    unsigned int year = era * 400 + year_of_era + (month <= 2);
    return put_char(out, '"') && put_padded(out, year, 4) && put_char(out, '-') && put_padded(out, month, 2) && put_char(out, '-') &&
           put_padded(out, day, 2) && put_char(out, 'T') && put_padded(out, rest / 3600, 2) && put_char(out, ':') &&
           put_padded(out, rest / 60 % 60, 2) && put_char(out, ':') && put_padded(out, rest % 60, 2) &&
           put_nanos(out, (unsigned int)nanos) && put(out, "Z\"", 2);
}

static bool put_duration(Out *out, Span in) {
    int64_t seconds;
    int32_t nanos;
    if (!read_time(in, &seconds, &nanos) || seconds < -315576000000LL || seconds > 315576000000LL)
        return false;
    if (nanos < -999999999 || nanos > 999999999 || (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
        return false;
    bool negative = seconds < 0 || nanos < 0;
    return put(out, "\"-", negative ? 2 : 1) && put_unsigned(out, (uint64_t)(negative ? -seconds : seconds)) &&
           put_nanos(out, (unsigned int)(negative ? -nanos : nanos)) && put(out, "s\"", 2);
}

/* Paths in lowerCamelCase with commas between; only those that snake_case can be made of again. */
static bool put_field_mask(Out *out, Span in) {
    unsigned int number;
    int wire;
    bool first = true;
    if (!put_char(out, '"'))
        return false;
    for (; in.at < in.end; first = false) {
        Span path;
        if (!read_tag(&in, &number, &wire) || number != 1 || wire != LENGTH || !read_span(&in, &path))
            return false;
        if (!first && !put_char(out, ','))
            return false;
        for (; path.at < path.end; path.at++) {
            char letter = (char)*path.at;
            bool raised = letter == '_';
            if (raised)
                letter = ++path.at < path.end ? (char)*path.at : '\0';
            bool small = letter >= 'a' && letter <= 'z';
            if (!small && (raised || !((letter >= '0' && letter <= '9') || letter == '.')))
                return false;
            if (!put_char(out, raised ? (char)(letter - 'a' + 'A') : letter))
                return false;
        }
    }
    return put_char(out, '"');
}

/* ------------------------------------------------------------------------------------------------------------------- messages */

static bool put_message(Out *out, const Message *type, Span in, int depth);

static bool put_enum(Out *out, const Field *field, int32_t number) {
    Py_ssize_t low = 0, high = field->name_count;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        const Name *name = &field->names[middle];
        if (name->number == number)
            return put(out, name->name.text, name->name.size);
        if (name->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return put_signed(out, number);
}

/* One value of `field`, whose wire type was looked at. */
static bool put_value(Out *out, const Field *field, Span *in, int depth) {
    uint64_t raw = 0;
    Span inner;
    switch (WIRE[field->kind]) {
    case VARINT:
        if (!read_varint(in, &raw))
            return false;
        break;
    case EIGHT_BYTES:
        if (!read_fixed(in, 8, &raw))
            return false;
        break;
    case FOUR_BYTES:
        if (!read_fixed(in, 4, &raw))
            return false;
        break;
    default:
        if (!read_span(in, &inner))
            return false;
    }
    uint32_t half = (uint32_t)raw;
    double wide;
    float narrow;
    switch (field->kind) {
    case STRING:
        return put_string(out, inner);
    case BYTES:
        return put_base64(out, inner);
    case MESSAGE:
        return put_message(out, field->message, inner, depth + 1);
    case ENUM:
        return put_enum(out, field, (int32_t)half);
    case BOOL:
        return raw ? put(out, "true", 4) : put(out, "false", 5);
    case NULL_VALUE:
        return put(out, "null", 4);
    case DOUBLE: case FINITE:
        memcpy(&wide, &raw, 8);
        return field->kind == DOUBLE ? put_double(out, wide) : isfinite(wide) && put_finite(out, wide, true);
    case FLOAT:
        memcpy(&narrow, &half, 4);
        return put_float(out, narrow);
    case INT32: case SFIXED32:
        return put_signed(out, (int32_t)half);
    case UINT32: case FIXED32:
        return put_unsigned(out, half);
    case SINT32:
        return put_signed(out, (int32_t)(half >> 1 ^ (0 - (half & 1))));
    case INT64: case SFIXED64:
        return put_char(out, '"') && put_signed(out, (int64_t)raw) && put_char(out, '"');
    case SINT64:
        return put_char(out, '"') && put_signed(out, (int64_t)(raw >> 1 ^ (0 - (raw & 1)))) && put_char(out, '"');
    case UINT64: case FIXED64:
        return put_char(out, '"') && put_unsigned(out, raw) && put_char(out, '"');
    }
    return false;
}

/* An entry of a map: upb writes its key and its value always, and in this order. */
static bool put_entry(Out *out, const Message *entry, Span *in, int depth) {
    const Field *key = &entry->fields[0], *value = &entry->fields[1];
    bool quoted = key->kind == BOOL || key->kind == INT32 || key->kind == UINT32 || key->kind == SINT32 || key->kind == FIXED32 ||
                  key->kind == SFIXED32;
    unsigned int number;
    int wire;
    Span inner;
    if (!read_span(in, &inner) || !read_tag(&inner, &number, &wire) || number != 1 || wire != WIRE[key->kind])
        return false;
    if (!(!quoted || put_char(out, '"')) || !put_value(out, key, &inner, depth) || !(!quoted || put_char(out, '"')) || !put_char(out, ':'))
        return false;
    if (!read_tag(&inner, &number, &wire) || number != 2 || wire != WIRE[value->kind])
        return false;
    return put_value(out, value, &inner, depth) && inner.at == inner.end;
}

/* All values of a field that is repeated or a map: the first has the tag that was just read, and the others follow it. */
static bool put_all(Out *out, const Field *field, Span *in, int wire, int depth) {
    bool map = field->kind == MAP;
    if (!put_char(out, map ? '{' : '['))
        return false;
    if (wire == LENGTH && WIRE[field->kind] != LENGTH) { /* packed */
        Span inner;
        if (WIRE[field->kind] == NONE || !read_span(in, &inner))
            return false;
        for (bool first = true; inner.at < inner.end; first = false)
            if (!(first || put_char(out, ',')) || !put_value(out, field, &inner, depth))
                return false;
        return put_char(out, ']');
    }
    if (wire != WIRE[field->kind])
        return false;
    for (;;) {
        if (map ? !put_entry(out, field->message, in, depth) : !put_value(out, field, in, depth))
            return false;
        Span ahead = *in;
        unsigned int number;
        int next;
        if (!read_tag(&ahead, &number, &next) || number != field->number || next != wire)
            return put_char(out, map ? '}' : ']');
        *in = ahead;
        if (!put_char(out, ','))
            return false;
    }
}

static bool put_key(Out *out, const Field *field, bool first) {
    return (first || put_char(out, ',')) && put(out, field->key.text, field->key.size);
}

static bool put_message(Out *out, const Message *type, Span in, int depth) {
    if (depth > DEEPEST)
        return false;
    if (type->form == TIMESTAMP)
        return put_timestamp(out, in);
    if (type->form == DURATION)
        return put_duration(out, in);
    if (type->form == FIELD_MASK)
        return put_field_mask(out, in);
    if (type->form == OBJECT && !put_char(out, '{'))
        return false;
    const Field *next = type->fields, *end = type->fields + type->count;
    size_t written = 0;
    for (;;) {
        unsigned int number = LARGEST_NUMBER + 1;
        int wire = NONE;
        if (in.at < in.end && !read_tag(&in, &number, &wire))
            return false;
        for (; next < end && next->number < number; next++)
            if (next->absent.size > 0 && !(put_key(out, next, written++ == 0) && put(out, next->absent.text, next->absent.size)))
                return false;
        if (wire == NONE)
            break;
        if (next == end || next->number != number) {
            /* An unknown field; a lower number than that of one that was passed may be a known field that is out of order. */
            if ((next > type->fields && number <= next[-1].number) || !skip(&in, number, wire, depth))
                return false;
            continue;
        }
        const Field *field = next++;
        if (!put_key(out, field, written++ == 0))
            return false;
        if (field->repeated || field->kind == MAP ? !put_all(out, field, &in, wire, depth)
                                                  : wire != WIRE[field->kind] || !put_value(out, field, &in, depth))
            return false;
    }
    return type->form == OBJECT ? put_char(out, '}') : written == 1;
}

/* --------------------------------------------------------------------------------------------------------------- to Python */

static bool is_integer_or_string(int kind) {
    return kind == STRING || kind == BOOL || (kind >= INT64 && kind <= FIXED32) || kind == UINT32 || (kind >= SFIXED32 && kind <= SINT64);
}

static Text text_of(PyObject *bytes) {
    return (Text){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

static bool refuse(const char *reason) {
    PyErr_SetString(PyExc_ValueError, reason);
    return false;
}

static bool take_field(const Plan *plan, Field *field, PyObject *table) {
    PyObject *key, *absent, *names;
    Py_ssize_t number, kind, target;
    if (!PyTuple_CheckExact(table) || PyTuple_GET_SIZE(table) != 7)
        return refuse("a field is not a tuple of seven");
    if (!PyArg_ParseTuple(table, "nnpSSnO!", &number, &kind, &field->repeated, &key, &absent, &target, &PyTuple_Type, &names))
        return false;
    if (number < 1 || number > (Py_ssize_t)LARGEST_NUMBER || kind < 0 || kind >= KINDS)
        return refuse("a field has a number or kind that there is not");
    if (kind == MESSAGE || kind == MAP) {
        if (target < 0 || target >= plan->count)
            return refuse("a field is of a message that is not in the table");
        field->message = &plan->messages[target];
    }
    field->number = (unsigned int)number;
    field->kind = (unsigned char)kind;
    field->key = text_of(key);
    field->absent = text_of(absent);
    field->names = PyMem_Calloc((size_t)PyTuple_GET_SIZE(names) + 1, sizeof(Name));
    if (field->names == NULL)
        return PyErr_NoMemory() != NULL;
    field->name_count = PyTuple_GET_SIZE(names);
    for (Py_ssize_t index = 0; index < field->name_count; index++) {
        PyObject *pair = PyTuple_GET_ITEM(names, index), *name;
        Name *to = &field->names[index];
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
            return refuse("a name of an enum is not a pair");
        if (!PyArg_ParseTuple(pair, "iS", &to->number, &name))
            return false;
        if (index > 0 && to[-1].number >= to->number)
            return refuse("the names of an enum are not in order");
        to->name = text_of(name);
    }
    return true;
}

static bool take_message(const Plan *plan, Message *message, PyObject *table) {
    PyObject *fields;
    if (!PyTuple_CheckExact(table) || PyTuple_GET_SIZE(table) != 2)
        return refuse("a message is not a pair");
    if (!PyArg_ParseTuple(table, "iO!", &message->form, &PyTuple_Type, &fields))
        return false;
    if (message->form < 0 || message->form >= FORMS)
        return refuse("a message has a form that there is not");
    message->fields = PyMem_Calloc((size_t)PyTuple_GET_SIZE(fields) + 1, sizeof(Field));
    if (message->fields == NULL)
        return PyErr_NoMemory() != NULL;
    message->count = PyTuple_GET_SIZE(fields);
    for (Py_ssize_t index = 0; index < message->count; index++) {
        Field *field = &message->fields[index];
        if (!take_field(plan, field, PyTuple_GET_ITEM(fields, index)))
            return false;
        if (index > 0 && field[-1].number >= field->number)
            return refuse("the fields of a message are not in order");
    }
    if (message->form != ENTRY)
        return true;
    const Field *key = message->fields, *value = key + 1;
    if (message->count != 2 || key->number != 1 || value->number != 2 || !is_integer_or_string(key->kind) || value->kind == MAP)
        return refuse("an entry of a map is not a key and a value");
    return true;
}

/* Every message of `table`, and that what has to be an entry is one, and nothing else is. */
static bool take_table(Plan *plan, PyObject *table) {
    Py_ssize_t count = PyTuple_GET_SIZE(table);
    plan->messages = PyMem_Calloc((size_t)count + 1, sizeof(Message));
    if (plan->messages == NULL)
        return PyErr_NoMemory() != NULL;
    plan->count = count;
    for (Py_ssize_t index = 0; index < count; index++)
        if (!take_message(plan, &plan->messages[index], PyTuple_GET_ITEM(table, index)))
            return false;
    if (count == 0 || plan->messages[0].form == ENTRY)
        return refuse("there is no message to write");
    for (Py_ssize_t index = 0; index < count; index++)
        for (Py_ssize_t place = 0; place < plan->messages[index].count; place++) {
            const Field *field = &plan->messages[index].fields[place];
            if (field->message != NULL && (field->kind == MAP) != (field->message->form == ENTRY))
                return refuse("a map is not one of entries, or a message is one");
        }
    return true;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    PyObject *table;
    if (keywords != NULL && PyDict_GET_SIZE(keywords) > 0)
        return PyErr_Format(PyExc_TypeError, "Plan takes no keywords");
    if (!PyArg_ParseTuple(arguments, "O!", &PyTuple_Type, &table))
        return NULL;
    Plan *plan = (Plan *)type->tp_alloc(type, 0);
    if (plan == NULL)
        return NULL;
    plan->table = Py_NewRef(table);
    if (!take_table(plan, table)) {
        Py_DECREF(plan);
        return NULL;
    }
    return (PyObject *)plan;
}

static void plan_dealloc(PyObject *self) {
    Plan *plan = (Plan *)self;
    PyTypeObject *type = Py_TYPE(self);
    for (Py_ssize_t index = 0; index < plan->count; index++) {
        for (Py_ssize_t place = 0; place < plan->messages[index].count; place++)
            PyMem_Free(plan->messages[index].fields[place].names);
        PyMem_Free(plan->messages[index].fields);
    }
    PyMem_Free(plan->messages);
    Py_XDECREF(plan->table);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *plan_write(PyObject *self, PyObject *data) {
    if (!PyBytes_Check(data))
        return PyErr_Format(PyExc_TypeError, "expected bytes, found %.100s", Py_TYPE(data)->tp_name);
    const Plan *plan = (const Plan *)self;
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(data);
    Out out;
    out.start = out.at = out.small;
    out.end = out.small + sizeof out.small;
    out.costly = 0;
    PyObject *written = NULL;
    if (put_message(&out, plan->messages, (Span){bytes, bytes + PyBytes_GET_SIZE(data)}, 0))
        written = PyBytes_FromStringAndSize(out.start, out.at - out.start);
    else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "the message is not plain");
    if (out.start != out.small)
        PyMem_Free(out.start);
    return written;
}

static PyMethodDef plan_methods[] = {
    {"write", plan_write, METH_O, "The JSON of a message of the table's first type, from its bytes. Raises ValueError if it gives up."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot plan_slots[] = {
    {Py_tp_new, (void *)plan_new},
    {Py_tp_dealloc, (void *)plan_dealloc},
    {Py_tp_methods, plan_methods},
    {Py_tp_doc, "A table that towpath._wire.json.plans made of a message type. Raises ValueError for a faulty one."},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "towpath._wire.json._writer.Plan", .basicsize = sizeof(Plan), .flags = Py_TPFLAGS_DEFAULT, .slots = plan_slots};

/* ------------------------------------------------------------------------------------------------------------ names in JSON */

/* The members of every object within a value that was read from JSON; -1 with an exception set if it is nested too deeply. */
static Py_ssize_t members_of(PyObject *value) {
    if (!PyDict_CheckExact(value) && !PyList_CheckExact(value))
        return 0;
    if (Py_EnterRecursiveCall(" while the members of a document are counted"))
        return -1;
    Py_ssize_t found = 0, more = 0, place = 0;
    if (PyDict_CheckExact(value)) {
        PyObject *inner;
        found = PyDict_GET_SIZE(value);
        while (more >= 0 && PyDict_Next(value, &place, NULL, &inner))
            found += more = members_of(inner);
    } else
        for (; more >= 0 && place < PyList_GET_SIZE(value); place++)
            found += more = members_of(PyList_GET_ITEM(value, place));
    Py_LeaveRecursiveCall();
    return more < 0 ? -1 : found;
}

static Py_ssize_t colons_outside_strings(const char *at, const char *end) {
    Py_ssize_t found = 0;
    bool within = false;
    for (; at < end; at++) {
        if (*at == '"')
            within = !within;
        else if (within)
            at += *at == '\\'; /* the character after it is no end of the string */
        else
            found += *at == ':';
    }
    return found;
}

static PyObject *repeats_a_name(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer data;
    PyObject *value;
    if (!PyArg_ParseTuple(arguments, "y*O", &data, &value))
        return NULL;
    const char *start = data.buf;
    Py_ssize_t members = members_of(value), colons = colons_outside_strings(start, start + data.len);
    PyBuffer_Release(&data);
    return members < 0 ? NULL : PyBool_FromLong(colons != members);
}

static PyMethodDef module_functions[] = {
    {"repeats_a_name", repeats_a_name, METH_VARARGS, "Whether an object in a document, which was read as a value, has two members of one name."},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &plan_spec, NULL);
    int failed = type == NULL ? -1 : PyModule_AddObjectRef(module, "Plan", type);
    Py_XDECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, (void *)fill_module},
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* a plan does not change once it is made */
#endif
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "_writer", .m_doc = "JSON from the bytes of a message.", .m_methods = module_functions, .m_slots = module_slots};

PyMODINIT_FUNC PyInit__writer(void) {
    return PyModuleDef_Init(&module);
}

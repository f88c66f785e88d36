/* JSON: read, built, written. Depth is bounded, because the stack is. */
#include "stanch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 64

typedef enum { NOTHING, TRUTH, NUMBER, TEXT, ARRAY, OBJECT } type;

struct stanch_json {
  type type;
  bool truth;
  double number;
  char *text;
  struct stanch_json **items;
  char **names;
  size_t count, room;
};

static stanch_json *make(type type) {
  stanch_json *value = stanch_memory(sizeof *value);
  value->type = type;
  return value;
}

stanch_json *stanch_object(void) { return make(OBJECT); }
stanch_json *stanch_array(void) { return make(ARRAY); }
stanch_json *stanch_null(void) { return make(NOTHING); }

stanch_json *stanch_of_text(const char *text) {
  stanch_json *value = make(TEXT);
  value->text = stanch_format("%s", text ? text : "");
  return value;
}

stanch_json *stanch_of_number(double number) {
  stanch_json *value = make(NUMBER);
  value->number = number;
  return value;
}

stanch_json *stanch_of_truth(bool truth) {
  stanch_json *value = make(TRUTH);
  value->truth = truth;
  return value;
}

static void grow(stanch_json *value) {
  if (value->count < value->room) return;
  value->room = value->room ? value->room * 2 : 8;
  stanch_json **items = stanch_memory(value->room * sizeof *items);
  char **names = stanch_memory(value->room * sizeof *names);
  for (size_t i = 0; i < value->count; i++) {
    items[i] = value->items[i];
    names[i] = value->names[i];
  }
  value->items = items;
  value->names = names;
}

stanch_json *stanch_push(stanch_json *array, const stanch_json *value) {
  grow(array);
  array->items[array->count++] = (stanch_json *)(value ? value : stanch_null());
  return array;
}

stanch_json *stanch_set(stanch_json *object, const char *name, const stanch_json *value) {
  for (size_t i = 0; i < object->count; i++) {
    if (strcmp(object->names[i], name) == 0) {
      object->items[i] = (stanch_json *)(value ? value : stanch_null());
      return object;
    }
  }
  grow(object);
  object->names[object->count] = stanch_format("%s", name);
  return stanch_push(object, value);
}

/* --- Reading --- */

size_t stanch_count(const stanch_json *value) { return value ? value->count : 0; }

const stanch_json *stanch_item(const stanch_json *value, size_t index) {
  return index < stanch_count(value) ? value->items[index] : NULL;
}

const char *stanch_name(const stanch_json *value, size_t index) {
  return value && value->type == OBJECT && index < value->count ? value->names[index] : NULL;
}

const stanch_json *stanch_get(const stanch_json *value, const char *path) {
  while (*path && value) {
    const char *end = strchr(path, '/');
    size_t length = end ? (size_t)(end - path) : strlen(path);
    const stanch_json *found = NULL;
    for (size_t i = 0; value->type == OBJECT && i < value->count && !found; i++) {
      if (strlen(value->names[i]) == length && memcmp(value->names[i], path, length) == 0) found = value->items[i];
    }
    value = found;
    path += length + (end ? 1 : 0);
  }
  return value;
}

bool stanch_is_there(const stanch_json *value) { return value && value->type != NOTHING; }
bool stanch_is_text(const stanch_json *value) { return value && value->type == TEXT; }
bool stanch_is_number(const stanch_json *value) { return value && value->type == NUMBER; }
bool stanch_is_array(const stanch_json *value) { return value && value->type == ARRAY; }

const char *stanch_text(const stanch_json *value, const char *path, const char *otherwise) {
  value = stanch_get(value, path);
  return stanch_is_text(value) ? value->text : otherwise;
}

double stanch_number(const stanch_json *value, const char *path, double otherwise) {
  value = stanch_get(value, path);
  return stanch_is_number(value) ? value->number : otherwise;
}

bool stanch_truth(const stanch_json *value, const char *path, bool otherwise) {
  value = stanch_get(value, path);
  return value && value->type == TRUTH ? value->truth : otherwise;
}

/* --- From text --- */

typedef struct {
  const char *at;
  int depth;
} reader;

static stanch_json *read_value(reader *in);

static void skip(reader *in) {
  while (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r') in->at++;
}

static bool take(reader *in, const char *word) {
  size_t length = strlen(word);
  if (strncmp(in->at, word, length) != 0) return false;
  in->at += length;
  return true;
}

static bool read_hex(reader *in, uint32_t *code) {
  *code = 0;
  for (int i = 0; i < 4; i++) {
    char c = *in->at;
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return false;
    *code = *code << 4 | (uint32_t)digit;
    in->at++;
  }
  return true;
}

static char *put_utf8(char *out, uint32_t code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xc0 | code >> 6);
    *out++ = (char)(0x80 | (code & 63));
  } else if (code < 0x10000) {
    *out++ = (char)(0xe0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 63));
    *out++ = (char)(0x80 | (code & 63));
  } else {
    *out++ = (char)(0xf0 | code >> 18);
    *out++ = (char)(0x80 | (code >> 12 & 63));
    *out++ = (char)(0x80 | (code >> 6 & 63));
    *out++ = (char)(0x80 | (code & 63));
  }
  return out;
}

/* Half a surrogate pair becomes U+FFFD; a zero byte cannot be in a text, so the value is none. */
static char *read_text(reader *in) {
  if (!take(in, "\"")) return NULL;
  const char *end = in->at;
  while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
  char *text = stanch_memory((size_t)(end - in->at) + 1), *out = text;
  while (*in->at && *in->at != '"') {
    if ((unsigned char)*in->at < 0x20) return NULL;
    if (*in->at != '\\') {
      *out++ = *in->at++;
      continue;
    }
    in->at++;
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *escape = *in->at ? strchr(escapes, *in->at) : NULL;
    if (escape) {
      *out++ = meanings[escape - escapes];
      in->at++;
      continue;
    }
    uint32_t code, low;
    if (!take(in, "u") || !read_hex(in, &code) || code == 0) return NULL;
    if (code >= 0xd800 && code < 0xdc00 && in->at[0] == '\\' && in->at[1] == 'u') {
      reader ahead = {in->at + 2, in->depth};
      if (read_hex(&ahead, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        in->at = ahead.at;
      }
    }
    out = put_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
  }
  return take(in, "\"") ? text : NULL;
}

static stanch_json *read_members(reader *in, type type, char close) {
  stanch_json *value = make(type);
  skip(in);
  if (*in->at == close) {
    in->at++;
    return value;
  }
  for (;;) {
    char *name = NULL;
    skip(in);
    if (type == OBJECT) {
      name = read_text(in);
      skip(in);
      if (!name || !take(in, ":")) return NULL;
    }
    stanch_json *item = read_value(in);
    if (!item) return NULL;
    if (name) stanch_set(value, name, item);
    else stanch_push(value, item);
    skip(in);
    if (*in->at == close) {
      in->at++;
      return value;
    }
    if (!take(in, ",")) return NULL;
  }
}

static stanch_json *read_number(reader *in) {
  const char *at = in->at;
  if (*at == '-') at++;
  if (*at < '0' || *at > '9') return NULL;
  char *end;
  double number = strtod(in->at, &end);
  if (!isfinite(number) || (at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))) return NULL;
  in->at = end;
  return stanch_of_number(number);
}

static stanch_json *read_value(reader *in) {
  skip(in);
  if (in->depth >= DEEPEST) return NULL;
  in->depth++;
  stanch_json *value = NULL;
  if (*in->at == '"') {
    char *text = read_text(in);
    if (text) {
      value = make(TEXT);
      value->text = text;
    }
  } else if (take(in, "{")) {
    value = read_members(in, OBJECT, '}');
  } else if (take(in, "[")) {
    value = read_members(in, ARRAY, ']');
  } else if (take(in, "true")) {
    value = stanch_of_truth(true);
  } else if (take(in, "false")) {
    value = stanch_of_truth(false);
  } else if (take(in, "null")) {
    value = stanch_null();
  } else {
    value = read_number(in);
  }
  in->depth--;
  return value;
}

stanch_json *stanch_parse(const char *text) {
  reader in = {text, 0};
  stanch_json *value = read_value(&in);
  skip(&in);
  return *in.at ? NULL : value;
}

/* --- To text --- */

typedef struct {
  char *text;
  size_t length, room;
} writer;

static void put(writer *out, const char *text, size_t length) {
  if (out->length + length + 1 > out->room) {
    out->room = (out->length + length + 1) * 2;
    char *larger = stanch_memory(out->room);
    if (out->length) memcpy(larger, out->text, out->length);
    out->text = larger;
  }
  memcpy(out->text + out->length, text, length);
  out->length += length;
  out->text[out->length] = 0;
}

static void say(writer *out, const char *text) { put(out, text, strlen(text)); }

static void write_text(writer *out, const char *text) {
  say(out, "\"");
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"') say(out, "\\\"");
    else if (c == '\\') say(out, "\\\\");
    else if (c < 0x20) say(out, stanch_format("\\u%04x", c));
    else put(out, text, 1);
  }
  say(out, "\"");
}

static void write_number(writer *out, double number) {
  if (number == floor(number) && fabs(number) <= 9007199254740992.0) {
    say(out, stanch_format("%lld", (long long)number));
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    char *text = stanch_format("%.*g", digits, number);
    if (strtod(text, NULL) == number || digits == 17) {
      say(out, text);
      return;
    }
  }
}

static void write_value(writer *out, const stanch_json *value) {
  switch (value->type) {
    case NOTHING: say(out, "null"); break;
    case TRUTH: say(out, value->truth ? "true" : "false"); break;
    case NUMBER: write_number(out, value->number); break;
    case TEXT: write_text(out, value->text); break;
    case ARRAY:
      say(out, "[");
      for (size_t i = 0; i < value->count; i++) {
        if (i) say(out, ",");
        write_value(out, value->items[i]);
      }
      say(out, "]");
      break;
    case OBJECT: {
      /* In order of their names: the next one is the smallest that is larger than the last. */
      say(out, "{");
      const char *last = NULL;
      for (size_t written = 0; written < value->count; written++) {
        size_t next = value->count;
        for (size_t i = 0; i < value->count; i++) {
          bool later = !last || strcmp(value->names[i], last) > 0;
          if (later && (next == value->count || strcmp(value->names[i], value->names[next]) < 0)) next = i;
        }
        if (written) say(out, ",");
        last = value->names[next];
        write_text(out, last);
        say(out, ":");
        write_value(out, value->items[next]);
      }
      say(out, "}");
      break;
    }
  }
}

char *stanch_print(const stanch_json *value) {
  writer out = {0};
  say(&out, "");
  if (value) write_value(&out, value);
  else say(&out, "{}");
  return out.text;
}

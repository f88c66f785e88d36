/**
 * Text and bytes, and one text for one JSON value. QuickJS has neither TextEncoder nor TextDecoder.
 */

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json | undefined };

/** As UTF-8; half a surrogate pair becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0) ?? 0xfffd;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return Uint8Array.from(bytes);
}

/** From UTF-8; undefined where it is none. */
export function decodeUtf8Strictly(bytes: Uint8Array): string | undefined {
  return decode(bytes, true);
}

/** From UTF-8; what is none becomes U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  return decode(bytes, false) ?? "";
}

function decode(bytes: Uint8Array, strict: boolean): string | undefined {
  const parts: string[] = [];
  let codes: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number;
    const more = first < 0x80 ? 0 : first >> 5 === 6 ? 1 : first >> 4 === 14 ? 2 : first >> 3 === 30 ? 3 : -1;
    let code = more <= 0 ? first : first & (0x3f >> more);
    let length = 1;
    while (length <= more && ((bytes[at + length] ?? 0) & 0xc0) === 0x80) {
      code = (code << 6) | ((bytes[at + length] as number) & 63);
      length += 1;
    }
    const least = [0, 0x80, 0x800, 0x10000][more] ?? 0;
    const whole = more >= 0 && length === more + 1 && code >= least && code <= 0x10ffff;
    if (!whole || (code >= 0xd800 && code <= 0xdfff)) {
      if (strict) return undefined;
      code = 0xfffd;
    }
    codes.push(code);
    if (codes.length === 4096) {
      parts.push(String.fromCodePoint(...codes));
      codes = [];
    }
    at += length;
  }
  parts.push(String.fromCodePoint(...codes));
  return parts.join("");
}

/** One text for one value: no white space, members in order. */
export function canonical(value: Json | undefined): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`${value} is no number that JSON has`);
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object") {
    const names = Object.keys(value).filter((name) => value[name] !== undefined).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** The value, or undefined where the text is no JSON. */
export function fromJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** As the contract has it: `{}` where there is nothing to say. */
export function toJson(value: Json | undefined): string {
  return value === undefined || value === null ? "{}" : canonical(value);
}

/** A member of an object; undefined where the value is none or has none. */
export function member(value: Json | undefined, name: string): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
}

/** In hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** From hexadecimal digits. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

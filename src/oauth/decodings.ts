/** Text as it reads once the escapes are decoded that a server may have added to what it repeats. */

/** A decoded text, and where each of its characters comes from. */
export interface Decoding {
  readonly text: string;
  /** Returns the range of the original text that a range of this text comes from. */
  originOf(start: number, end: number): readonly [start: number, end: number];
}

/** Finds one kind of escape, and decodes it. */
interface Decoder {
  readonly pattern: RegExp;
  decode(sequence: string): string;
}

const HEX = "[0-9a-f]";
const NEXT = `%[89ab]${HEX}`;
/** One character in UTF-8. */
const PERCENT = `%[0-7]${HEX}|%[cd]${HEX}${NEXT}|%e${HEX}${NEXT}${NEXT}|%f[0-7]${NEXT}${NEXT}${NEXT}`;
const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const CONTROLS: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

const DECODERS: readonly Decoder[] = [
  { pattern: new RegExp(`\\\\(?:u${HEX}{4}|[^u])`, "gi"), decode: fromJson },
  { pattern: new RegExp(PERCENT, "gi"), decode: fromPercent },
  {
    pattern: new RegExp(`${PERCENT}|\\+`, "gi"),
    decode: (sequence) => (sequence === "+" ? " " : fromPercent(sequence)),
  },
  { pattern: new RegExp(`&(?:#\\d{1,9}|#x${HEX}{1,8}|amp|lt|gt|quot|apos);`, "gi"), decode: fromHtml },
];

/** How many escapes may be nested, such as those of JSON in a string of JSON. */
const MAX_DEPTH = 3;

/**
 * Returns the text itself and each of its decodings: of JSON (RFC 8259 §7), percent-encoding (RFC 3986 §2.1), forms and
 * HTML, also nested.
 */
export function decodingsOf(text: string): Decoding[] {
  const seen = new Set([text]);
  const all: Decoding[] = [{ text, originOf: (start, end) => [start, end] }];
  let outer = all;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    outer = outer.flatMap((decoding) => DECODERS.map((decoder) => decodeAll(decoding, decoder)));
    outer = outer.filter(({ text }) => !seen.has(text) && seen.add(text));
    all.push(...outer);
  }
  return all;
}

function decodeAll(outer: Decoding, { pattern, decode }: Decoder): Decoding {
  const starts: number[] = [];
  const ends: number[] = [];
  let text = "";
  const append = (part: string, start: number, step: number, length: number) => {
    text += part;
    for (let index = 0; index < part.length; index++) {
      starts.push(start + index * step);
      ends.push(start + index * step + length);
    }
  };
  let position = 0;
  for (const { 0: match, index } of outer.text.matchAll(pattern)) {
    append(outer.text.slice(position, index), position, 1, 1);
    append(decode(match), index, 0, match.length);
    position = index + match.length;
  }
  append(outer.text.slice(position), position, 1, 1);
  return { text, originOf: (start, end) => outer.originOf(starts[start] ?? 0, ends[end - 1] ?? 0) };
}

function fromJson(sequence: string): string {
  if (sequence.length > 2) return String.fromCharCode(Number.parseInt(sequence.slice(2), 16));
  const character = sequence.slice(1);
  return CONTROLS[character] ?? character;
}

function fromPercent(sequence: string): string {
  return Buffer.from(sequence.replaceAll("%", ""), "hex").toString();
}

function fromHtml(sequence: string): string {
  const name = sequence.slice(1, -1).toLowerCase();
  if (!name.startsWith("#")) return ENTITIES[name] ?? sequence;
  const code = name.startsWith("#x") ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code <= 0x10ffff ? String.fromCodePoint(code) : sequence;
}

/**
 * Distinguished names (RFC 4514). Values are encoded as they are: @peculiar/x509's own parser drops what it doesn't
 * recognise, so a name that it accepts isn't always the one that was written.
 */
import { SignerError } from "../index.js";
import { isObjectIdentifier } from "./object-identifier.js";

/** The string type of a value: PrintableString, IA5String or UTF8String (RFC 5280 §4.1.2.4). */
type StringType = "printableString" | "ia5String" | "utf8String";

/** One attribute, as @peculiar/x509 takes it: OID → its values, each by its string type. */
export type NameAttribute = Record<string, Partial<Record<StringType, string>>[]>;

interface AttributeType {
  readonly oid: string;
  readonly type: StringType;
}

const utf8 = (oid: string): AttributeType => ({ oid, type: "utf8String" });

/** RFC 4514 §3, and other attributes that certificates often have (RFC 5280 appendix A.1). */
const ATTRIBUTE_TYPES: ReadonlyMap<string, AttributeType> = new Map([
  ["CN", utf8("2.5.4.3")],
  ["L", utf8("2.5.4.7")],
  ["ST", utf8("2.5.4.8")],
  ["O", utf8("2.5.4.10")],
  ["OU", utf8("2.5.4.11")],
  ["C", { oid: "2.5.4.6", type: "printableString" }],
  ["STREET", utf8("2.5.4.9")],
  ["DC", { oid: "0.9.2342.19200300.100.1.25", type: "ia5String" }],
  ["UID", utf8("0.9.2342.19200300.100.1.1")],
  ["SERIALNUMBER", { oid: "2.5.4.5", type: "printableString" }],
  ["EMAILADDRESS", { oid: "1.2.840.113549.1.9.1", type: "ia5String" }],
]);

const BY_OID: ReadonlyMap<string, AttributeType> = new Map(
  [...ATTRIBUTE_TYPES.values()].map((type) => [type.oid, type]),
);

const ALLOWED: Readonly<Record<StringType, RegExp>> = {
  printableString: /^[A-Za-z0-9 '()+,./:=?-]+$/,
  ia5String: /^[ -~]+$/,
  utf8String: /^[^\p{Cc}\p{Cs}]+$/u,
};

/** Matches the name of an attribute, with the spaces that may surround it. */
const TYPE = / *([A-Za-z][A-Za-z0-9-]*|[0-2](?:\.(?:0|[1-9]\d*))+) *= */y;
/** Matches a value up to the next separator (RFC 4514 §3: `string`). */
const VALUE = /(?:\\[\da-f]{2}|\\[ "#+,;<=>\\]|[^"+,;<>\\])*/iuy;
/** Matches one character of a value: a byte in hexadecimal, an escaped character, or the character. */
const CHARACTER = /\\[\da-f]{2}|\\.|[^\\]/giu;

/**
 * Parses a subject.
 *
 * @param subject - A name such as `CN=agent-7,O=Acme\, Inc.,C=DE` (RFC 4514), or its attributes in the same order,
 *   unescaped. As RFC 4514 §2.1 requires, the certificate contains the attributes in the reverse order.
 * @throws {SignerError} With code `misconfigured`, and the position of what is wrong, but not the value.
 */
export function parseSubject(subject: string | Readonly<Record<string, string>>): NameAttribute[] {
  const attributes = typeof subject === "string" ? parseString(subject) : Object.entries(subject);
  if (attributes.length === 0) throw misnamed("Expected at least one attribute, such as CN=agent-7.");
  return attributes.map(([name, value]) => encodeAttribute(name, value)).reverse();
}

function encodeAttribute(name: string, value: string): NameAttribute {
  const known = attributeType(name);
  if (typeof value !== "string" || !ALLOWED[known.type].test(value))
    throw misnamed(`The value of ${name.toUpperCase()} is empty, or has a character that it can't contain.`);
  if (known === ATTRIBUTE_TYPES.get("C") && !/^[A-Z]{2}$/i.test(value))
    throw misnamed(`The value of ${name.toUpperCase()} must be the two letters of a country, such as DE.`);
  return { [known.oid]: [{ [known.type]: value }] };
}

/** An attribute has the same string type, whether it is given by its name or its OID. */
function attributeType(name: string): AttributeType {
  const known = ATTRIBUTE_TYPES.get(name.toUpperCase()) ?? BY_OID.get(name);
  if (known) return known;
  if (isObjectIdentifier(name)) return utf8(name);
  const names = [...ATTRIBUTE_TYPES.keys()].join(", ");
  throw misnamed(`The type of an attribute isn't known. Use one of ${names}, or an OID.`);
}

function parseString(text: string): [name: string, value: string][] {
  const attributes: [string, string][] = [];
  for (let position = 0; position < text.length || position === 0; position += 1) {
    const [type, name = ""] = matchAt(TYPE, text, position) ?? [];
    if (type === undefined) throw misnamedAt(position, "Expected an attribute, such as CN=agent-7");
    position += type.length;
    const [raw = ""] = matchAt(VALUE, text, position) ?? [];
    attributes.push([name, unescapeValue(raw, position)]);
    position += raw.length;
    expectSeparator(text, position);
  }
  return attributes;
}

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position;
  return pattern.exec(text);
}

function expectSeparator(text: string, position: number): void {
  const next = text[position];
  if (next === undefined) return;
  if (next === "+")
    throw misnamedAt(position, "Two attributes can't be combined with +. Write \\+ if it is part of a value");
  if (next !== ",") throw misnamedAt(position, `Expected a comma. Write "\\" before " + , ; < > \\ in a value`);
  if (position === text.length - 1) throw misnamedAt(position, "Expected an attribute after the comma");
}

/** Unescaped spaces at the end aren't part of the value (RFC 4514 §2.4). Those at the start are part of `TYPE`. */
function unescapeValue(raw: string, position: number): string {
  if (raw.startsWith("#"))
    throw misnamedAt(position, "Values in hexadecimal aren't supported. Write \\# for the character");
  const characters = raw.match(CHARACTER) ?? [];
  while (characters.at(-1) === " ") characters.pop();
  const bytes = Buffer.concat(characters.map(unescapeCharacter));
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw misnamedAt(position, "The escaped bytes aren't UTF-8");
  }
}

function unescapeCharacter(character: string): Buffer {
  if (!character.startsWith("\\")) return Buffer.from(character);
  const escaped = character.slice(1);
  return escaped.length === 2 ? Buffer.from(escaped, "hex") : Buffer.from(escaped);
}

function misnamedAt(position: number, problem: string): SignerError {
  return misnamed(`${problem} (at character ${position + 1}).`);
}

function misnamed(problem: string): SignerError {
  return new SignerError("misconfigured", `subject: ${problem}`);
}

/** Subject alternative names (RFC 5280 §4.2.1.6), checked before they are encoded. */
import { isIP, isIPv6 } from "node:net";
import { SignerError } from "../index.js";

/** The other names of a certificate's subject. */
export interface SubjectAltNames {
  /** Host names in ASCII, such as `agent-7.example.com` or `*.example.com`. */
  readonly dns?: readonly string[] | undefined;
  /** Absolute URIs in ASCII, such as a SPIFFE ID: `spiffe://example.com/agent-7`. */
  readonly uri?: readonly string[] | undefined;
  /** Email addresses in ASCII. */
  readonly email?: readonly string[] | undefined;
  /** IPv4 or IPv6 addresses. */
  readonly ip?: readonly string[] | undefined;
}

interface Kind {
  /** The name of the type in @peculiar/x509. */
  readonly type: "dns" | "url" | "email" | "ip";
  readonly expected: string;
  isValid(value: string): boolean;
}

const LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const HOST_NAME = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`, "i");
/** RFC 3986 §2: no spaces, no other character that must be percent-encoded. */
const URI = /^[a-z][a-z0-9+.-]*:[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/i;
const EMAIL = /^[\w!#$%&'*+\-/=?^`{|}~.]+@[a-z0-9.-]+$/i;

const KINDS: Readonly<Record<keyof SubjectAltNames, Kind>> = {
  dns: {
    type: "dns",
    expected: "a host name in ASCII",
    isValid: (value) => value.length < 254 && HOST_NAME.test(value),
  },
  uri: {
    type: "url",
    expected: "an absolute URI in ASCII",
    isValid: (value) => URI.test(value) && URL.canParse(value),
  },
  email: { type: "email", expected: "an email address in ASCII", isValid: (value) => EMAIL.test(value) },
  ip: {
    type: "ip",
    expected: "an IPv4 or IPv6 address without a zone",
    isValid: (value) => isIP(value) > 0 && !value.includes("%"),
  },
};

/** Names as @peculiar/x509 takes them. */
export type GeneralNames = { readonly type: Kind["type"]; readonly value: string }[];

/**
 * Checks the names.
 *
 * @throws {SignerError} With code `misconfigured` and the kind of name, but not the value.
 */
export function generalNames(names: SubjectAltNames = {}): GeneralNames {
  return (Object.keys(KINDS) as (keyof SubjectAltNames)[]).flatMap((name) =>
    (names[name] ?? []).map((value) => generalName(name, value)),
  );
}

function generalName(name: keyof SubjectAltNames, value: string): GeneralNames[number] {
  const { type, expected, isValid } = KINDS[name];
  if (!isValid(value)) throw new SignerError("misconfigured", `subjectAltNames.${name}: Expected ${expected}.`);
  return { type, value: isIPv6(value) ? hexadecimalGroups(value) : value };
}

/** Returns an IPv6 address without a dotted part: @peculiar/x509 would read `::ffff:192.0.2.1` as a hexadecimal number. */
function hexadecimalGroups(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

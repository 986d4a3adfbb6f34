/**
 * URIs of keys in an agent: `ssh-agent:SHA256:…` by fingerprint, or `ssh-agent:?comment=…`. Both may have the attributes
 * `socket` and `algorithm`.
 */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import {
  decodeText,
  formatAttributes,
  percentDecode,
  percentEncode,
  readAttributes,
  splitUri,
} from "../../src/keystore/uri.js";
import type { KeyName } from "./find-key.js";

export const SCHEME = "ssh-agent";

/** The parts of an `ssh-agent:` URI. Without a fingerprint and a comment, it names an agent. */
export interface SshAgentLocation extends KeyName {
  /** The path of the agent's socket, or the name of its pipe on Windows. */
  readonly socket?: string | undefined;
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: AlgorithmName | undefined;
}

/**
 * Parses an `ssh-agent:` URI.
 *
 * @throws {SignerError} With code `misconfigured`. The message contains the position of the error, or names the attribute.
 */
export function parseSshAgentUri(uri: string): SshAgentLocation {
  const { path, query, fail } = splitUri(uri, SCHEME);
  const attributes = readAttributes(query, "&", ["comment", "socket", "algorithm"], fail);
  const fingerprint = decodeText(percentDecode(path, fail), "The fingerprint", fail);
  const comment = attributes.text("comment");
  const socket = attributes.text("socket");
  if (fingerprint !== "" && !isFingerprint(fingerprint)) throw fail(EXPECTED, path.at);
  if (fingerprint !== "" && comment !== undefined) throw fail("Use either a fingerprint or comment, not both");
  if (comment === "" || socket === "") throw fail("comment and socket must not be empty");
  return { fingerprint: fingerprint || undefined, comment, socket, algorithm: attributes.algorithm() };
}

/** Returns the URI that {@link parseSshAgentUri} parses. */
export function formatSshAgentUri({ fingerprint = "", comment, socket, algorithm }: SshAgentLocation): string {
  const query = formatAttributes({ comment, socket, algorithm }, "&", "/:@");
  return `${SCHEME}:${percentEncode(fingerprint, "+/:")}${query && "?"}${query}`;
}

/** What an error says about a fingerprint that isn't one. */
export const EXPECTED = "Expected SHA256: and 43 characters of base64, as `ssh-add -l` prints them, or ?comment=…";

/** Whether the text is a fingerprint in the one form that `ssh-add -l` prints. */
export function isFingerprint(text: string): boolean {
  const [, hash] = /^SHA256:([A-Za-z0-9+/]{43})$/.exec(text) ?? [];
  return hash !== undefined && Buffer.from(hash, "base64").toString("base64") === `${hash}=`;
}

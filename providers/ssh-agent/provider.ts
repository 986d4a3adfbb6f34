/** The provider for `ssh-agent:` URIs. Opens, lists and diagnoses keys. */
import type { SignerError } from "../../src/errors.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { callStore, checkTimeout } from "../../src/keystore/store-call.js";
import { AgentClient } from "./client.js";
import { diagnoseAgent } from "./diagnose.js";
import { findKeys, type UsableKey } from "./find-key.js";
import { fingerprintOf, type Identity } from "./identities.js";
import { canSign } from "./open-key.js";
import { DEFAULT_TIMEOUT, SshAgentSigner, type SshAgentSignerOptions } from "./signer.js";
import { EXPECTED, formatSshAgentUri, parseSshAgentUri, SCHEME, type SshAgentLocation } from "./uri.js";

/** Options of the provider. The parts of the URI take precedence. */
export interface SshAgentProviderOptions extends SshAgentSignerOptions, SignOptions {}

/** Keys in an SSH agent by URI: `ssh-agent:SHA256:…` or `ssh-agent:?comment=…`, with `socket` and `algorithm`. */
export const provider: Provider<SshAgentProviderOptions> = {
  scheme: SCHEME,

  open(uri, options = {}) {
    const { fingerprint, comment, ...location } = mergeUri(uri, options);
    const key = comment === undefined ? fingerprint : { comment };
    if (key === undefined) throw nameMissing();
    return new SshAgentSigner(key, { ...options, ...location });
  },

  /**
   * Always fails: an agent doesn't create keys.
   *
   * @throws {SignerError} With code `misconfigured`. The message names the commands that create a key.
   */
  async create(uri) {
    parseSshAgentUri(uri);
    throw misconfigured(
      `${SCHEME}: An agent can't create keys. Create one with ssh-keygen -t ecdsa -f FILE, add it with ssh-add FILE, and list the URIs with \`hardproof keys ssh-agent:\`.`,
    );
  },

  /**
   * Always fails: an agent doesn't delete keys, it only forgets them.
   *
   * @throws {SignerError} With code `misconfigured`. The message names the commands.
   */
  async delete(uri) {
    parseSshAgentUri(uri);
    throw misconfigured(
      `${SCHEME}: An agent can't delete a key. ssh-add -d FILE removes it from the agent; delete its file, or the key on its token, as well.`,
    );
  },

  /**
   * Lists the keys that can sign, by all algorithms or by `algorithm`. Security keys (`sk-…`) and certificates can't.
   *
   * @param uri - `ssh-agent:`, optionally with a fingerprint, or `comment`, and with `socket` and `algorithm`.
   * @returns The URIs of the keys. An RSA key has one for each of its algorithms.
   */
  async list(uri, options = {}) {
    const location = mergeUri(uri, options);
    const identities = await listIdentities(location, options);
    return [...new Set(findKeys(identities, location).flatMap((key) => urisOf(key, location)))];
  },

  async *diagnose(uri, options = {}) {
    const location = mergeUri(uri, options);
    yield* diagnoseAgent(location, () => listIdentities(location, options));
  },
};

function mergeUri(uri: string, options: SshAgentProviderOptions): SshAgentLocation {
  const { socket = options.socket, algorithm = options.algorithm, ...name } = parseSshAgentUri(uri);
  return { ...name, socket, algorithm };
}

async function listIdentities(location: SshAgentLocation, options: SshAgentProviderOptions): Promise<Identity[]> {
  const uri = formatSshAgentUri(location);
  const { timeout = DEFAULT_TIMEOUT, signal } = options;
  const call = { uri, operation: "listing the keys", timeout: checkTimeout(uri, timeout), signal };
  return callStore(call, (deadline) => new AgentClient(uri, location.socket).identities(deadline.signal));
}

/** The algorithm is a part of the URI only if the key has several. */
function urisOf(key: UsableKey, { algorithm, socket }: SshAgentLocation): string[] {
  const fingerprint = fingerprintOf(key.key);
  const isOnly = key.algorithms.length === 1;
  return key.algorithms
    .map(({ alg }) => alg)
    .filter((alg) => (algorithm === undefined || alg === algorithm) && canSign(key, alg))
    .map((alg) => formatSshAgentUri({ fingerprint, socket, algorithm: isOnly ? undefined : alg }));
}

function nameMissing(): SignerError {
  return misconfigured(`${SCHEME}: The URI doesn't name a key. ${EXPECTED}. \`hardproof keys ssh-agent:\` lists them.`);
}

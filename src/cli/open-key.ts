/** Opens the command's key, which must be the one of `--public-key`, and meet `--require`. A token may not store its public key. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import {
  importPublicKey,
  openSigner,
  type PublicKeyMembers,
  type ReplicaTrace,
  replicaSigner,
  type Signer,
  SignerError,
} from "../index.js";
import { type Context, collect } from "./context.js";
import { isHardproofError, UsageError } from "./exit-codes.js";
import { fileError } from "./file-error.js";
import { type OpenSigner, PromptingSigner } from "./prompting-signer.js";
import { checkRequirement, type RequireOption, withRequireOption } from "./require-option.js";
import type { TimeoutOption } from "./timeout-option.js";

const REPLICA_CHANNEL = "hardproof.replica";

/** The value of the option that {@link withKeyOption} adds: the URI of the key, or of each of its replicas. */
export interface KeyOption {
  key?: string[];
}

/** Adds the option `--key` to a command. */
export function withKeyOption(command: Command): Command {
  const description = "URI of the key (or HARDPROOF_KEY); repeated: of the same key in other stores, used if one fails";
  return command.option("--key <uri>", description, collect);
}

/** The values of the options that {@link withPublicKeyOption} adds. */
export interface PublicKeyOption extends RequireOption {
  /** The path of a file. */
  publicKey?: string | undefined;
}

/** Adds the options that say which key it must be, `--public-key`, and where it must be, `--require`. */
export function withPublicKeyOption(command: Command): Command {
  const description =
    "the public key (PEM or JWK) or certificate (PEM) of the key: for a token that lacks it; another key is rejected";
  return withRequireOption(command.option("--public-key <file>", description));
}

/**
 * Rejects the options that restrict a key if the command doesn't open one: a check that isn't made must not look like one that
 * passed.
 *
 * @param remedy - Completes "--require needs …" with what the user can do.
 * @throws {UsageError} If one of the options is set.
 */
export function rejectWithoutKey({ publicKey, require }: PublicKeyOption, remedy: string): void {
  const option = require !== undefined ? "--require" : publicKey !== undefined ? "--public-key" : undefined;
  if (option !== undefined) throw new UsageError(`${option} needs ${remedy}.`);
}

/** The options of a command that opens a key. */
export interface OpenKeyOptions extends PublicKeyOption, TimeoutOption {}

/**
 * Opens a key. If the user may be asked for its PIN, they are asked here, and not within the time limit of a server. With
 * `--require`, the key is checked here, before anything is signed or sent.
 *
 * @param option - The option that names the file with the public key, for errors.
 * @throws {UsageError} If that file doesn't contain a public key for an algorithm that Hardproof has.
 * @throws {SignerError} If the URI is malformed; at a terminal, if the key can't be opened.
 */
export async function openKey(
  uri: string,
  options: OpenKeyOptions,
  context: Context,
  option = "--public-key",
): Promise<Signer> {
  const signer = await signerFor(uri, options, context, option);
  try {
    if (context.secrets.canAskFor(uri)) await signer.publicJwk({ signal: context.io.signal });
    await checkRequirement(signer, options, context.io.signal);
    return signer;
  } catch (error) {
    await signer.close();
    throw error;
  }
}

/** Returns a signer that asks for the secret of its key when that is needed. Doesn't open the key. */
async function signerFor(
  uri: string,
  { publicKey: path, timeout }: OpenKeyOptions,
  { secrets }: Context,
  option = "--public-key",
): Promise<Signer> {
  const publicKey = path === undefined ? undefined : await readPublicKey(path, option);
  const open: OpenSigner = (secret) => openSigner(uri, { publicKey, timeout, ...secret });
  return secrets.canAskFor(uri) ? PromptingSigner.create(uri, open, secrets) : open({});
}

/** A key, and the replicas that can sign with it. */
export interface OpenedKey extends AsyncDisposable {
  /** Signs by the first replica that can. */
  readonly signer: Signer;
  /** The signer of each replica, in the order of the URIs. */
  readonly replicas: readonly Signer[];
}

/**
 * Opens a key by the URIs of its replicas, of which there may be only one. A replica that fails while another one signs is noted
 * on standard error. If the user may be asked for a PIN, they are asked here, since a replica that takes long is replaced. With
 * `--require`, each of the replicas is checked, one after the other: any of them may sign.
 */
export async function openReplicas(
  uris: readonly string[],
  options: OpenKeyOptions,
  context: Context,
): Promise<OpenedKey> {
  const key = await closedReplicas(uris, options, context);
  const { signal } = context.io;
  const asking = key.replicas.filter((_, index) => context.secrets.canAskFor(uris[index] ?? ""));
  try {
    for (const replica of asking)
      await replica.publicJwk({ signal }).catch((error) => {
        if (uris.length === 1 || !isRetryable(error)) throw error; // otherwise, another replica may sign
      });
    for (const replica of key.replicas) await checkRequirement(replica, options, signal);
    return key;
  } catch (error) {
    await key[Symbol.asyncDispose]();
    throw error;
  }
}

function isRetryable(error: unknown): boolean {
  return isHardproofError(error) && "retryable" in error && error.retryable === true;
}

/** Like {@link openReplicas}, but the keys aren't opened, and the user isn't asked, before their first use. */
export async function closedReplicas(
  uris: readonly string[],
  options: OpenKeyOptions,
  context: Context,
): Promise<OpenedKey> {
  const { output } = context;
  const replicas = await Promise.all(uris.map((uri) => signerFor(uri, options, context)));
  const [first] = replicas;
  const signer = first && replicas.length === 1 ? first : replicaSigner(replicas);
  const note = (message: unknown) => {
    const { error, cooldown } = message as ReplicaTrace;
    if (error instanceof Error && cooldown > 0) output.note(`A replica failed: ${error.message}`);
  };
  subscribe(REPLICA_CHANNEL, note);
  const close = async () => {
    unsubscribe(REPLICA_CHANNEL, note);
    await signer.close();
  };
  return { signer, replicas, [Symbol.asyncDispose]: close };
}

async function readPublicKey(path: string, option: string): Promise<PublicKeyMembers> {
  const fail = (problem: string, cause?: unknown) => new UsageError(`${option}: ${problem}`, cause);
  const text = await readFile(path, "utf8").catch((cause) => {
    throw fileError(option, "read", cause);
  });
  if (PRIVATE_KEY.test(text)) throw fail("the file contains a private key. Pass only the public key.");
  return membersOf(parsePublicKey(text, fail), fail);
}

/** A private key in PEM, or a JWK with the private member of its type (RFC 7518 §6, RFC 8037 §2, RFC 9964). */
const PRIVATE_KEY = /PRIVATE KEY-----|"(?:d|priv)"\s*:/;

type Failure = (problem: string, cause?: unknown) => UsageError;

interface ParsedKey {
  readonly key: KeyObject;
  /** The `alg` of a JWK, which restricts the key to this algorithm. */
  readonly allowed?: readonly string[];
}

/** Returns the public key with its algorithm, unless it is an RSA key without one: then the key's URI decides. */
function membersOf({ key, allowed }: ParsedKey, fail: Failure): PublicKeyMembers {
  try {
    return importPublicKey(key.export({ type: "spki", format: "der" }), { allowed }).jwk;
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    if (error.code === "misconfigured") return key.export({ format: "jwk" }) as unknown as PublicKeyMembers;
    throw fail(error.message, error);
  }
}

function parsePublicKey(text: string, fail: Failure): ParsedKey {
  try {
    if (!text.trimStart().startsWith("{")) return { key: createPublicKey(text) };
    const jwk: { alg?: string } = JSON.parse(text);
    const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
    return jwk.alg === undefined ? { key } : { key, allowed: [jwk.alg] };
  } catch (cause) {
    const expected = "a public key or a certificate in PEM, or a JWK";
    throw fail(`the file must contain ${expected}, that Node ${process.versions.node} can read.`, cause);
  }
}

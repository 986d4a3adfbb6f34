/** Throw-away tokens: their directory, their configuration, and what this process has to know of them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSoftHsm, type InstallOptions, type SoftHsmLibrary } from "./availability.js";
import { makeTempDirectory, memoryDirectory, removeTempDirectory } from "./directory.js";
import { setEnvironment } from "./environment.js";
import { ownPrefix, removeLeftovers } from "./leftovers.js";
import { misconfigured } from "./misconfigured.js";
import { isLoaded, sharesEnvironment } from "./process-state.js";
import { type MadeToken, makeToken, SoftToken, type TokenPlace } from "./soft-token.js";
import { type PreparedToken, prepareToken, type TokenOptions } from "./token-options.js";

/** Options of {@link softHsm}. */
export interface SoftHsmOptions extends TokenOptions, InstallOptions {}

/** Whether a token of this process is in `SOFTHSM2_CONF`. */
let isClaimed = false;
/** Whether one ever was. The library in this process, if it is loaded, can then be initialised again. */
let wasClaimed = false;
let cleaning: Promise<void> | undefined;

/**
 * Makes a throw-away token in SoftHSM, with its own configuration and directory, which are removed by `close()`, when the
 * process ends, or, if it was killed, by the next process that makes a token.
 *
 * `SOFTHSM2_CONF` of this process names the configuration until the token is closed. If another token is open, or another
 * part of the program has loaded SoftHSM, it stays unchanged, and `isolate` of the result is `true`.
 *
 * @example
 * ```ts
 * await using hsm = await softHsm({ keys: [{ label: "dpop", algorithm: "ES256" }] });
 * await using signer = await openSigner(hsm.uri("dpop"), hsm.access);
 * ```
 * @throws {TokenUnavailable} If SoftHSM, or a package that calls it, can't be found or installed.
 * @throws {SignerError} With code `misconfigured` if an option is invalid.
 */
export async function softHsm(options: SoftHsmOptions = {}): Promise<SoftHsm> {
  const token = prepareToken(options);
  const library = await findSoftHsm(options);
  cleaning ??= removeLeftovers([tmpdir(), memoryDirectory() ?? tmpdir()]);
  await cleaning;
  return create(library, token);
}

/** Makes the directory and the token. Leaves nothing behind if that fails. */
async function create({ module, maker }: SoftHsmLibrary, token: PreparedToken): Promise<SoftHsm> {
  const directory = makeTempDirectory(ownPrefix(), process.env.TMPDIR ? tmpdir() : memoryDirectory());
  const configuration = join(directory, "softhsm2.conf");
  const isolate = !canClaim(module);
  const restore = isolate ? () => undefined : claim(configuration);
  const release = () => {
    restore();
    removeTempDirectory(directory);
  };
  try {
    writeConfiguration(directory, configuration);
    const place = { module, maker, directory, configuration, isolate };
    return new SoftHsm(place, { ...token, serial: await makeToken(place, token) }, release);
  } catch (error) {
    release();
    throw error;
  }
}

/** A throw-away token. Close what uses it first. */
export class SoftHsm extends SoftToken implements AsyncDisposable {
  /** The directory of the token's files, which only this user can read. */
  readonly directory: string;
  readonly #place: TokenPlace;
  readonly #release: () => void;

  /** @internal Use {@link softHsm}. */
  constructor(place: TokenPlace, token: MadeToken, release: () => void) {
    super(place, token);
    this.directory = place.directory;
    this.#place = place;
    this.#release = release;
  }

  /**
   * Makes one more token in the same directory. A library that is already in use finds it only after a restart. Hardproof
   * restarts it when a signer doesn't find its token.
   *
   * @throws {SignerError} With code `misconfigured` if an option is invalid.
   */
  async addToken(options: TokenOptions = {}): Promise<SoftToken> {
    const token = prepareToken(options);
    return new SoftToken(this.#place, { ...token, serial: await makeToken(this.#place, token) });
  }

  /** Removes the token, and restores `SOFTHSM2_CONF`. Further calls do nothing. */
  async close(): Promise<void> {
    this.#release();
  }

  /** Calls {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function canClaim(module: string): boolean {
  return !isClaimed && sharesEnvironment() && (wasClaimed || !isLoaded(module));
}

/** Sets `SOFTHSM2_CONF`, and returns a function that restores it. */
function claim(configuration: string): () => void {
  const restore = setEnvironment({ SOFTHSM2_CONF: configuration });
  isClaimed = true;
  wasClaimed = true;
  let isReleased = false;
  return () => {
    if (isReleased) return;
    isReleased = true;
    isClaimed = false;
    restore();
  };
}

/** A comment or another value would begin in the path, and tokens would be written elsewhere. */
const UNUSABLE_IN_PATH = /[#=\r\n]/;

function writeConfiguration(directory: string, file: string): void {
  const tokens = join(directory, "tokens");
  if (UNUSABLE_IN_PATH.test(tokens))
    throw misconfigured(`SoftHSM can't use ${directory}: set TMPDIR to a path without # and =.`);
  mkdirSync(tokens);
  const lines = [`directories.tokendir = ${tokens}`, "objectstore.backend = file", "log.level = ERROR"];
  writeFileSync(file, `${lines.join("\n")}\n`);
}

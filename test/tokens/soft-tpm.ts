/** Creates a throw-away software TPM 2.0 (swtpm and the resource manager tpm2-abrmd) with a tpm2-pkcs11 token. */
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { run } from "../../softhsm/command.js";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { setEnvironment } from "../../softhsm/environment.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { acceptsConnections, type Daemon, startDaemon } from "./daemon.js";
import { SOFT_TPM_DEPENDENCIES } from "./dependencies.js";
import { createToken } from "./pkcs11-tool.js";
import type { Token, TokenOptions } from "./token.js";

/** A throw-away TPM with one token. */
export interface SoftTpm extends Token {
  /** The value of `TPM2_PKCS11_STORE`. */
  readonly store: string;
  /** The value of `TPM2_PKCS11_TCTI`. */
  readonly tcti: string;
  /** Kills the TPM and its resource manager, which simulates a loss of power. */
  kill(): Promise<void>;
  /** Starts both again with the TPM's previous state. */
  restart(): Promise<void>;
}

/** The bus doesn't need a restrictive policy: only this user can access the directory of its socket. */
const busConfiguration = (socket: string) => `<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
`;

/**
 * Starts a TPM, creates a token with a P-256 key, and sets the environment of this process, which the library reads at
 * `C_Initialize`. A process can use only one software TPM, because GLib caches the first bus that it connects to.
 *
 * @throws {TokenUnavailable} If one of the programs can't be installed.
 */
export async function softTpm(options: TokenOptions): Promise<SoftTpm> {
  const paths = await ensureInstalled(SOFT_TPM_DEPENDENCIES, options);
  const directory = makeTempDirectory("hardproof-softtpm-");
  const store = join(directory, "store");
  const tcti = "tabrmd:bus_type=session";
  const bus = join(directory, "bus");
  // The TSS writes every failed command to standard error, and the tests provoke failures.
  const env = {
    TPM2_PKCS11_STORE: store,
    TPM2_PKCS11_TCTI: tcti,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${bus}`,
    TSS2_LOG: "all+none",
  };
  const restoreEnvironment = setEnvironment(env);
  const running: Daemon[] = [];
  const kill = async () => {
    for (const daemon of running.splice(0).reverse()) await daemon.kill();
  };
  const restart = async () => {
    running.push(await startTpm(paths.swtpm, directory));
    await resetLockout(join(directory, "tpm"));
    running.push(await startResourceManager(paths, directory, env));
  };
  let busDaemon: Daemon | undefined;
  const close = async () => {
    restoreEnvironment();
    await kill();
    await busDaemon?.kill();
    removeTempDirectory(directory);
  };
  try {
    mkdirSync(store);
    busDaemon = await startBus(paths["dbus-daemon"], directory, bus);
    await restart();
    const token = await createToken({ tool: paths["pkcs11-tool"], module: paths["tpm2-pkcs11"], env }, options);
    return { ...token, directory, store, tcti, kill, restart, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function startBus(path: string, directory: string, socket: string): Promise<Daemon> {
  const file = join(directory, "bus.conf");
  writeFileSync(file, busConfiguration(socket));
  return startDaemon(path, [`--config-file=${file}`, "--nofork"], {
    log: `${file}.log`,
    ready: () => acceptsConnections(socket),
  });
}

function startTpm(path: string, directory: string): Promise<Daemon> {
  const state = join(directory, "state");
  const socket = join(directory, "tpm");
  mkdirSync(state, { recursive: true });
  for (const stale of [socket, `${socket}.ctrl`]) rmSync(stale, { force: true });
  // The TCTI expects the control socket at the path of the server's socket with the suffix `.ctrl`.
  const sockets = ["--server", `type=unixio,path=${socket}`, "--ctrl", `type=unixio,path=${socket}.ctrl`];
  const args = ["socket", "--tpm2", "--tpmstate", `dir=${state}`, ...sockets, "--flags", "not-need-init,startup-clear"];
  return startDaemon(path, args, {
    log: `${socket}.log`,
    ready: async () => existsSync(`${socket}.ctrl`) && acceptsConnections(socket),
  });
}

/**
 * Sends TPM2_DictionaryAttackLockReset with the empty lockout password of a new TPM (TPM 2.0 Library, Part 3 §25.2). A
 * TPM counts a loss of power after a login as a wrong PIN, and is locked after the third.
 */
async function resetLockout(path: string): Promise<void> {
  const command = "80020000001b000001394000000a00000009400000090000000000";
  const socket = connect(path);
  socket.end(Buffer.from(command, "hex"));
  const [response] = await once(socket, "data");
  socket.destroy();
  const code = Buffer.from(response).readUInt32BE(6);
  if (code !== 0) throw new Error(`TPM2_DictionaryAttackLockReset failed: 0x${code.toString(16)}.`);
}

/** Without a resource manager, the TPM soon runs out of memory for objects, and serves only one program at a time. */
function startResourceManager(
  paths: Record<"tpm2-abrmd" | "pkcs11-tool" | "tpm2-pkcs11", string>,
  directory: string,
  env: Record<string, string>,
): Promise<Daemon> {
  const listsSlots = () =>
    run(paths["pkcs11-tool"], ["--module", paths["tpm2-pkcs11"], "--list-slots"], env).then(
      () => true,
      () => false,
    );
  // By default, one program may have 27 objects in the TPM. OpenSSL creates one for each public key.
  const args = ["--session", "--allow-root", "--max-transients=100", `--tcti=swtpm:path=${join(directory, "tpm")}`];
  return startDaemon(paths["tpm2-abrmd"], args, { env, log: join(directory, "abrmd.log"), ready: listsSlots });
}

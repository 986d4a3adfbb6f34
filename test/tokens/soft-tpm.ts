/** A throw-away TPM 2.0 without hardware: swtpm behind the resource manager tpm2-abrmd, with a tpm2-pkcs11 token. */
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { run } from "../../softhsm/command.js";
import { makeDirectory, removeDirectory } from "../../softhsm/directory.js";
import { pointProcessAt } from "../../softhsm/environment.js";
import { ensureParts } from "../../softhsm/install.js";
import { makeToken, type Token, type TokenOptions } from "../../softhsm/token.js";
import { accepts, type Daemon, startDaemon } from "./daemon.js";
import { SOFT_TPM_PARTS } from "./parts.js";

export interface SoftTpm extends Token {
  /** What tpm2-pkcs11 takes as `TPM2_PKCS11_STORE` and `TPM2_PKCS11_TCTI`. */
  readonly store: string;
  readonly tcti: string;
  /** Kills the TPM and its resource manager, as a loss of power would. */
  kill(): Promise<void>;
  /** Starts both again, with the TPM's state of before. */
  restart(): Promise<void>;
}

/** A bus without any policy: its socket is in a directory that only this user can enter. */
const busConfiguration = (socket: string) => `<busconfig>
  <type>session</type>
  <listen>unix:path=${socket}</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
`;

/**
 * Starts a TPM, makes a token with a P-256 key in it, and points this process at it. The library reads the variables at
 * `C_Initialize`, and GLib keeps the first bus of a process: one software TPM at a time.
 *
 * @throws TokenUnavailable where a part of it can't be had.
 */
export async function softTpm(options: TokenOptions): Promise<SoftTpm> {
  const parts = await ensureParts(SOFT_TPM_PARTS, options);
  const directory = makeDirectory("hardproof-softtpm-");
  const store = join(directory, "store");
  const tcti = "tabrmd:bus_type=session";
  const bus = join(directory, "bus");
  // The TSS writes every failed command to standard error; the tests make them fail on purpose.
  const env = {
    TPM2_PKCS11_STORE: store,
    TPM2_PKCS11_TCTI: tcti,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${bus}`,
    TSS2_LOG: "all+none",
  };
  const restoreEnvironment = pointProcessAt(env);
  const running: Daemon[] = [];
  const kill = async () => {
    for (const daemon of running.splice(0).reverse()) await daemon.kill();
  };
  const restart = async () => {
    running.push(await startTpm(parts.swtpm, directory));
    await resetLockout(join(directory, "tpm"));
    running.push(await startResourceManager(parts, directory, env));
  };
  let busDaemon: Daemon | undefined;
  const close = async () => {
    restoreEnvironment();
    await kill();
    await busDaemon?.kill();
    removeDirectory(directory);
  };
  try {
    mkdirSync(store);
    busDaemon = await startBus(parts["dbus-daemon"], directory, bus);
    await restart();
    const token = await makeToken({ tool: parts["pkcs11-tool"], module: parts["tpm2-pkcs11"], env }, options);
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
    ready: () => accepts(socket),
  });
}

function startTpm(path: string, directory: string): Promise<Daemon> {
  const state = join(directory, "state");
  const socket = join(directory, "tpm");
  mkdirSync(state, { recursive: true });
  for (const old of [socket, `${socket}.ctrl`]) rmSync(old, { force: true });
  // The TCTI wants the control socket beside the server's, under its name and `.ctrl`.
  const sockets = ["--server", `type=unixio,path=${socket}`, "--ctrl", `type=unixio,path=${socket}.ctrl`];
  const args = ["socket", "--tpm2", "--tpmstate", `dir=${state}`, ...sockets, "--flags", "not-need-init,startup-clear"];
  return startDaemon(path, args, {
    log: `${socket}.log`,
    ready: async () => existsSync(`${socket}.ctrl`) && accepts(socket),
  });
}

/**
 * A TPM counts a loss of power after a login as a wrong PIN, and the third one locks it. This is
 * TPM2_DictionaryAttackLockReset with the empty lockout password of a new TPM (TPM 2.0 Library, Part 3 §25.2).
 */
async function resetLockout(path: string): Promise<void> {
  const command = "80020000001b000001394000000a00000009400000090000000000";
  const socket = connect(path);
  socket.end(Buffer.from(command, "hex"));
  const [answer] = await once(socket, "data");
  socket.destroy();
  const code = Buffer.from(answer).readUInt32BE(6);
  if (code !== 0) throw new Error(`TPM2_DictionaryAttackLockReset failed: 0x${code.toString(16)}.`);
}

/** Without a resource manager the TPM soon has no room for another object, and serves one program at a time. */
function startResourceManager(
  parts: Record<"tpm2-abrmd" | "pkcs11-tool" | "tpm2-pkcs11", string>,
  directory: string,
  env: Record<string, string>,
): Promise<Daemon> {
  const answers = () =>
    run(parts["pkcs11-tool"], ["--module", parts["tpm2-pkcs11"], "--list-slots"], env).then(
      () => true,
      () => false,
    );
  const args = ["--session", "--allow-root", `--tcti=swtpm:path=${join(directory, "tpm")}`];
  return startDaemon(parts["tpm2-abrmd"], args, { env, log: join(directory, "abrmd.log"), ready: answers });
}

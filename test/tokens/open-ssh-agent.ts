/** OpenSSH's own agent, in a temporary directory. */
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../softhsm/command.js";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { acceptsConnections, type Daemon, startDaemon } from "./daemon.js";
import { SSH_AGENT_DEPENDENCIES } from "./dependencies.js";

/** A key for `ssh-keygen` and `ssh-add`. */
export interface NewKey {
  /** Default: `ecdsa`. */
  type?: "ecdsa" | "ed25519" | "rsa";
  bits?: number;
  comment: string;
  /** Further arguments of `ssh-add`, such as `-c`. */
  add?: readonly string[];
  /** Whether to add a certificate for the key, too. */
  certificate?: boolean;
}

/** A running agent. */
export interface OpenSshAgent extends AsyncDisposable {
  /** The path of its socket. */
  readonly socket: string;
  readonly directory: string;
  /** Creates a key in a file, and adds it. Returns its fingerprint and the path of the file. */
  addKey(key: NewKey): Promise<{ fingerprint: string; path: string }>;
  /** Runs `ssh-add`. `answer` is what the user types: a passphrase or a PIN. */
  sshAdd(args: readonly string[], answer?: string): Promise<string>;
  /** Sets what the agent's user answers to a confirmation: a script whose exit code is 0 confirms. */
  answerConfirmations(script: string): void;
  /** Ends the agent with SIGKILL. Its socket stays. */
  kill(): Promise<void>;
  /** Starts it again, on the same socket and without keys. */
  start(): Promise<void>;
}

/** Starts an agent. `env` is that of the agent, such as `SOFTHSM2_CONF`. */
export async function openSshAgent(env: Record<string, string> = {}): Promise<OpenSshAgent> {
  const programs = await ensureInstalled(SSH_AGENT_DEPENDENCIES);
  const directory = makeTempDirectory("hardproof-agent-");
  const socket = join(directory, "agent.sock");
  const [confirmation, answer] = [askpass(directory, "confirm"), askpass(directory, "answer")];
  let keys = 0;
  let daemon: Daemon | undefined;

  const start = async () => {
    rmSync(socket, { force: true });
    daemon = await startDaemon(programs["ssh-agent"], ["-D", "-a", socket], {
      env: { ...env, SSH_ASKPASS: confirmation, SSH_ASKPASS_REQUIRE: "force", DISPLAY: ":none" },
      log: join(directory, "log"),
      ready: () => acceptsConnections(socket),
    });
  };
  const kill = async () => daemon?.kill();
  const sshAdd = (args: readonly string[], text = "") => {
    writeScript(answer, `printf '%s\\n' '${text}'`);
    const ask = { SSH_ASKPASS: answer, SSH_ASKPASS_REQUIRE: "force" };
    return run(programs["ssh-add"], args, { ...env, ...ask, SSH_AUTH_SOCK: socket });
  };
  const addKey = async ({ type = "ecdsa", bits, comment, add = [], certificate }: NewKey) => {
    const path = join(directory, `key${keys++}`);
    const size = bits === undefined ? [] : ["-b", `${bits}`];
    await run(programs["ssh-keygen"], ["-q", "-t", type, ...size, "-N", "", "-C", comment, "-f", path]);
    if (certificate) await run(programs["ssh-keygen"], ["-q", "-s", path, "-I", "id", "-n", "user", `${path}.pub`]);
    await sshAdd(["-q", ...add, path]);
    const [, fingerprint = ""] = (await run(programs["ssh-keygen"], ["-l", "-f", path])).split(" ");
    return { fingerprint, path };
  };
  const close = async () => {
    await kill();
    removeTempDirectory(directory);
  };
  await start();
  return {
    socket,
    directory,
    addKey,
    sshAdd,
    answerConfirmations: (script) => writeScript(confirmation, script),
    kill,
    start,
    [Symbol.asyncDispose]: close,
  };
}

/** Creates the program that asks the user, which refuses until a test says otherwise. */
function askpass(directory: string, name: string): string {
  const path = join(directory, name);
  writeScript(path, "exit 1");
  return path;
}

function writeScript(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o700);
}

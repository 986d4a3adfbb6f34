/** Makes tokens and keys in a separate process, which is started once and ends with this process or thread. */
import { type ChildProcess, fork } from "node:child_process";
import { SignerError } from "../src/index.js";
import { TokenUnavailable } from "./install.js";
import { installedPackages, programPath } from "./installed-package.js";
import type { RequestMessage, Requests, ResponseMessage, Results } from "./protocol.js";

/** Milliseconds. An RSA key of 8192 bits can take most of a minute. */
const TIMEOUT = 120_000;

/** The processes, by the path of the library that each has loaded. */
const makers = new Map<string, Promise<Maker>>();

/**
 * Loads the library in a separate process, unless one has loaded it already.
 *
 * @throws {TokenUnavailable} If it can't be loaded, or neither graphene-pk11 nor koffi is installed.
 */
export function makerFor(module: string): Promise<Maker> {
  const current = makers.get(module) ?? startMaker(module);
  makers.set(module, current);
  current.catch(() => makers.delete(module));
  return current;
}

async function startMaker(module: string): Promise<Maker> {
  const packages = installedPackages();
  const maker = new Maker(() => makers.delete(module));
  try {
    await maker.run("load", { module, packages });
    return maker;
  } catch (cause) {
    maker.kill();
    throw new TokenUnavailable(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

interface Pending {
  resolve(response: ResponseMessage): void;
  reject(error: SignerError): void;
}

/** The separate process. */
export class Maker {
  readonly #child: ChildProcess;
  readonly #onEnd: () => void;
  readonly #pending = new Map<number, Pending>();
  #requests = 0;

  constructor(onEnd: () => void) {
    const program = programPath();
    const execArgv = program.endsWith(".ts") ? ["--import", "tsx"] : [];
    const stdio = ["ignore", "ignore", "ignore", "ipc"] as const;
    this.#onEnd = onEnd;
    this.#child = fork(program, [], { execArgv, serialization: "advanced", stdio: [...stdio] });
    this.#child.on("message", (response: ResponseMessage) => this.#settle(response));
    this.#child.on("error", (error) => this.#end(error.message));
    this.#child.once("exit", (code, signal) => this.#end(`it ended with ${signal ?? `exit code ${code}`}`));
    this.#keepAlive(false);
  }

  /** @throws {SignerError} With code `unexpected` and the library's return value, or `unavailable` if the process ended. */
  async run<Name extends keyof Requests>(name: Name, content: Requests[Name]): Promise<Results[Name]> {
    const timer = setTimeout(() => this.kill(), TIMEOUT);
    const response = await this.#send({ id: ++this.#requests, name, content }).finally(() => clearTimeout(timer));
    if (response.error !== undefined) throw new SignerError("unexpected", `SoftHSM: ${response.error}`);
    return response.result as Results[Name];
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #send(message: RequestMessage): Promise<ResponseMessage> {
    return new Promise((resolve, reject) => {
      this.#pending.set(message.id, { resolve, reject });
      this.#keepAlive(true);
      this.#child.send(message, (error) => {
        if (error) this.#end(error.message);
      });
    });
  }

  #settle(response: ResponseMessage): void {
    const pending = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (this.#pending.size === 0) this.#keepAlive(false);
    pending?.resolve(response);
  }

  #end(reason: string): void {
    this.#onEnd();
    this.#keepAlive(false);
    for (const { reject } of this.#pending.values())
      reject(new SignerError("unavailable", `The process that makes SoftHSM tokens failed: ${reason}.`));
    this.#pending.clear();
  }

  /** The process keeps this one alive only while it works. */
  #keepAlive(isWorking: boolean): void {
    const method = isWorking ? "ref" : "unref";
    for (const handle of [this.#child, this.#child.channel]) handle?.[method]?.(); // Bun's channel doesn't have them.
  }
}

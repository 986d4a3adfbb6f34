/** The two ways in which OpenSSL reaches a token, and why one is not available on this machine. */
import { inject } from "vitest";
import { ENGINE_DEPENDENCIES, type P11KitServer, p11KitServer, pkcs11ProviderPath } from "../tokens/index.js";
import { type Bank, bank, type TlsAlgorithm } from "./bank.js";
import { blocksUnder } from "./page.js";

/** The headings of the page. */
export const ENGINE = "By OpenSSL's engine";
export const PROVIDER = "By pkcs11-provider";

const provider = pkcs11ProviderPath();
const { engine: noEngine, "p11-kit": noKit } = inject("unavailable");
const noProvider = noKit ?? (provider ? undefined : "pkcs11-provider isn't installed: see CONTRIBUTING.md.");

/** Why a way is not available. `undefined` if it is. */
export const missing: Record<string, string | undefined> = { [ENGINE]: noEngine, [PROVIDER]: noProvider };

/** Wraps a token's library, as `pkcs11-spy` does. */
type Wrap = (module: string) => { module: string; env: Record<string, string> };

/** Options of {@link bankWith}. */
export interface BankOptions {
  wrap?: Wrap;
  /** Default: P-256. */
  algorithm?: TlsAlgorithm;
}

/** Starts a bank, and configures OpenSSL as the page says. SoftHSM can't be loaded by pkcs11-provider itself. */
export async function bankWith(heading: string, options: BankOptions = {}): Promise<Bank> {
  const { algorithm = "ES256", wrap = (module: string) => ({ module, env: {} }) } = options;
  const machine: Record<string, string> = {
    "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so": ENGINE_DEPENDENCIES.engine.find() ?? "",
    "/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so": provider ?? "",
  };
  const server = await bank(machine, algorithm);
  const { js: tls = "", ini } = blocksUnder(heading);
  const { module, env } = wrap(server.hsm.module);
  const kit: P11KitServer | undefined = ini
    ? await p11KitServer({ ...server.hsm, module, env: { ...server.hsm.env, ...env } })
    : undefined;
  machine["/usr/lib/vendor/libpkcs11.so"] = kit?.module ?? module;
  server.write("tls.js", tls);
  if (ini) server.write("openssl.cnf", ini);
  const close = async () => {
    await kit?.close();
    await server.close();
  };
  return {
    ...server,
    run: (command, more) => server.run(command, { ...env, ...more }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Runs a program by the command of the page. */
export async function runProgram(server: Bank, heading: string, ...program: [code: string, client?: "dpop-agent"]) {
  server.write("agent.js", ...program);
  const { output, code } = await server.run(blocksUnder(heading).sh ?? "");
  return { code, output: output.replaceAll("bad engine id\n", "") };
}

/** The servers and keys that the programs of the matrix use, and how they are told of them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { softHsm } from "hardproof/softhsm";
import { awsKmsEmulator, faultyPkcs11, gcpKmsEmulator, testServer } from "hardproof/testing";
import { disposable } from "../interop/disposable.js";

/** Milliseconds that the token needs for a signature. The event loop of a program must run during this time. */
const SIGNATURE = 200;

/** What the programs of the matrix use. It runs in this process. */
export interface Setting {
  /** Returns the environment variables of a program that makes these checks. */
  environment(checks: readonly string[]): Record<string, string>;
  /** The URI of a key on the token. */
  readonly pkcs11: string;
  /** Returns how many wrong PINs the token has received so far. */
  wrongPins(): number;
}

/** Starts it. */
export function startSetting(): Promise<Setting & AsyncDisposable> {
  return disposable(async (onStop) => {
    const server = await testServer();
    onStop(server.close);
    const hsm = await softHsm();
    onStop(() => hsm.close());
    const library = faultyPkcs11(hsm.module);
    onStop(library.close);
    library.order({ on: "C_Sign", act: { delay: SIGNATURE } });
    const pkcs11 = hsm.uri().replace(/module-path=[^&]+/, `module-path=${library.module}`);
    const wrongPinFile = join(hsm.directory, "wrong-pin");
    writeFileSync(wrongPinFile, "000000", { mode: 0o600 });
    const kms = await awsKmsEmulator();
    onStop(kms.close);
    const google = await gcpKmsEmulator();
    onStop(google.close);
    const { issuer, client, resource } = server;
    const setup = {
      issuer,
      client,
      resource,
      pkcs11,
      wrongPin: pkcs11.replace(/pin-source=[^&]+/, `pin-source=${wrongPinFile}`),
      aws: `awskms:///${kms.keys.add().arn}`,
      google: `gcpkms://${google.store.addKey({ id: "agent" }).fields.name}/cryptoKeyVersions/1?endpoint=${google.endpoint}`,
    };
    return {
      pkcs11,
      environment: (checks) => ({
        ...hsm.env,
        ...shimEnvironment(),
        ...kms.environment,
        CHECK: JSON.stringify({ ...setup, checks }),
      }),
      wrongPins: () => library.wrongPins(),
    };
  });
}

/** What tells the library with faults its orders. */
function shimEnvironment(): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) => name.startsWith("HARDPROOF_SHIM_"));
  return Object.fromEntries(own) as Record<string, string>;
}

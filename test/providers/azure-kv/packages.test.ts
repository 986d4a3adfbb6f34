/** The two packages of Azure, in the published package: each is loaded only by what needs it. */
import { afterAll, describe, expect, inject, it } from "vitest";
import { azureKeyVaultEmulator } from "../../../testing/emulators/azure-kv.js";
import { installTarball } from "../../tarball.js";

const kv = await azureKeyVaultEmulator();
const withoutIdentity = installTarball(inject("tarball"), ["@azure/keyvault-keys"]);
afterAll(async () => {
  withoutIdentity.remove();
  await kv.close();
});

/** Runs in another process, so that the emulator answers in this one. */
const script = (statement: string) => `
  import { AzureKeyVaultSigner } from "hardproof/azure-kv";
  const ${statement};`;

describe("without @azure/identity", () => {
  const { kid } = kv.vault.add();

  it("the default credential names the package", () => {
    const printed = withoutIdentity.run(
      script(`error = await new AzureKeyVaultSigner("${kid}").publicJwk().catch((error) => error);
        console.log(error.code, error.message)`),
    );
    expect(printed).toMatch(/^misconfigured azurekms:.*Install it beside hardproof: npm install @azure\/identity/);
  });

  it("another credential doesn't need it", () => {
    const error = withoutIdentity.run(
      script(`credential = { getToken: async () => { throw new Error("My own credential.") } };
        const error = await new AzureKeyVaultSigner("https://127.0.0.1:9/keys/dpop", { credential, timeout: 2000 })
          .publicJwk().catch((error) => error);
        console.log(error.code, error.message)`),
    );
    expect(error).toMatch(/^unavailable azurekms:\/\/127\.0\.0\.1:9\/dpop: ECONNREFUSED from GetKey/);
  });
});

/** What happens on a machine that lacks SoftHSM, or the package that calls it. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { softHsm, softHsmSkipReason, TokenUnavailable } from "hardproof/softhsm";
import { afterEach, describe, expect, inject, it, vi } from "vitest";
import { SOFTHSM_DEPENDENCIES } from "../../softhsm/dependencies.js";
import { type InstalledPackage, installTarball } from "../tarball.js";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Hides SoftHSM from this process. */
function hideSoftHsm(): void {
  vi.spyOn(SOFTHSM_DEPENDENCIES.softhsm, "find").mockReturnValue(undefined);
}

describe("softHsmSkipReason()", () => {
  it("returns undefined if tokens can be made", async () => {
    expect(await softHsmSkipReason({ install: false })).toBeUndefined();
    vi.stubEnv("HARDPROOF_SOFTHSM", "require");
    expect(await softHsmSkipReason({ install: false })).toBeUndefined();
  });

  it("returns what is missing and the command that installs it, and installs nothing", async () => {
    hideSoftHsm();
    const log = vi.fn();
    for (const value of [undefined, "", "skip"]) {
      vi.stubEnv("HARDPROOF_SOFTHSM", value);
      expect(await softHsmSkipReason({ install: false, log })).toMatch(/^Not installed: SoftHSM 2\. Run: .*softhsm/);
    }
    expect(log).not.toHaveBeenCalled();
  });

  it("throws instead with HARDPROOF_SOFTHSM=require", async () => {
    hideSoftHsm();
    vi.stubEnv("HARDPROOF_SOFTHSM", "require");
    const error = await softHsmSkipReason({ install: false }).catch((reason) => reason);
    expect(error).toBeInstanceOf(TokenUnavailable);
    expect(error).toMatchObject({ name: "TokenUnavailable", code: "unavailable", command: expect.any(String) });
  });

  it("rejects another value of HARDPROOF_SOFTHSM", async () => {
    vi.stubEnv("HARDPROOF_SOFTHSM", "required");
    await expect(softHsmSkipReason()).rejects.toMatchObject({
      code: "misconfigured",
      message: "HARDPROOF_SOFTHSM must be require or skip, but is required.",
    });
  });

  it("returns the loader's reason for a library that can't be loaded, and softHsm() throws it", async () => {
    vi.stubEnv("SOFTHSM2_MODULE", "/etc/hostname");
    expect(await softHsmSkipReason()).toMatch(/\/etc\/hostname can't be loaded by graphene-pk11: .*; by koffi: /);
    await expect(softHsm()).rejects.toBeInstanceOf(TokenUnavailable);
  });
});

describe("the installed package", () => {
  const script = `
    import { openSigner } from "hardproof";
    import { softHsm, softHsmSkipReason } from "hardproof/softhsm";
    const skip = await softHsmSkipReason({ install: false });
    if (skip) console.log(skip);
    else {
      const algorithms = ["ES256", "Ed25519", "PS256"];
      const { privateKey } = (await import("node:crypto")).generateKeyPairSync("ec", { namedCurve: "P-521" });
      const keys = [...algorithms.map((algorithm) => ({ label: algorithm, algorithm })), { label: "imported", privateKey }];
      const hsm = await softHsm({ label: "installed ü", keys });
      for (const { label } of keys) {
        const signer = await openSigner(hsm.uri(label), hsm.access);
        console.log((await signer.sign(Buffer.from("x"))).length);
        await signer.close();
      }
      await hsm.deleteKey("imported");
      await hsm.close();
    }`;
  const run = (installed: InstalledPackage): string => {
    const directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
    const printed = installed.run(script, { TMPDIR: directory, HARDPROOF_SOFTHSM_PROGRAM: "" });
    installed.remove();
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
    return printed;
  };

  it.each(["koffi", "graphene-pk11"])("makes keys and signs with %s alone", (peer) => {
    expect(run(installTarball(inject("tarball"), [peer]))).toBe("64\n64\n256\n132\n");
  });

  it("names the package to install if neither is installed", () => {
    expect(run(installTarball(inject("tarball")))).toMatch(/npm install --save-dev koffi\n$/);
  });
});

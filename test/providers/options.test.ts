/** What callers in JavaScript may pass to the constructors of the key stores: it never causes a raw TypeError. */
import { HardproofError, KeySigner, type KeySource } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { FileSigner } from "hardproof/file";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { SshAgentSigner } from "hardproof/ssh-agent";
import { TpmSigner } from "hardproof/tpm";
import { VaultSigner } from "hardproof/vault";
import { describe, expect, it } from "vitest";

// biome-ignore lint/suspicious/noExplicitAny: what a caller in JavaScript may pass
type Anything = any;

const gcpKey = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
const source = { uri: "x:", provider: "x", open: () => Promise.reject(new Error("not opened")) } as KeySource;
const calls: Readonly<Record<string, (value: Anything) => unknown>> = {
  "a name for KmsSigner": (value) => new KmsSigner(value),
  "options of KmsSigner": (value) => new KmsSigner("alias/agent", value),
  "a name for GcpKmsSigner": (value) => new GcpKmsSigner(value),
  "options of GcpKmsSigner": (value) => new GcpKmsSigner(gcpKey, value),
  "options of Pkcs11Signer": (value) => new Pkcs11Signer(value),
  "a key for SshAgentSigner": (value) => new SshAgentSigner(value),
  "a comment for SshAgentSigner": (value) => new SshAgentSigner({ comment: value }),
  "options of SshAgentSigner": (value) => new SshAgentSigner({ comment: "agent" }, value),
  "a socket for SshAgentSigner": (value) => new SshAgentSigner({ comment: "agent" }, { socket: value }),
  "options of TpmSigner": (value) => new TpmSigner(value),
  "a name for VaultSigner": (value) => new VaultSigner(value),
  "options of VaultSigner": (value) => new VaultSigner("dpop", value),
  "a login for VaultSigner": (value) => new VaultSigner("dpop", { appRole: value, address: "https://vault.example" }),
  "a path for FileSigner": (value) => new FileSigner(value),
  "options of MemorySigner.generate": (value) => MemorySigner.generate(value),
  "a JWK for MemorySigner": (value) => MemorySigner.fromJwk(value),
  "options of a JWK for MemorySigner": (value) => MemorySigner.fromJwk({} as Anything, value),
  "PEM for MemorySigner": (value) => MemorySigner.fromPem(value),
  "options of KeySigner": (value) => new KeySigner(source, value),
};

describe.each(Object.keys(calls))("%s", (name) => {
  it.each([null, 0, 7, "", "x", true, [], [null]])("that are %j cause no error of another class", (value) => {
    const call = calls[name] ?? expect.unreachable();
    try {
      call(value);
    } catch (error) {
      expect(error).toBeInstanceOf(HardproofError);
    }
  });
});

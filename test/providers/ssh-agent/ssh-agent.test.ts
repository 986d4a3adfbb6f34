/** SshAgentSigner with OpenSSH's own agent: what the agent's user does, what happens to its keys, and a SoftHSM behind it. */
import { generateKeyPairSync } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  createKey,
  DPoPProver,
  diagnoseKey,
  type Finding,
  listKeys,
  openSigner,
  type SignerError,
  verifySignature,
  type WaitingTrace,
} from "hardproof";
import { softHsm } from "hardproof/softhsm";
import { SshAgentSigner } from "hardproof/ssh-agent";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { run } from "../../src/cli/run.js";
import { agentProxy } from "../../tokens/agent-proxy.js";
import { type OpenSshAgent, openSshAgent } from "../../tokens/index.js";
import { isSignedBy } from "../verify-jws.js";

const unavailable = inject("unavailable")["ssh-agent"];
const data = Buffer.from("data to sign");

const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const findingsOf = async (uri: string) => {
  const findings: Finding[] = [];
  for await (const finding of diagnoseKey(uri)) findings.push(finding);
  return findings;
};

describe.skipIf(unavailable)(`OpenSSH's agent${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
  let agent: OpenSshAgent;
  beforeAll(async () => {
    agent = await openSshAgent();
  });
  afterAll(() => agent[Symbol.asyncDispose]());
  const at = (key: string, more = "") => `ssh-agent:${key}socket=${agent.socket}${more}`;
  const open = (comment: string) => new SshAgentSigner({ comment }, { socket: agent.socket });

  describe("by URI", () => {
    it("opens a key by its fingerprint, raw or percent-encoded, and by its comment", async () => {
      const { fingerprint } = await agent.addKey({ comment: "by URI @work" });
      const keys = [fingerprint, encodeURIComponent(fingerprint)].map((key) => at(`${key}?`));
      for (const uri of [...keys, at("?comment=by%20URI%20@work&")]) {
        await using signer = await openSigner(uri);
        const prover = await DPoPProver.create(signer);
        const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
        expect(isSignedBy(proof, await signer.publicJwk(), "ES256")).toBe(true);
        expect(await signer.describe()).toMatchObject({
          provider: "ssh-agent",
          protection: "unknown",
          exportable: "unknown",
          evidence: { type: "ecdsa-sha2-nistp256", fingerprint, comment: "by URI @work", socket: agent.socket },
        });
      }
    });

    it("lists each key that can sign, and each algorithm of an RSA key", async () => {
      await using other = await openSshAgent();
      const ec = await other.addKey({ comment: "ec", certificate: true });
      const rsa = await other.addKey({ comment: "rsa", type: "rsa", bits: 2048 });
      await other.addKey({ comment: "short", type: "rsa", bits: 1024 });
      const store = `ssh-agent:?socket=${other.socket}`;
      const ecUri = `ssh-agent:${ec.fingerprint}?socket=${other.socket}`;
      const rsaUri = `ssh-agent:${rsa.fingerprint}?socket=${other.socket}`;
      expect(await listKeys(store)).toEqual([ecUri, `${rsaUri}&algorithm=RS256`, `${rsaUri}&algorithm=RS512`]);
      expect(await listKeys(`${store}&algorithm=RS512`)).toEqual([`${rsaUri}&algorithm=RS512`]);
      expect(await listKeys("ssh-agent:", { socket: other.socket, algorithm: "ES256" })).toEqual([ecUri]);
      expect(await listKeys(`${store}&comment=ec`)).toEqual([ecUri]);
      for (const uri of await listKeys(store)) {
        await using signer = await openSigner(uri);
        expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
      }
      expect((await run(["keys", store])).out.trim().split("\n")).toEqual(await listKeys(store));
    });

    it("doesn't create a key, and says how to", async () => {
      const message = expect.stringMatching(/ssh-keygen -t ecdsa .* ssh-add/);
      expect(await errorOf(createKey("ssh-agent:"))).toMatchObject({ code: "misconfigured", message });
    });
  });

  describe("a key", () => {
    it("with the comment of another one is ambiguous, and the error names their fingerprints", async () => {
      const keys = [await agent.addKey({ comment: "twins" }), await agent.addKey({ comment: "twins" })];
      const error = await errorOf(open("twins").publicJwk());
      expect(error).toMatchObject({ code: "ambiguous-key" });
      for (const { fingerprint } of keys) expect(error.message).toContain(fingerprint);
    });

    it("is found by a comment that it shares with its certificate", async () => {
      const { fingerprint } = await agent.addKey({ comment: "certified", certificate: true });
      await using signer = open("certified");
      expect(await signer.describe()).toMatchObject({ evidence: { fingerprint, type: "ecdsa-sha2-nistp256" } });
    });

    it("that the agent doesn't list is not found", async () => {
      const absent = `SHA256:${"A".repeat(43)}`;
      const error = await errorOf(new SshAgentSigner(absent, { socket: agent.socket }).publicJwk());
      expect(error).toMatchObject({ code: "key-not-found", message: expect.stringMatching(/among the \d+ that/) });
    });

    it("that is an RSA key needs an algorithm, of at least 2,048 bits", async () => {
      await agent.addKey({ comment: "rsa", type: "rsa", bits: 2048 });
      await agent.addKey({ comment: "short", type: "rsa", bits: 1024 });
      const error = await errorOf(open("rsa").publicJwk());
      expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(/one of RS256, RS512/) });
      const pss = new SshAgentSigner({ comment: "rsa" }, { socket: agent.socket, algorithm: "PS256" });
      expect(await errorOf(pss.publicJwk())).toMatchObject({ code: "wrong-key" });
      const short = new SshAgentSigner({ comment: "short" }, { socket: agent.socket, algorithm: "RS256" });
      expect(await errorOf(short.publicJwk())).toMatchObject({ code: "wrong-key" });
    });

    it("must be the option publicKey, if that is set", async () => {
      await agent.addKey({ comment: "pinned" });
      const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
      await using wrong = new SshAgentSigner({ comment: "pinned" }, { socket: agent.socket, publicKey: other });
      expect(await errorOf(wrong.publicJwk())).toMatchObject({ code: "wrong-key" });
      const publicKey = await open("pinned").publicJwk();
      await using right = new SshAgentSigner({ comment: "pinned" }, { socket: agent.socket, publicKey });
      expect(verifySignature(publicKey, data, await right.sign(data))).toBe(true);
    });

    it("that was removed is not found by the next signature, and can be used when it is added again", async () => {
      const { path } = await agent.addKey({ comment: "removed" });
      await using signer = open("removed");
      await signer.sign(data);
      await agent.sshAdd(["-q", "-d", path]);
      expect(await errorOf(signer.sign(data))).toMatchObject({ code: "key-not-found" });
      expect(await errorOf(signer.describe())).toMatchObject({ code: "key-not-found" });
      await agent.sshAdd(["-q", path]);
      expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    });

    it("that is restricted to destinations is refused, and the error names the restriction", async () => {
      await agent.addKey({ comment: "restricted", add: ["-H", await knownHosts(agent), "-h", "host.example"] });
      await using signer = open("restricted");
      const error = await errorOf(signer.sign(data));
      expect(error).toMatchObject({ code: "access-denied", message: expect.stringMatching(/ssh-add -h/) });
    });
  });

  describe("its user", () => {
    it("may refuse a signature, which isn't requested again, and confirm the next one", async () => {
      await agent.addKey({ comment: "confirmed", add: ["-c"] });
      await using proxy = await agentProxy(agent.socket);
      await using signer = new SshAgentSigner({ comment: "confirmed" }, { socket: proxy.socket });
      agent.answerConfirmations("exit 1");
      const error = await errorOf(signer.sign(data));
      expect(error).toMatchObject({ code: "access-denied", retryable: false });
      expect(error.message).toContain("SSH_ASKPASS");
      expect(proxy.count("sign")).toBe(1);
      agent.answerConfirmations("exit 0");
      expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    });

    it("is waited for, and the program is told so", async () => {
      await agent.addKey({ comment: "awaited", add: ["-c"] });
      await using signer = open("awaited");
      const confirm = waitsForFile(agent);
      const notices: unknown[] = [];
      const onWaiting = (message: unknown) => {
        notices.push((message as WaitingTrace).uri);
        confirm();
      };
      subscribe("hardproof.waiting", onWaiting);
      try {
        expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
      } finally {
        unsubscribe("hardproof.waiting", onWaiting);
      }
      expect(notices).toEqual([signer.uri]);
    });

    it("is told by the command that it waits", async () => {
      await agent.addKey({ comment: "by command", add: ["-c"] });
      const confirm = waitsForFile(agent);
      const onError = (text: string) => {
        if (text.includes("Waiting for the key store.")) confirm();
      };
      const args = ["proof", at("?comment=by%20command&"), "GET", "https://api.example.com/", "--json"];
      const { code, out, err } = await run(args, { onError });
      expect(code).toBe(0);
      expect(JSON.parse(out).proof.split(".")).toHaveLength(3);
      expect(err).toBe(
        `Waiting for the key store. If it asks you to confirm, do so there: ${at("?comment=by%20command&")}\n`,
      );
    });
  });

  describe("locked, killed or restarted", () => {
    it("has no keys while it is locked, and signs when it is unlocked", async () => {
      await using other = await openSshAgent();
      await other.addKey({ comment: "locked" });
      await using signer = new SshAgentSigner({ comment: "locked" }, { socket: other.socket });
      await signer.sign(data);
      await other.sshAdd(["-q", "-x"], "passphrase");
      const locked = { code: "key-not-found", message: expect.stringMatching(/doesn't list any key.*ssh-add -X/) };
      expect(await errorOf(signer.sign(data))).toMatchObject(locked);
      await using second = new SshAgentSigner({ comment: "locked" }, { socket: other.socket });
      expect(await errorOf(second.publicJwk())).toMatchObject(locked);
      await other.sshAdd(["-q", "-X"], "passphrase");
      for (const each of [signer, second])
        expect(verifySignature(await each.publicJwk(), data, await each.sign(data))).toBe(true);
    });

    it("is found again at the next signature when it was killed and started again", async () => {
      await using other = await openSshAgent();
      const { path } = await other.addKey({ comment: "restarted" });
      await using signer = new SshAgentSigner({ comment: "restarted" }, { socket: other.socket });
      await signer.sign(data);
      await other.kill();
      const message = expect.stringMatching(/ECONNREFUSED\)\. The agent that created it has ended/);
      expect(await errorOf(signer.sign(data))).toMatchObject({ code: "unavailable", retryable: true, message });
      await other.start();
      expect(await errorOf(signer.sign(data))).toMatchObject({ code: "key-not-found" });
      await other.sshAdd(["-q", path]);
      expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    });
  });

  describe("a PKCS#11 token behind it", () => {
    it("signs by ECDSA and RSA, and the PIN appears nowhere", async () => {
      const keys = [
        { label: "dpop" },
        { label: "p384", algorithm: "ES384" },
        { label: "rsa", algorithm: "RS256" },
      ] as const;
      await using hsm = await softHsm({ label: "agents", keys });
      await using other = await openSshAgent(hsm.env);
      await other.sshAdd(["-s", hsm.module], hsm.pin);
      const uris = await listKeys(`ssh-agent:?socket=${other.socket}`);
      const seen: unknown[] = [];
      for (const uri of uris) {
        await using signer = await openSigner(uri);
        const { alg } = await signer.publicJwk();
        for (const text of ["one", "two", "three"]) {
          const message = Buffer.from(text);
          expect(verifySignature(await signer.publicJwk(), message, await signer.sign(message))).toBe(true);
        }
        const { evidence, protection } = await signer.describe();
        seen.push([alg, protection, evidence.comment]);
        expect(inspect([signer, evidence], { depth: null, showHidden: true })).not.toContain(hsm.pin);
      }
      expect(seen.sort()).toEqual([
        ["ES256", "unknown", "dpop"],
        ["ES384", "unknown", "p384"],
        ["RS256", "unknown", "rsa"],
        ["RS512", "unknown", "rsa"],
      ]);
    });
  });

  describe("hardproof doctor", () => {
    it("finds the socket, the agent and the key", async () => {
      await agent.addKey({ comment: "healthy" });
      const { code, out } = await run(["doctor", at("?comment=healthy&")]);
      expect(out).toContain(`✓ socket         ${agent.socket}`);
      expect(out).toMatch(/✓ agent +responds, and lists \d+ keys/);
      expect(out).toMatch(/✓ key's type +ecdsa-sha2-nistp256, comment "healthy"/);
      expect(out).toMatch(/✓ signature +created and verified/);
      expect(code).toBe(0);
    });

    it("says what is wrong: no socket, no agent, no keys, no such key", async () => {
      await using empty = await openSshAgent();
      expect(await findingsOf(`ssh-agent:?comment=x&socket=${empty.socket}`)).toMatchObject([
        { check: "socket", ok: true },
        { check: "agent", ok: false, remedy: expect.stringContaining("ssh-add") },
      ]);
      await empty.kill();
      const failing = [`ssh-agent:?comment=x&socket=${empty.socket}`, at("?comment=no%20such%20key&")];
      for (const uri of failing) {
        const { code, out } = await run(["doctor", uri]);
        expect([code, out]).toEqual([1, expect.stringMatching(/✗ store +(unavailable|key-not-found)\n/)]);
      }
    });
  });
});

/** Makes the agent's user confirm when the returned function is called. The agent doesn't respond to anybody until then. */
function waitsForFile(agent: OpenSshAgent): () => void {
  const file = join(agent.directory, "confirmed");
  rmSync(file, { force: true });
  agent.answerConfirmations(`until [ -e '${file}' ]; do sleep 0.1; done`);
  return () => writeFileSync(file, "");
}

/** Creates a file with the key of a host, which `ssh-add -h` needs. */
async function knownHosts(agent: OpenSshAgent): Promise<string> {
  const { path } = await agent.addKey({ comment: "host" });
  const file = join(agent.directory, "known_hosts");
  writeFileSync(file, `host.example ${readFileSync(`${path}.pub`, "utf8")}`);
  return file;
}

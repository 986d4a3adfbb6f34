/** The conformance kit for SshAgentSigner, with a key of OpenSSH's agent for each algorithm, behind a proxy. */
import { type AlgorithmName, type KeySignerOptions, listKeys } from "hardproof";
import { conformance, type Fixture } from "hardproof/conformance";
import { softHsm } from "hardproof/softhsm";
import { SshAgentSigner } from "hardproof/ssh-agent";
import { afterAll, afterEach, describe, inject, it } from "vitest";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { agentProxy } from "../../tokens/agent-proxy.js";
import { type NewKey, openSshAgent } from "../../tokens/index.js";

const unavailable = inject("unavailable")["ssh-agent"];

const KEYS: Readonly<Partial<Record<AlgorithmName, Omit<NewKey, "comment">>>> = {
  ES256: { type: "ecdsa", bits: 256 },
  ES384: { type: "ecdsa", bits: 384 },
  ES512: { type: "ecdsa", bits: 521 },
  Ed25519: { type: "ed25519" },
  RS256: { type: "rsa", bits: 2048 },
  RS512: { type: "rsa", bits: 3072 },
};
/** Bytes of the public keys, which are a part of each request. */
const PUBLIC_KEY_BYTES: Readonly<Partial<Record<AlgorithmName, number>>> = {
  ES256: 104,
  ES384: 136,
  ES512: 172,
  Ed25519: 51,
  RS256: 279,
  RS512: 407,
};

describe.skipIf(unavailable)(`the conformance kit${unavailable ? ` (skipped. ${unavailable})` : ""}`, async () => {
  if (unavailable) return it("runs on an agent");
  const hsm = await softHsm({ label: "agents" });
  const agent = await openSshAgent(hsm.env);
  const proxy = await agentProxy(agent.socket);
  for (const algorithm of testedAlgorithms("ssh-agent")) await agent.addKey({ ...KEYS[algorithm], comment: algorithm });
  await agent.sshAdd(["-s", hsm.module], hsm.pin);
  afterEach(() => proxy.clear());
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
    await hsm.close();
  });

  const runKit = (algorithm: AlgorithmName, key: string, fixture: Pick<Fixture, "secrets" | "signatures">) => {
    const open = (options: KeySignerOptions = {}, comment = key) =>
      new SshAgentSigner({ comment }, { socket: proxy.socket, algorithm, ...options });
    const wrong = algorithm === "ES384" ? { key: "ES256", found: "P-256" } : { key: "ES384", found: "P-384" };
    const cases = conformance({
      open: () => open(),
      connections: () => proxy.count("list"),
      wrongKey: { open: () => open({}, wrong.key), found: wrong.found },
      failsFirst: () => {
        proxy.next("list", "close");
        return open();
      },
      hanging: (options) => {
        proxy.always("sign", "hang");
        return open(options);
      },
      slow: {
        opening: (options) => {
          proxy.next("list", "slow");
          const signer = open(options);
          return signer.publicJwk().finally(() => signer.close());
        },
        describing: async (options) => {
          const signer = open(options);
          await signer.publicJwk();
          proxy.next("list", "slow");
          return signer.describe().finally(() => signer.close());
        },
        listing: (options) => {
          proxy.next("list", "slow");
          return listKeys(`ssh-agent:?socket=${proxy.socket}`, { ...options });
        },
      },
      maxMessageBytes: 262_144 - 13 - (PUBLIC_KEY_BYTES[algorithm] ?? 0),
      ...fixture,
    });
    for (const { name, run, notApplicable } of cases)
      it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
  };

  describe.each(testedAlgorithms("ssh-agent"))("for %s", (algorithm) =>
    runKit(algorithm, algorithm, { signatures: 200, secrets: "A key in a file without a passphrase needs no secret." }),
  );
  describe("for a key on a SoftHSM token behind the agent", () =>
    runKit("ES256", hsm.key.label, { signatures: 50, secrets: [hsm.pin] }));
});

/** How SshAgentSigner handles each fault in the responses of an agent, and each fault of its socket. */
import { generateKeyPairSync, sign } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { inspect } from "node:util";
import { type SignerError, verifySignature } from "hardproof";
import { type SshAgentKey, SshAgentSigner, type SshAgentSignerOptions } from "hardproof/ssh-agent";
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { type AgentFault, type AgentProxy, agentProxy } from "../../tokens/agent-proxy.js";
import { type OpenSshAgent, openSshAgent } from "../../tokens/index.js";
import { ED25519_KEY, listResponse, mpint, signResponse, string, uint32 } from "./messages.js";

const unavailable = inject("unavailable")["ssh-agent"];
const data = Buffer.from("data to sign");
const ECDSA = "ecdsa-sha2-nistp256";
const KEY = { comment: "dpop" };

const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe.skipIf(unavailable)(`faults${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
  let agent: OpenSshAgent;
  let proxy: AgentProxy;
  beforeAll(async () => {
    agent = await openSshAgent();
    await agent.addKey(KEY);
    await agent.addKey({ type: "rsa", bits: 2048, comment: "rsa" });
    proxy = await agentProxy(agent.socket);
  });
  afterEach(() => proxy.clear());
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await agent[Symbol.asyncDispose]();
  });

  const open = (options: SshAgentSignerOptions = {}, key: SshAgentKey = KEY) =>
    new SshAgentSigner(key, { socket: proxy.socket, ...options });

  /** Returns the error of a signature. Checks that it was requested once, and that the signer stays usable. */
  const signWith = async (fault: AgentFault, key: SshAgentKey = KEY, options: SshAgentSignerOptions = {}) => {
    await using signer = open(options, key);
    await signer.publicJwk();
    proxy.next("sign", fault);
    const error = await errorOf(signer.sign(data));
    expect(proxy.count("sign")).toBe(1);
    expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    return error;
  };
  const listWith = async (fault: AgentFault) => {
    await using signer = open();
    proxy.next("list", fault);
    return errorOf(signer.publicJwk());
  };

  it("aren't provoked by concurrent signatures: each is one request, one at a time", async () => {
    await using signer = open();
    await Promise.all(Array.from({ length: 20 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
    expect([proxy.count("list"), proxy.count("sign"), proxy.mostInFlight]).toEqual([1, 20, 1]);
  });

  describe("a response", () => {
    it.each<[string, AgentFault, string, RegExp]>([
      ["that is missing", "close", "unavailable", /closed the connection before its response was complete/],
      ["without bytes", uint32(0), "integrity", /1 to 262144 bytes, but the agent announced one of 0/],
      ["that ends in its length", Buffer.of(0, 0), "unavailable", /before its response was complete/],
      ["that ends early", (bytes) => bytes.subarray(0, -1), "unavailable", /before its response was complete/],
      ["that announces 4 GiB", uint32(0xffff_ffff), "integrity", /announced one of 4294967295 bytes/],
      ["that announces a byte too many", uint32(262_145), "integrity", /announced one of 262145 bytes/],
      ["with a byte too many", (bytes) => Buffer.concat([bytes, Buffer.of(0)]), "integrity", /more bytes than/],
      ["in HTTP", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), "integrity", /announced one of 1213486160 bytes/],
      ["of another type", string(Buffer.of(6)), "integrity", /type 6 instead of 1[24]/],
    ])("%s is an error, for a signature and for the list of keys", async (_, fault, code, message) => {
      expect(await signWith(fault)).toMatchObject({ code, message: expect.stringMatching(message) });
      proxy.clear();
      expect(await listWith(fault)).toMatchObject({ code, message: expect.stringMatching(message) });
    });

    it.each([
      ["without a count", string(Buffer.of(12)), /a value of 4 bytes where 0 are left/],
      ["with fewer keys than it says", string(Buffer.of(12), uint32(2)), /a value of 4 bytes where 0 are left/],
      ["with 4 billion keys", string(Buffer.of(12), uint32(0xffff_ffff)), /a value of 4 bytes where 0 are left/],
      ["with a key that is too long", string(Buffer.of(12), uint32(1), uint32(9)), /a value of 9 bytes where 0 are/],
      ["with more than it says", string(Buffer.of(12), uint32(0), uint32(0)), /4 bytes too many/],
    ])("with a list of keys %s is an error", async (_, fault, message) => {
      expect(await listWith(fault)).toMatchObject({ code: "integrity", message: expect.stringMatching(message) });
    });

    it("may arrive in single bytes", async () => {
      const socket = join(agent.directory, "slow.sock");
      const server = createServer((client) => {
        client.once("data", async () => {
          for (const byte of listResponse([ED25519_KEY, "dpop"])) {
            client.write(Buffer.of(byte));
            await new Promise(setImmediate);
          }
        });
      });
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      await using signer = open({ socket });
      expect(await signer.publicJwk()).toMatchObject({ kty: "OKP", alg: "Ed25519" });
      server.close();
    });

    it("that never comes ends with the time limit, and the next signature doesn't wait for it", async () => {
      await using signer = open({ timeout: 500 });
      await signer.publicJwk();
      proxy.next("sign", "hang");
      expect(await errorOf(signer.sign(data))).toMatchObject({ code: "timeout" });
      expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    });

    it("that comes after the caller has given up isn't taken for that of the next signature", async () => {
      await using signer = open();
      await signer.publicJwk();
      proxy.next("sign", "slow");
      const caller = new AbortController();
      const first = errorOf(signer.sign(Buffer.from("other data"), caller));
      caller.abort();
      expect(await first).toMatchObject({ code: "aborted" });
      expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    });

    it.each([5, 30, 102])("of type %i is the agent's failure", async (type) => {
      expect(await signWith(string(Buffer.of(type)))).toMatchObject({ code: "access-denied" });
      expect(await listWith(string(Buffer.of(type)))).toMatchObject({ code: "unavailable" });
    });
  });

  describe("a signature", () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const raw = sign("sha256", data, { key: other, dsaEncoding: "ieee-p1363" });
    const [r, s] = [raw.subarray(0, 32), raw.subarray(32)];
    const one = mpint(Buffer.of(1));
    const ecdsa = (...integers: Uint8Array[]) => signResponse(ECDSA, Buffer.concat(integers));

    it.each<[string, Buffer, RegExp]>([
      ["of another key", ecdsa(mpint(r), mpint(s)), /doesn't match the key's public key/],
      ["of another type", signResponse("ssh-ed25519", raw), /type ssh-ed25519 instead of ecdsa-sha2-nistp256/],
      ["of a type with control characters", signResponse("\u001b]0;x\u0007", raw), /type \\u\{1b\}\]0;x\\u\{7\} inst/],
      ["in JOSE's format", signResponse(ECDSA, raw), /malformed|out of range/],
      ["in DER", signResponse(ECDSA, sign("sha256", data, other)), /malformed/],
      ["without s", ecdsa(mpint(r)), /malformed/],
      ["with a third integer", ecdsa(mpint(r), mpint(s), one), /5 bytes too many/],
      ["with a negative integer", ecdsa(string(Buffer.of(0x80)), one), /an integer that isn't positive/],
      ["with r = 0", ecdsa(string(), one), /an integer that isn't positive/],
      ["with s = 0 in a byte", ecdsa(one, string(Buffer.of(0))), /an integer that isn't positive/],
      ["with an integer of 33 bytes", ecdsa(mpint(Buffer.alloc(33, 1)), one), /out of range for the key's curve/],
      ["with r above the order", ecdsa(mpint(Buffer.alloc(32, 0xff)), one), /r and s must be in \[1, n-1\]/],
      ["with a length that lies", signResponse(ECDSA, uint32(1000)), /a value of 1000 bytes where 0 are left/],
      ["with bytes after it", string(Buffer.of(14), string(string(ECDSA), string("x"), "y")), /1 bytes too many/],
      ["with bytes after the field", string(Buffer.of(14), string("x"), "y"), /1 bytes too many/],
      ["without a type", string(Buffer.of(14), string()), /a value of 4 bytes where 0 are left/],
    ])("%s is discarded", async (_, response, message) => {
      expect(await signWith(response)).toMatchObject({
        code: "integrity",
        retryable: false,
        message: expect.stringMatching(message),
      });
    });

    it.each<[string, "RS256" | "RS512", RegExp]>([
      ["ssh-rsa", "RS256", /instead of rsa-sha2-256\. It was discarded\. Use an agent that supports it/],
      ["rsa-sha2-512", "RS256", /instead of rsa-sha2-256\. It was discarded\. Set algorithm to RS512/],
      ["rsa-sha2-256", "RS512", /instead of rsa-sha2-512\. It was discarded\. Set algorithm to RS256/],
    ])("of an RSA key with %s is discarded for %s, and the error says what helps", async (type, algorithm, message) => {
      const error = await signWith(signResponse(type, Buffer.alloc(256, 1)), { comment: "rsa" }, { algorithm });
      expect(error).toMatchObject({ code: "integrity", message: expect.stringMatching(message) });
    });

    it("of an RSA key with a byte too many is discarded", async () => {
      const response = signResponse("rsa-sha2-256", Buffer.alloc(257, 1));
      const error = await signWith(response, { comment: "rsa" }, { algorithm: "RS256" });
      expect(error).toMatchObject({ code: "integrity", message: expect.stringMatching(/has 257 bytes/) });
    });

    it("may have leading zeros in its integers, as Secretive sends them", async () => {
      const { x = "", y = "" } = other.export({ format: "jwk" });
      const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
      const key = Buffer.concat([string(ECDSA), string("nistp256"), string(point)]);
      proxy.always("list", listResponse([key, "fixed"]));
      const withZero = (integer: Uint8Array) => string(Buffer.of(0), integer);
      proxy.always("sign", ecdsa(withZero(r), withZero(s)));
      await using signer = open({}, { comment: "fixed" });
      expect(Buffer.from(await signer.sign(data))).toEqual(raw);
    });

    it("of an RSA key may lack its leading zeros, as of any integer", async () => {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const { n = "", e = "" } = privateKey.export({ format: "jwk" });
      const integers = [e, n].map((integer) => mpint(Buffer.from(integer, "base64url")));
      proxy.always("list", listResponse([Buffer.concat([string("ssh-rsa"), ...integers]), "short"]));
      await using signer = open({ algorithm: "RS256" }, { comment: "short" });
      for (let count = 0; ; count += 1) {
        const message = Buffer.from(`${count}`);
        const signature = sign("sha256", message, privateKey);
        if (signature[0] !== 0) continue;
        proxy.always("sign", signResponse("rsa-sha2-256", signature.subarray(1)));
        expect(Buffer.from(await signer.sign(message))).toEqual(signature);
        return;
      }
    });
  });

  describe("a socket", () => {
    const firstUse = async (socket: string) => {
      await using signer = open({ socket });
      return errorOf(signer.publicJwk());
    };

    it.each<[string, (directory: string) => string, string, RegExp]>([
      [
        "that doesn't exist",
        (dir) => join(dir, "none"),
        "unavailable",
        /ENOENT\)\. It doesn't exist\. Start the agent/,
      ],
      ["that is a file", (dir) => file(join(dir, "file")), "misconfigured", /ENOTSOCK\)\. It isn't a socket/],
      ["that is a directory", (dir) => dir, "misconfigured", /ENOTSOCK\)\. It isn't a socket/],
      ["below a file", (dir) => `${file(join(dir, "file"))}/x`, "misconfigured", /ENOTDIR\)\. Part of its path/],
      ["with control characters", (dir) => join(dir, "\u001b[2J\n"), "unavailable", /\\u\{1b\}\[2J\\u\{a\} can't/],
    ])("%s is an error that says so", async (_, path, code, message) => {
      const error = await firstUse(path(agent.directory));
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(error.message).toMatch(/^[^\p{Cc}]+$/u);
    });

    it("that this user must not use is an error that says so", async () => {
      const directory = join(agent.directory, "closed");
      mkdirSync(directory, { mode: 0o700 });
      // Root can use any socket, so this test temporarily runs as the user `nobody`.
      const root = process.getuid?.() === 0;
      if (root) process.seteuid?.(65534);
      else chmodSync(directory, 0);
      try {
        expect(await firstUse(join(directory, "agent.sock"))).toMatchObject({ code: "access-denied" });
      } finally {
        if (root) process.seteuid?.(0);
        chmodSync(directory, 0o700);
      }
    });

    it.each<[string, string, RegExp]>([
      ["of more bytes than the system takes", `/${"a".repeat(120)}`, /has 121 bytes, and the system's limit is 10[37]/],
      ["with a NUL", "/run/agent\0.sock", /socket must be the path/],
      ["that is empty", "", /socket must be the path/],
    ])("with a path %s is refused at once", (_, socket, message) => {
      expect(() => open({ socket })).toThrow(message);
    });

    it("that isn't named anywhere is an error that names SSH_AUTH_SOCK", async () => {
      const { SSH_AUTH_SOCK } = process.env;
      delete process.env.SSH_AUTH_SOCK;
      try {
        await using signer = new SshAgentSigner(KEY);
        const error = await errorOf(signer.publicJwk());
        expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("SSH_AUTH_SOCK isn't") });
        process.env.SSH_AUTH_SOCK = agent.socket;
        expect(await signer.publicJwk()).toMatchObject({ alg: "ES256" });
      } finally {
        if (SSH_AUTH_SOCK === undefined) delete process.env.SSH_AUTH_SOCK;
        else process.env.SSH_AUTH_SOCK = SSH_AUTH_SOCK;
      }
    });
  });

  it("never shows what was signed, nor a control character of an agent, in an error", async () => {
    const hostile = Buffer.from("\u001b]0;owned\u0007\u009b31m\u202e\r\n");
    const key = Buffer.concat([string(hostile), string(hostile)]);
    const responses: AgentFault[] = [
      listResponse([key, "dpop"]),
      listResponse([Buffer.concat([string("sk-", hostile)]), "dpop"]),
      string(hostile),
    ];
    const errors = [await signWith(signResponse(hostile.toString("latin1"), hostile))];
    for (const response of responses) errors.push(await listWith(response));
    for (const error of errors) {
      expect(error.message).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]+$/u);
      expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(data.toString());
    }
  });
});

function file(path: string): string {
  writeFileSync(path, "");
  return path;
}

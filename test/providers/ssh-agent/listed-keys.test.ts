/** Keys that OpenSSH's agent lists only with hardware, or that no agent should list. */
import { listKeys, openSigner, type SignerError } from "hardproof";
import { SshAgentSigner } from "hardproof/ssh-agent";
import { describe, expect, it } from "vitest";
import { run } from "../../src/cli/run.js";
import { agentProxy } from "../../tokens/agent-proxy.js";
import { ED25519_KEY, listResponse, string } from "./messages.js";

const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("the list of keys", () => {
  const sk = Buffer.concat([string("sk-ssh-ed25519@openssh.com"), string(Buffer.alloc(32)), string("ssh:")]);
  const certificate = Buffer.concat([string("ssh-ed25519-cert-v01@openssh.com"), string("nonce")]);
  const dss = Buffer.concat([string("ssh-dss"), string("p")]);
  const damaged = Buffer.concat([string("ssh-ed25519")]);

  it.each<[string, Buffer, RegExp]>([
    ["a security key", sk, /type of this key is sk-ssh-ed25519@openssh\.com\. It signs the message together with/],
    ["a certificate", certificate, /ssh-ed25519-cert-v01@openssh\.com\. It is a certificate\. Use the key/],
    ["a type that JOSE doesn't have", dss, /ssh-dss\. There isn't a JWS algorithm for it\. Use a key of one of/],
    ["a damaged key", damaged, /The public key is malformed/],
    ["an empty key", Buffer.of(), /The public key is malformed/],
    ["a point of another length", ecKey("nistp256", Buffer.alloc(97, 4)), /isn't an uncompressed point on its curve/],
    ["a point of another form", ecKey("nistp256", Buffer.alloc(65, 6)), /isn't an uncompressed point on its curve/],
    ["the name of another curve", ecKey("nistp384", Buffer.alloc(65, 4)), /isn't an uncompressed point on its curve/],
    ["a compressed point", ecKey("nistp256", Buffer.alloc(33, 2)), /isn't an uncompressed point on its curve/],
    ["a point off the curve", ecKey("nistp256", Buffer.alloc(65, 4)), /can't be parsed/],
    ["bytes after a key", Buffer.concat([ED25519_KEY, Buffer.of(0)]), /1 bytes too many/],
    ["a giant RSA key", rsaKey(2049), /This key is RSA 16392/],
  ])("may have %s, which is refused with the reason and doesn't hide the others", async (_, key, message) => {
    await using proxy = await agentProxy();
    proxy.always("list", listResponse([key, "bad"], [ED25519_KEY, "good"], [ED25519_KEY, "again"]));
    const error = await errorOf(new SshAgentSigner({ comment: "bad" }, { socket: proxy.socket }).publicJwk());
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(message) });
    expect(await listKeys("ssh-agent:", { socket: proxy.socket })).toHaveLength(1);
    await using good = new SshAgentSigner({ comment: "good" }, { socket: proxy.socket });
    expect(await good.publicJwk()).toMatchObject({ alg: "Ed25519" });
  });

  it("may have comments of any bytes, which are escaped wherever they appear", async () => {
    const hostile = "\u001b]0;owned\u0007 \u202e\u009b\r\n🔑";
    await using proxy = await agentProxy();
    proxy.always("list", listResponse([ED25519_KEY, hostile], [ED25519_KEY, Buffer.of(0xff, 0)]));
    await using signer = new SshAgentSigner({ comment: hostile }, { socket: proxy.socket });
    const { evidence, uri } = await signer.describe();
    expect(evidence.comment).toBe("\\u{1b}]0;owned\\u{7} \\u{202e}\\u{9b}\\u{d}\\u{a}🔑");
    expect(uri).toMatch(/^[\x21-\x7e]+$/);
    expect((await run(["show", uri])).out).toContain("u{1b}]0;owned");
    await using same = await openSigner(uri);
    expect(await same.publicJwk()).toEqual(await signer.publicJwk());
  });
});

function ecKey(curve: string, point: Buffer): Buffer {
  return Buffer.concat([string("ecdsa-sha2-nistp256"), string(curve), string(point)]);
}

function rsaKey(bytes: number): Buffer {
  return Buffer.concat([string("ssh-rsa"), string(Buffer.of(3)), string(Buffer.alloc(bytes, 1))]);
}
